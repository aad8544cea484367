//! Whose turn it is on a line that has many campaigns.

use std::collections::HashMap;

use domain::CampaignId;
use domain::campaign::CampaignCommand;
use domain::settings::WindowDraft;

use super::fixture::{add, campaign, draft, fresh, later, new_line, order, tenant, tick};
use crate::{NewLine, Store};

/// More than any plan lists, and more than a store may care to sort.
const AWAKE: u32 = 70;
/// As many as would keep a plan busy, were they not passed over.
const ASLEEP: u32 = 20;
const LEADS_OF_EACH: u32 = 2;

/// The numbers of each campaign's leads are its own.
async fn running(
    store: &dyn Store,
    caller: crate::Caller,
    settings: &domain::settings::SettingsDraft,
    place: u32,
) -> CampaignId {
    let id = campaign(store, caller, settings).await.campaign_id;
    for lead in 0..LEADS_OF_EACH {
        add(store, caller, id, place * LEADS_OF_EACH + lead).await;
    }
    order(store, caller, id, CampaignCommand::Start).await;
    id
}

pub async fn many_campaigns_of_a_line_take_turns_past_those_that_sleep(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let wide = NewLine {
        max_concurrent_calls: 10_000,
        ..new_line()
    };
    let line_id = fresh(store.create_line(caller, wide, None).await.unwrap()).line_id;
    let at_any_hour = draft(line_id);
    let mut at_night = at_any_hour.clone();
    at_night.windows = Some(vec![WindowDraft {
        days_of_week: None,
        start_time: "22:00".to_owned(),
        end_time: "23:00".to_owned(),
    }]);
    // Those that sleep were there first: by their turn alone they would come before all others.
    for place in 0..ASLEEP {
        running(store, caller, &at_night, place).await;
    }
    assert!(tick(store, caller.now).await.is_empty());
    let mut calls: HashMap<CampaignId, u32> = HashMap::new();
    for place in ASLEEP..ASLEEP + AWAKE {
        let id = running(store, caller, &at_any_hour, place).await;
        calls.insert(id, 0);
    }
    // Of one that sleeps there is no count.
    for second in 1..=100 {
        for call in tick(store, later(second)).await {
            let made = calls.get_mut(&call.campaign_id);
            *made.unwrap() += 1;
        }
        let (least, most) = (calls.values().min(), calls.values().max());
        assert!(most <= least.map(|least| least + 1).as_ref(), "{calls:?}");
    }
    assert!(
        calls.values().all(|made| *made == LEADS_OF_EACH),
        "{calls:?}"
    );
}
