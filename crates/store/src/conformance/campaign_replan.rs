//! From when on new settings hold.

use domain::Outcome;
use domain::attempt::{Fact, Refusal};
use domain::campaign::{CampaignStatus, LeadStatus};
use domain::settings::SettingsDraft;

use super::fixture::{
    add, apply, at, call_and_end, edit, later, lead, new_lead, phone, tenant_with_running, tick,
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
