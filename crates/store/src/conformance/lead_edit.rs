//! Changing and removing leads.

use domain::attempt::Fact;
use domain::campaign::{CampaignStatus, LeadStatus};
use domain::{LeadId, Outcome};
use serde_json::json;

use super::fixture::{
    add, apply, assert_not_found, at, call_and_end, change, complete, conflict, do_not_call, ended,
    later, lead, mark_as_unanswered, order, phone, tenant, tenant_with_campaign,
    tenant_with_running, tick,
};
use crate::{Conflict, LeadChange, LeadKey, OptOut, Store, StoreError};

fn renamed(name: &str) -> LeadChange {
    LeadChange {
        first_name: Some(Some(name.to_owned())),
        ..LeadChange::default()
    }
}

pub async fn each_change_has_its_own_answer(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    let (one, two) = (
        add(store, caller, id, 1).await,
        add(store, caller, id, 2).await,
    );
    let large = json!({ "large": "x".repeat(70 * 1024) })
        .as_object()
        .cloned();
    let too_large = LeadChange {
        custom_fields: large,
        do_not_call: Some(OptOut::Enter),
        ..LeadChange::default()
    };
    let changes = vec![
        (LeadKey::Id(one.lead_id), renamed("Ada")),
        (LeadKey::Phone(phone(9)), renamed("Nobody")),
        (LeadKey::Phone(phone(2)), too_large),
        (
            LeadKey::Phone(phone(1)),
            LeadChange {
                priority: Some(Some(1)),
                ..LeadChange::default()
            },
        ),
    ];
    let mut answers = store
        .update_leads(at(caller, later(60)), id, changes)
        .await
        .unwrap();
    let last = answers.pop().unwrap().unwrap();
    assert_eq!(
        (
            last.fields.first_name.as_deref(),
            last.fields.priority,
            last.revision
        ),
        (Some("Ada"), Some(1), 3)
    );
    assert_eq!(last.updated_at, later(60));
    assert!(matches!(
        conflict(answers.pop().unwrap()),
        Conflict::TooLarge(_)
    ));
    assert_not_found(answers.pop().unwrap(), "lead");
    assert_eq!(answers.pop().unwrap().unwrap().revision, 2);
    assert_eq!(
        lead(store, caller, id, 2).await,
        two,
        "a refused change leaves no trace"
    );
}

pub async fn absent_fields_stay_and_null_clears(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    add(store, caller, id, 1).await;
    let all = LeadChange {
        email: Some(Some("a@example.org".to_owned())),
        timezone: Some(Some("Europe/Paris".to_owned())),
        priority: Some(Some(8)),
        not_before: Some(Some(later(600))),
        custom_fields: json!({ "a": 1, "b": 2 }).as_object().cloned(),
        ..renamed("Ada")
    };
    let full = change(store, caller, id, 1, all).await.unwrap();
    assert_eq!(full.due_at, Some(later(600)));
    let cleared = LeadChange {
        email: Some(None),
        timezone: Some(None),
        priority: Some(None),
        not_before: Some(None),
        custom_fields: json!({ "a": null }).as_object().cloned(),
        ..LeadChange::default()
    };
    let left = change(store, caller, id, 1, cleared).await.unwrap();
    assert_eq!(
        (
            left.fields.first_name.as_deref(),
            left.fields.email,
            left.fields.timezone
        ),
        (Some("Ada"), None, None)
    );
    assert_eq!(
        (left.fields.priority, left.fields.not_before, left.due_at),
        (Some(5), None, Some(caller.now))
    );
    assert_eq!(
        serde_json::Value::from(left.fields.custom_fields),
        json!({ "b": 2 })
    );
}

pub async fn a_change_that_changes_nothing_is_no_revision(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let added = add(store, caller, made.campaign_id, 1).await;
    for nothing in [
        LeadChange::default(),
        do_not_call(OptOut::Lift),
        mark_as_unanswered(),
    ] {
        let same = change(store, at(caller, later(60)), made.campaign_id, 1, nothing)
            .await
            .unwrap();
        assert_eq!(same, added);
    }
}

