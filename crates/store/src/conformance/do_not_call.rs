//! `do_not_call` on a lead, and what it means for the tenant's other campaigns.

use domain::Outcome;
use domain::attempt::Fact;
use domain::campaign::{CampaignStatus, LeadStatus};

use super::fixture::{
    add, apply, at, call_and_end, campaign, change, conflict, do_not_call, ended, later, lead,
    mark_as_unanswered, new_lead, phone, tenant_with_campaign, tenant_with_running, tick,
};
use crate::{Conflict, LeadChange, LeadFields, NewLead, OnDuplicate, OptOut, Store};

pub async fn do_not_call_holds_in_every_campaign_of_the_tenant(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let draft = store
        .get_campaign(caller.tenant_id, id)
        .await
        .unwrap()
        .draft;
    let second = campaign(store, caller, draft).await.campaign_id;
    let (stranger, foreign) = tenant_with_campaign(store, "Other").await;
    add(store, stranger, foreign.campaign_id, 1).await;
    for campaign_id in [id, second] {
        add(store, caller, campaign_id, 1).await;
        add(store, caller, campaign_id, 2).await;
    }
    let changed = change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    assert_eq!(
        (changed.status, changed.due_at, changed.revision),
        (LeadStatus::OptedOut, None, 2)
    );
    for campaign_id in [id, second] {
        assert_eq!(
            lead(store, caller, campaign_id, 1).await.status,
            LeadStatus::OptedOut
        );
        assert_eq!(
            lead(store, caller, campaign_id, 2).await.status,
            LeadStatus::Ready
        );
    }
    assert_eq!(
        lead(store, stranger, foreign.campaign_id, 1).await.status,
        LeadStatus::Ready
    );
    let dialed: Vec<_> = tick(store, caller.now)
        .await
        .into_iter()
        .map(|dispatch| dispatch.phone)
        .collect();
    assert_eq!(dialed, [phone(2)]);
    let again = change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    assert_eq!(again.revision, 2);
}

pub async fn taking_do_not_call_back_puts_leads_where_they_were(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let draft = store
        .get_campaign(caller.tenant_id, id)
        .await
        .unwrap()
        .draft;
    let second = campaign(store, caller, draft).await.campaign_id;
    // Reached while opting out in one campaign, waiting in the other.
    add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    store.send_board().forget(due[0].attempt_id);
    apply(store, caller.now, due[0].attempt_id, Fact::Placed).await;
    add(store, caller, second, 1).await;
    change(store, caller, second, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    apply(
        store,
        caller.now,
        due[0].attempt_id,
        ended(Outcome::Answered),
    )
    .await;
    assert_eq!(
        lead(store, caller, id, 1).await.status,
        LeadStatus::OptedOut
    );

    let back = change(store, caller, second, 1, do_not_call(OptOut::Lift))
        .await
        .unwrap();
    assert_eq!(
        (back.status, back.due_at),
        (LeadStatus::Ready, Some(caller.now))
    );
    let reached = lead(store, caller, id, 1).await;
    assert_eq!(
        (reached.status, reached.due_at),
        (LeadStatus::Answered, None),
        "a person who was reached is not called again"
    );
    assert_eq!(
        add(store, caller, second, 1).await.status,
        LeadStatus::Ready
    );
}

pub async fn do_not_call_waits_for_a_call_that_is_up(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    add(store, caller, id, 2).await;
    let due = tick(store, caller.now).await;
    let board = store.send_board();
    let attempt = |n| {
        due.iter()
            .find(|dispatch| dispatch.phone == phone(n))
            .unwrap()
            .attempt_id
    };
    board.forget(attempt(1));
    apply(store, caller.now, attempt(1), Fact::Placed).await;
    for n in [1, 2] {
        let changed = change(store, caller, id, n, do_not_call(OptOut::Enter))
            .await
            .unwrap();
        assert_eq!(changed.status, LeadStatus::InCall);
    }
    assert!(
        board.begin(attempt(2)).is_none(),
        "what was not begun is taken back"
    );
    apply(store, caller.now, attempt(2), Fact::NeverSent).await;
    apply(store, caller.now, attempt(1), ended(Outcome::NoAnswer)).await;
    for n in [1, 2] {
        assert_eq!(
            lead(store, caller, id, n).await.status,
            LeadStatus::OptedOut
        );
    }
    assert!(tick(store, later(86_400)).await.is_empty());
}

pub async fn a_lead_that_was_requeued_comes_back_ready(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    call_and_end(store, caller.now, Outcome::Answered).await;
    let caller = at(caller, later(60));
    change(store, caller, id, 1, mark_as_unanswered())
        .await
        .unwrap();
    change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    let back = change(store, caller, id, 1, do_not_call(OptOut::Lift))
        .await
        .unwrap();
    assert_eq!(back.status, LeadStatus::Ready);
}

pub async fn a_campaign_whose_last_lead_opts_out_completes(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let draft = store
        .get_campaign(caller.tenant_id, id)
        .await
        .unwrap()
        .draft;
    let elsewhere = campaign(store, caller, draft).await.campaign_id;
    add(store, caller, elsewhere, 1).await;
    let not_before = Some(later(86_400));
    let waiting = NewLead {
        fields: LeadFields {
            not_before,
            ..LeadFields::default()
        },
        ..new_lead(1)
    };
    store
        .add_lead(caller, id, waiting, OnDuplicate::Update, None)
        .await
        .unwrap();
    assert!(tick(store, caller.now).await.is_empty());
    change(
        store,
        at(caller, later(1)),
        elsewhere,
        1,
        do_not_call(OptOut::Enter),
    )
    .await
    .unwrap();
    tick(store, later(1)).await;
    let campaign = store.get_campaign(caller.tenant_id, id).await.unwrap();
    assert_eq!(campaign.status, CampaignStatus::Completed);
}

pub async fn a_denied_opt_out_stays_and_nothing_else_changes(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let deny = || LeadChange {
        first_name: Some(Some("Ada".to_owned())),
        ..do_not_call(OptOut::Deny)
    };
    // Where there is none, denying it is true.
    let named = change(store, caller, id, 1, deny()).await.unwrap();
    assert_eq!(named.status, LeadStatus::Ready);
    change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    let denied = LeadChange {
        last_name: Some(Some("Lovelace".to_owned())),
        ..deny()
    };
    let denied = change(store, caller, id, 1, denied).await;
    assert_eq!(conflict(denied), Conflict::OptedOut);
    let kept = lead(store, caller, id, 1).await;
    assert_eq!(
        (kept.status, kept.fields.last_name),
        (LeadStatus::OptedOut, None)
    );
    // Nor does adding it again lift anything.
    add(store, caller, id, 1).await;
    assert_eq!(
        lead(store, caller, id, 1).await.status,
        LeadStatus::OptedOut
    );
    assert!(tick(store, later(86_400)).await.is_empty());
}
