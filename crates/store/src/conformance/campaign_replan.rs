//! From when on new settings hold.

use domain::Outcome;
use domain::attempt::{Fact, Refusal};
use domain::campaign::{CampaignStatus, LeadStatus};
use domain::settings::SettingsDraft;
use jiff::{SignedDuration, Timestamp};

use super::fixture::{
    add, apply, at, call_and_end, edit, ended, later, lead, morning, new_lead, phone,
    tenant_with_running, tick,
};
use crate::{LeadFields, NewLead, OnDuplicate, Store};

pub async fn an_update_takes_back_what_was_not_sent(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    add(store, caller, id, 2).await;
    let due = tick(store, caller.now).await;
    assert_eq!(due.len(), 2);
    let board = store.send_board();
    edit(store, caller, id, |draft| {
        draft.name = Some("Renamed".to_owned());
    })
    .await
    .unwrap();
    assert!(
        board.begin(due[0].attempt_id).is_some(),
        "a name takes nothing back"
    );
    edit(store, caller, id, |draft| {
        draft.max_daily_attempts = Some(1);
    })
    .await
    .unwrap();
    assert!(board.begin(due[1].attempt_id).is_none());
}

pub async fn a_looser_policy_is_felt_at_once(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    edit(store, caller, id, |draft| {
        draft.min_gap_between_attempts = Some(600);
    })
    .await
    .unwrap();
    add(store, caller, id, 1).await;
    let not_before = Some(later(86_400));
    let patient = NewLead {
        fields: LeadFields {
            not_before,
            ..LeadFields::default()
        },
        ..new_lead(2)
    };
    store
        .add_lead(caller, id, patient, OnDuplicate::Update, None)
        .await
        .unwrap();
    call_and_end(store, caller.now, Outcome::NoAnswer).await;
    assert!(tick(store, later(300)).await.is_empty());
    let caller = at(caller, later(301));
    edit(store, caller, id, |draft| {
        draft.min_gap_between_attempts = Some(5);
    })
    .await
    .unwrap();
    assert_eq!(lead(store, caller, id, 2).await.due_at, not_before);
    let dialed: Vec<_> = tick(store, caller.now)
        .await
        .into_iter()
        .map(|dispatch| dispatch.phone)
        .collect();
    assert_eq!(dialed, [phone(1)]);
}

pub async fn a_mended_campaign_is_tried_at_once(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    store.send_board().forget(due[0].attempt_id);
    apply(
        store,
        caller.now,
        due[0].attempt_id,
        Fact::Refused(Refusal::Configuration),
    )
    .await;
    add(store, caller, id, 2).await;
    assert!(tick(store, later(1)).await.is_empty());
    let caller = at(caller, later(2));
    let mend = |draft: &mut SettingsDraft| draft.assistant_id = Some("asst_2".to_owned());
    edit(store, caller, id, mend).await.unwrap();
    let due = tick(store, caller.now).await;
    assert_eq!(
        (due[0].phone.clone(), due[0].assistant_id.as_str()),
        (phone(2), "asst_2")
    );
}

pub async fn a_reopened_campaign_calls_who_still_waits(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let ends_today = |draft: &mut SettingsDraft| draft.end_date = Some("2026-03-02".to_owned());
    edit(store, caller, id, ends_today).await.unwrap();
    let tomorrow = at(caller, later(86_400));
    add(store, tomorrow, id, 1).await;
    tick(store, tomorrow.now).await;
    assert_eq!(
        store
            .get_campaign(caller.tenant_id, id)
            .await
            .unwrap()
            .status,
        CampaignStatus::Completed
    );
    assert_eq!(lead(store, tomorrow, id, 1).await.status, LeadStatus::Ready);
    let ends_never = |draft: &mut SettingsDraft| draft.end_date = None;
    edit(store, tomorrow, id, ends_never).await.unwrap();
    assert_eq!(tick(store, tomorrow.now).await.len(), 1);
}

/// Ticks ten times a second; answers when calls may be sent at the earliest.
async fn starts(store: &dyn Store, from_ms: i64, to_ms: i64) -> Vec<Timestamp> {
    let mut starts = Vec::new();
    for ms in (from_ms..to_ms).step_by(100) {
        let now = morning() + SignedDuration::from_millis(ms);
        for call in tick(store, now).await {
            store.send_board().forget(call.attempt_id);
            apply(store, now, call.attempt_id, Fact::Placed).await;
            apply(store, now, call.attempt_id, ended(Outcome::Answered)).await;
            starts.push(call.send_at);
        }
    }
    starts
}

pub async fn a_narrower_pace_holds_from_the_last_call_on(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let fast = |draft: &mut SettingsDraft| draft.max_calls_per_minute = Some(60);
    edit(store, caller, id, fast).await.unwrap();
    for n in 1..=30 {
        add(store, caller, id, n).await;
    }
    let before = starts(store, 0, 5_000).await;
    assert!((4..=6).contains(&before.len()), "{before:?}");
    let caller = at(caller, later(5));
    let slow = |draft: &mut SettingsDraft| draft.max_calls_per_minute = Some(6);
    edit(store, caller, id, slow).await.unwrap();
    let after = starts(store, 5_000, 65_000).await;
    assert!((5..=6).contains(&after.len()), "{after:?}");
    let since_last = [before.last().copied(), after.first().copied()].map(Option::unwrap);
    for pair in after.windows(2).chain([&since_last[..]]) {
        let apart = pair[1].duration_since(pair[0]);
        assert!(apart >= SignedDuration::from_secs(10), "{pair:?}");
    }
}