pub async fn a_requeued_lead_has_fresh_caps(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::NoAnswer).await;
    call_and_end(store, later(600), Outcome::Answered).await;
    let caller = at(caller, later(660));
    let reached = lead(store, caller, id, 1).await;
    assert_eq!(
        (reached.status, reached.attempts, reached.attempts_today),
        (LeadStatus::Answered, 2, 2)
    );
    let back = change(store, caller, id, 1, mark_as_unanswered())
        .await
        .unwrap();
    assert_eq!(
        (back.status, back.attempts, back.attempts_today),
        (LeadStatus::Ready, 0, 0)
    );
    assert_eq!(
        (back.due_at, back.revision, back.last_outcome),
        (Some(later(660)), 2, Some(Outcome::Answered))
    );
    // The caps are fresh; the least pause after the last call still holds.
    assert!(tick(store, later(661)).await.is_empty());
    let again = call_and_end(store, later(960), Outcome::NoAnswer).await;
    assert_eq!(again.phone, phone(1));
    assert_eq!(lead(store, caller, id, 1).await.attempts, 1);
    let calls = crate::CallFilter {
        phone: Some(phone(1)),
        ..crate::CallFilter::default()
    };
    let history = store
        .list_calls(caller.tenant_id, calls, super::fixture::first(10))
        .await
        .unwrap();
    assert_eq!(
        history
            .items
            .iter()
            .map(|call| call.attempt_number)
            .collect::<Vec<_>>(),
        [3, 2, 1]
    );
}

pub async fn only_reached_or_exhausted_leads_are_requeued(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    for (n, outcome, becomes) in [
        (1, Outcome::InvalidNumber, LeadStatus::Invalid),
        (2, Outcome::Answered, LeadStatus::Ready),
    ] {
        let caller = at(caller, later(i64::from(n)));
        add(store, caller, id, n).await;
        call_and_end(store, caller.now, outcome).await;
        let caller = at(caller, later(60));
        let changed = change(store, caller, id, n, mark_as_unanswered())
            .await
            .unwrap();
        assert_eq!(changed.status, becomes, "{outcome}");
    }
    // A number on the do-not-call list does not come back.
    call_and_end(store, later(660), Outcome::Answered).await;
    let both = LeadChange {
        do_not_call: Some(OptOut::Enter),
        ..mark_as_unanswered()
    };
    let changed = change(store, at(caller, later(720)), id, 2, both)
        .await
        .unwrap();
    assert_eq!(
        (changed.status, changed.due_at),
        (LeadStatus::OptedOut, None)
    );
    let both = LeadChange {
        do_not_call: Some(OptOut::Lift),
        ..mark_as_unanswered()
    };
    let changed = change(store, at(caller, later(780)), id, 2, both)
        .await
        .unwrap();
    assert_eq!(changed.status, LeadStatus::Ready);
}

pub async fn a_requeued_lead_reopens_a_completed_campaign(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    complete(store, caller, id, 1).await;
    let caller = at(caller, later(60));
    change(store, caller, id, 1, renamed("Ada")).await.unwrap();
    let still = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(still.status, CampaignStatus::Completed);
    change(store, caller, id, 1, mark_as_unanswered())
        .await
        .unwrap();
    let reopened = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(reopened.status, CampaignStatus::Running);
    call_and_end(store, later(660), Outcome::NoAnswer).await;
}

pub async fn removed_leads_are_gone(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let id = made.campaign_id;
    let one = add(store, caller, id, 1).await;
    add(store, caller, id, 2).await;
    let keys = vec![
        LeadKey::Id(one.lead_id),
        LeadKey::Phone(phone(1)),
        LeadKey::Phone(phone(2)),
        LeadKey::Id(LeadId::from_raw(1)),
    ];
    let answers = store.remove_leads(caller, id, keys).await.unwrap();
    let found: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(found, [true, false, true, false]);
    assert!(matches!(answers[1], Err(StoreError::NotFound("lead"))));
    let counts = store
        .get_campaign(caller.tenant_id, id)
        .await
        .unwrap()
        .lead_counts;
    assert_eq!(counts.values().sum::<u64>(), 0);
    assert_ne!(add(store, caller, id, 1).await.lead_id, one.lead_id);
}

pub async fn removing_takes_back_what_was_not_sent(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let added = add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    assert_eq!(due[0].lead_id, added.lead_id);
    store
        .remove_leads(caller, id, vec![LeadKey::Id(added.lead_id)])
        .await
        .unwrap();
    assert!(store.send_board().begin(due[0].attempt_id).is_none());
    apply(store, caller.now, due[0].attempt_id, Fact::NeverSent).await;
    assert_eq!(
        store.lead_payloads(vec![added.lead_id]).await.unwrap(),
        [None]
    );
    order(store, caller, id, domain::campaign::CampaignCommand::Stop).await;
}

