//! What facts do to calls, leads and slots, where the order of things matters.

use domain::Outcome;
use domain::attempt::{Fact, StateName};
use domain::campaign::LeadStatus;

use super::fixture::{
    add, apply, call_and_end, ended, later, lead, phone, tenant_with_running, tick, unique,
};
use crate::{
    Applied, AttemptFact, AttemptRef, CallFilter, LineChange, PageRequest, Precondition, Store,
    Tick,
};

const PAGE: PageRequest = PageRequest {
    limit: 50,
    before: None,
};

/// Limits the tenant's only line to one call at once.
async fn one_slot(store: &dyn Store, caller: crate::Caller) {
    let lines = store.list_lines(caller.tenant_id, PAGE).await.unwrap();
    let change = LineChange {
        max_concurrent_calls: Some(1),
        ..LineChange::default()
    };
    store
        .update_line(caller, lines.items[0].line_id, change, Precondition::None)
        .await
        .unwrap();
}

pub async fn a_lost_call_that_is_not_listed_frees_its_slot_but_not_its_lead(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    one_slot(store, caller).await;
    add(store, caller, id, 1).await;
    add(store, caller, id, 2).await;
    let lost = tick(store, caller.now).await.remove(0);
    store.send_board().forget(lost.attempt_id);
    apply(store, caller.now, lost.attempt_id, Fact::AnswerLost).await;
    // Not yet: the call may be on its way into the provider's list.
    apply(store, later(10), lost.attempt_id, Fact::NotFound).await;
    assert!(tick(store, later(20)).await.is_empty());
    apply(store, later(35), lost.attempt_id, Fact::NotFound).await;
    let next = tick(store, later(36)).await;
    assert_eq!(next.len(), 1);
    assert_ne!(next[0].phone, lost.phone);
    let held = [1, 2]
        .into_iter()
        .find(|n| phone(*n) == lost.phone)
        .unwrap();
    assert_eq!(
        lead(store, caller, id, held).await.status,
        LeadStatus::Unresolved
    );
}

pub async fn a_call_found_again_beside_its_successor_harms_neither(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let first = tick(store, caller.now).await.remove(0);
    store.send_board().forget(first.attempt_id);
    apply(store, caller.now, first.attempt_id, Fact::AnswerLost).await;
    // Absence needs two complete look-ups, a minute apart, after any provider's list has settled.
    for seconds in [1_000, 1_100] {
        apply(store, later(seconds), first.attempt_id, Fact::NotFound).await;
    }
    let second = tick(store, later(1_101)).await.remove(0);
    store.send_board().forget(second.attempt_id);
    apply(store, later(1_101), second.attempt_id, Fact::Placed).await;
    for fact in [
        Fact::Placed,
        Fact::Ringing,
        Fact::Connected,
        Fact::LookupFailed,
    ] {
        let told = AttemptFact::new(AttemptRef::Id(first.attempt_id), fact);
        store.apply_facts(later(1_110), vec![told]).await.unwrap();
    }
    apply(
        store,
        later(1_120),
        first.attempt_id,
        ended(Outcome::NoAnswer),
    )
    .await;
    let found = store
        .get_call(caller.tenant_id, second.attempt_id)
        .await
        .unwrap();
    assert_eq!(found.state, StateName::Placed);
}

pub async fn a_late_answer_of_an_older_call_stops_the_lead(store: &dyn Store) {
    an_older_call_stops_the_lead(store, Outcome::Answered, LeadStatus::Answered).await;
}

pub async fn a_late_word_that_the_number_is_wrong_stops_the_lead(store: &dyn Store) {
    an_older_call_stops_the_lead(store, Outcome::InvalidNumber, LeadStatus::Invalid).await;
}

/// How the older call ended is told when the lead waits for the third.
async fn an_older_call_stops_the_lead(store: &dyn Store, outcome: Outcome, status: LeadStatus) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let first = tick(store, caller.now).await.remove(0);
    store.send_board().forget(first.attempt_id);
    apply(store, caller.now, first.attempt_id, Fact::AnswerLost).await;
    for seconds in [1_000, 1_100] {
        apply(store, later(seconds), first.attempt_id, Fact::NotFound).await;
    }
    call_and_end(store, later(1_101), Outcome::NoAnswer).await;
    assert_eq!(lead(store, caller, id, 1).await.status, LeadStatus::Ready);
    apply(store, later(1_200), first.attempt_id, ended(outcome)).await;
    assert_eq!(lead(store, caller, id, 1).await.status, status);
    assert!(tick(store, later(9_000)).await.is_empty());
}

pub async fn doubled_facts_change_nothing(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let call = call_and_end(store, caller.now, Outcome::Busy).await;
    let before = store
        .get_call(caller.tenant_id, call.attempt_id)
        .await
        .unwrap();
    for fact in [
        Fact::Placed,
        Fact::Ringing,
        ended(Outcome::Busy),
        Fact::AnswerLost,
        Fact::NeverSent,
    ] {
        let told = AttemptFact::new(AttemptRef::Id(call.attempt_id), fact);
        let applied = store.apply_facts(later(5), vec![told]).await.unwrap();
        assert_eq!(applied, [Applied::Unchanged]);
    }
    let calls = store
        .list_calls(caller.tenant_id, CallFilter::default(), PAGE)
        .await
        .unwrap();
    assert_eq!(calls.items.len(), 1);
    let after = store
        .get_call(caller.tenant_id, call.attempt_id)
        .await
        .unwrap();
    assert_eq!(after, before);
}

pub async fn a_tick_for_no_calls_reserves_none(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let ask = |max_calls| Tick {
        now: caller.now,
        keys: Box::new(|| format!("key-{}", unique())),
        max_lines: 100,
        max_calls,
    };
    let none = store.tick(ask(0)).await.unwrap();
    assert_eq!(none.dispatches, []);
    // It is still due.
    assert!(none.next_wake_at.is_some_and(|at| at <= caller.now));
    assert_eq!(store.tick(ask(1)).await.unwrap().dispatches.len(), 1);
}
