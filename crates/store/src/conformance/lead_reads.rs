//! Reading leads.

use domain::attempt::Fact;
use domain::campaign::LeadStatus;
use domain::{CampaignId, Outcome};

use super::fixture::{
    add, apply, assert_not_found, at, call_and_end, campaign, first, later, lead, new_lead, phone,
    tenant, tenant_with_campaign, tenant_with_running, tick,
};
use crate::{Caller, LeadFields, LeadFilter, LeadKey, NewLead, OnDuplicate, PageRequest, Store};

async fn found(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    filter: LeadFilter,
) -> Vec<String> {
    let page = store
        .list_leads(caller.tenant_id, campaign_id, filter, first(50), caller.now)
        .await
        .unwrap();
    page.items
        .iter()
        .map(|lead| lead.phone.as_str().to_owned())
        .collect()
}

pub async fn leads_are_filtered(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let named = NewLead {
        fields: LeadFields {
            first_name: Some("Ada".to_owned()),
            last_name: Some("Lovelace".to_owned()),
            email: Some("ada_l@example.org".to_owned()),
            ..LeadFields::default()
        },
        ..new_lead(1)
    };
    store
        .add_lead(caller, id, named, OnDuplicate::Update, None)
        .await
        .unwrap();
    call_and_end(store, caller.now, Outcome::Answered).await;
    add(store, caller, id, 2).await;
    let (one, two) = (phone(1).as_str().to_owned(), phone(2).as_str().to_owned());
    assert_eq!(
        found(store, caller, id, LeadFilter::default()).await,
        [two.clone(), one.clone()]
    );
    let all = LeadFilter::default;
    let ready = LeadFilter {
        status: Some(LeadStatus::Ready),
        ..all()
    };
    assert_eq!(found(store, caller, id, ready).await, [two.as_str()]);
    let answered = LeadFilter {
        outcome: Some(Outcome::Answered),
        ..all()
    };
    assert_eq!(found(store, caller, id, answered).await, [one.as_str()]);
    let by_number = LeadFilter {
        phone: Some(phone(2)),
        ..all()
    };
    assert_eq!(
        found(store, caller, id, by_number.clone()).await,
        [two.as_str()]
    );
    let contradiction = LeadFilter {
        status: Some(LeadStatus::Answered),
        ..by_number
    };
    assert!(found(store, caller, id, contradiction).await.is_empty());
    for text in ["LOVE", "ada l", "ADA_L@", "5550001"] {
        let filter = LeadFilter {
            text: Some(text.to_owned()),
            ..all()
        };
        assert_eq!(
            found(store, caller, id, filter).await,
            [one.as_str()],
            "{text}"
        );
    }
    for text in ["a%a", "a_a", "nobody"] {
        let filter = LeadFilter {
            text: Some(text.to_owned()),
            ..all()
        };
        assert!(found(store, caller, id, filter).await.is_empty(), "{text}");
    }
}

pub async fn pages_are_stable_while_leads_are_added(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    for n in 1..=5 {
        add(store, caller, made.campaign_id, n).await;
    }
    let (mut seen, mut before) = (Vec::new(), None);
    for n in 100.. {
        let request = PageRequest { limit: 2, before };
        let filter = LeadFilter::default();
        let page = store
            .list_leads(
                caller.tenant_id,
                made.campaign_id,
                filter,
                request,
                caller.now,
            )
            .await
            .unwrap();
        seen.extend(page.items.into_iter().map(|lead| lead.phone));
        add(store, caller, made.campaign_id, n).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(phone));
}

pub async fn leads_are_found_by_id_and_number_in_their_campaign_only(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let other = campaign(store, caller, made.draft).await.campaign_id;
    let added = add(store, caller, made.campaign_id, 1).await;
    let stranger = tenant(store, "Other").await;
    for key in [LeadKey::Id(added.lead_id), LeadKey::Phone(phone(1))] {
        let get = |tenant_id, campaign_id| {
            store.get_lead(tenant_id, campaign_id, key.clone(), caller.now)
        };
        assert_eq!(
            get(caller.tenant_id, made.campaign_id).await.unwrap(),
            added
        );
        assert_not_found(get(caller.tenant_id, other).await, "lead");
        assert_not_found(get(stranger.tenant_id, made.campaign_id).await, "campaign");
    }
    let listed = store.list_leads(
        stranger.tenant_id,
        made.campaign_id,
        LeadFilter::default(),
        first(1),
        caller.now,
    );
    assert_not_found(listed.await, "campaign");
    let refused = store
        .add_lead(
            stranger,
            made.campaign_id,
            new_lead(2),
            OnDuplicate::Update,
            None,
        )
        .await;
    assert_not_found(refused, "campaign");
}

pub async fn attempts_are_counted_by_the_campaigns_day(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    store.send_board().forget(due[0].attempt_id);
    apply(store, caller.now, due[0].attempt_id, Fact::NeverSent).await;
    assert_eq!(
        lead(store, caller, id, 1).await.attempts,
        0,
        "what never left does not count"
    );
    call_and_end(store, later(10), Outcome::NoAnswer).await;
    // The campaign is in New York, where it is 10:00 now.
    let midnight = 14 * 3_600;
    let tonight = lead(store, at(caller, later(midnight - 1)), id, 1).await;
    assert_eq!((tonight.attempts, tonight.attempts_today), (1, 1));
    let tomorrow = lead(store, at(caller, later(midnight)), id, 1).await;
    assert_eq!((tomorrow.attempts, tomorrow.attempts_today), (1, 0));
    assert_eq!(
        (tomorrow.last_outcome, tomorrow.last_attempt_at),
        (Some(Outcome::NoAnswer), Some(later(10)))
    );
}