pub async fn removing_and_adding_again_forgets_nothing(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let remove = |n| store.remove_leads(caller, id, vec![LeadKey::Phone(phone(n))]);
    // Reached, then removed.
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    remove(1).await.unwrap();
    let again = add(store, caller, id, 1).await;
    assert_eq!(again.status, domain::campaign::LeadStatus::Answered);
    // Not a number at all.
    add(store, caller, id, 2).await;
    call_and_end(store, later(60), Outcome::InvalidNumber).await;
    remove(2).await.unwrap();
    let again = add(store, caller, id, 2).await;
    assert_eq!(again.status, domain::campaign::LeadStatus::Invalid);
    // Removed and added while the call was up, and reached by it.
    add(store, caller, id, 3).await;
    let up = tick(store, later(120)).await.remove(0);
    store.send_board().forget(up.attempt_id);
    apply(store, later(120), up.attempt_id, Fact::Connected).await;
    remove(3).await.unwrap();
    let again = add(store, caller, id, 3).await;
    assert_eq!(again.status, domain::campaign::LeadStatus::Ready);
    apply(store, later(180), up.attempt_id, ended(Outcome::Answered)).await;
    let reached = lead(store, caller, id, 3).await;
    assert_eq!(reached.lead_id, again.lead_id);
    assert_eq!(reached.status, domain::campaign::LeadStatus::Answered);
    assert!(tick(store, later(100_000)).await.is_empty());
    // A user may put such a lead back.
    let back = LeadChange {
        mark_as_unanswered: Some(true),
        ..LeadChange::default()
    };
    change(store, at(caller, later(100_000)), id, 3, back)
        .await
        .unwrap();
    assert_eq!(tick(store, later(100_000)).await.len(), 1);
}

pub async fn leads_of_another_tenant_are_not_found(store: &dyn Store) {
    let (owner, made) = tenant_with_campaign(store, "Acme").await;
    let (stranger, own) = tenant_with_campaign(store, "Other").await;
    let added = add(store, owner, made.campaign_id, 1).await;
    let key = LeadKey::Id(added.lead_id);
    let update = |campaign_id| {
        store.update_leads(
            stranger,
            campaign_id,
            vec![(key.clone(), do_not_call(OptOut::Enter))],
        )
    };
    assert_not_found(update(made.campaign_id).await, "campaign");
    assert_not_found(update(own.campaign_id).await.unwrap().remove(0), "lead");
    let remove = |campaign_id| store.remove_leads(stranger, campaign_id, vec![key.clone()]);
    assert_not_found(remove(made.campaign_id).await, "campaign");
    assert_not_found(remove(own.campaign_id).await.unwrap().remove(0), "lead");
    assert_eq!(lead(store, owner, made.campaign_id, 1).await, added);
    let bystander = tenant(store, "Third").await;
    assert_not_found(
        store
            .get_lead(bystander.tenant_id, made.campaign_id, key, owner.now)
            .await,
        "campaign",
    );
}

pub async fn a_changed_lead_wakes_its_campaign(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let not_before = |at| LeadChange {
        not_before: Some(at),
        ..LeadChange::default()
    };
    add(store, caller, id, 1).await;
    change(store, caller, id, 1, not_before(Some(later(86_400))))
        .await
        .unwrap();
    assert!(tick(store, caller.now).await.is_empty());
    change(store, at(caller, later(1)), id, 1, not_before(None))
        .await
        .unwrap();
    assert_eq!(tick(store, later(1)).await.len(), 1);
}

pub async fn a_campaign_whose_last_open_lead_is_removed_completes(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    add(store, caller, id, 2).await;
    let not_before = LeadChange {
        not_before: Some(Some(later(86_400))),
        ..LeadChange::default()
    };
    change(store, caller, id, 2, not_before).await.unwrap();
    assert!(tick(store, caller.now).await.is_empty());
    store
        .remove_leads(at(caller, later(1)), id, vec![LeadKey::Phone(phone(2))])
        .await
        .unwrap();
    tick(store, later(1)).await;
    let campaign = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(campaign.status, CampaignStatus::Completed);
}
