//! Calls without a lead, to try a campaign out.

use domain::attempt::{Fact, StateName};
use domain::campaign::{CampaignCommand, LeadStatus};
use domain::{CampaignId, Outcome};

use super::fixture::{
    add, apply, assert_not_found, at, call_and_end, campaign, change, conflict, do_not_call, draft,
    ended, fresh, later, lead, morning, order, phone, tenant, tenant_with_campaign,
    tenant_with_running, tick, unique,
};
use crate::{
    AttemptFact, AttemptRef, CallRecord, Caller, Conflict, LineChange, NO_LEAD, OptOut,
    Precondition, Store, StoreResult, TestCall, Written,
};

async fn test_call(
    store: &dyn Store,
    caller: Caller,
    campaign_id: CampaignId,
    n: u32,
) -> StoreResult<Written<CallRecord>> {
    let call = TestCall {
        campaign_id,
        phone: phone(n),
        attempt_key: format!("key-{}", unique()),
        precondition: Precondition::None,
    };
    store.reserve_test_call(caller, call, None).await
}

pub async fn numbers_for_test_calls_are_replaced_as_a_whole(store: &dyn Store) {
    let caller = tenant(store, "Acme").await;
    let made = store.get_tenant(caller.tenant_id).await.unwrap();
    assert!(made.test_call_numbers.is_empty());
    for numbers in [vec![phone(2), phone(1)], vec![phone(3)], Vec::new()] {
        let set = store
            .set_test_call_numbers(caller, numbers.clone(), Precondition::None)
            .await
            .unwrap();
        assert_eq!(set.test_call_numbers, numbers);
        assert_eq!(store.get_tenant(caller.tenant_id).await.unwrap(), set);
    }
}

pub async fn a_test_call_is_handed_out_once_and_followed_like_any_other(store: &dyn Store) {
    let (caller, made) = tenant_with_campaign(store, "Acme").await;
    let call = fresh(test_call(store, caller, made.campaign_id, 1).await.unwrap());
    assert_eq!((call.lead_id, call.attempt_number), (None, 1));
    assert_eq!(
        (call.state, call.phone_number_id.as_str()),
        (StateName::Dispatching, "pn_1")
    );
    let handed = tick(store, morning()).await;
    assert_eq!(
        (handed.len(), handed[0].attempt_id),
        (1, call.attempt_id),
        "it waits for the next tick"
    );
    assert_eq!((handed[0].lead_id, &handed[0].phone), (NO_LEAD, &phone(1)));
    assert!(tick(store, later(1)).await.is_empty(), "handed out once");
    let permit = store.send_board().begin(call.attempt_id);
    assert!(permit.is_some(), "it may be sent");
    drop(permit);
    apply(store, later(1), call.attempt_id, Fact::Placed).await;
    apply(store, later(9), call.attempt_id, ended(Outcome::Answered)).await;
    let over = store
        .get_call(caller.tenant_id, call.attempt_id)
        .await
        .unwrap();
    assert_eq!(
        (over.state, over.outcome),
        (StateName::Ended, Some(Outcome::Answered))
    );
}

pub async fn a_test_call_counts_in_no_cap(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let call = fresh(test_call(store, caller, id, 1).await.unwrap());
    tick(store, morning()).await;
    store.send_board().forget(call.attempt_id);
    apply(store, morning(), call.attempt_id, Fact::Placed).await;
    add(store, caller, id, 1).await;
    assert!(
        tick(store, morning()).await.is_empty(),
        "the number is in the test call"
    );
    apply(store, later(9), call.attempt_id, ended(Outcome::Answered)).await;
    // Neither the pause between attempts, the caps nor the lead's verdict know of it.
    let first = call_and_end(store, later(20), Outcome::NoAnswer).await;
    assert_eq!(first.phone, phone(1));
    let tried = lead(store, at(caller, later(20)), id, 1).await;
    assert_eq!((tried.status, tried.attempts), (LeadStatus::Ready, 1));
}

pub async fn a_test_call_keeps_to_the_limits_of_its_line(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let line_id = fresh(test_call(store, caller, id, 1).await.unwrap()).line_id;
    let paced = fresh(test_call(store, caller, id, 2).await.unwrap());
    let handed = tick(store, morning()).await;
    assert_eq!(handed[1].attempt_id, paced.attempt_id);
    assert!(handed[1].send_at > handed[0].send_at, "ten calls a second");
    let narrow = LineChange {
        max_concurrent_calls: Some(2),
        ..LineChange::default()
    };
    store
        .update_line(caller, line_id, narrow, Precondition::None)
        .await
        .unwrap();
    let refused = test_call(store, at(caller, later(5)), id, 3).await;
    assert_eq!(conflict(refused), Conflict::AtCapacity);
}

pub async fn a_test_call_needs_a_campaign_that_may_dial_and_a_number_that_may_ring(
    store: &dyn Store,
) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let refused = async |campaign_id, n| {
        let refusal = conflict(test_call(store, caller, campaign_id, n).await);
        assert!(
            matches!(refusal, Conflict::TakesNoTestCall(_)),
            "{refusal:?}"
        );
    };
    add(store, caller, id, 1).await;
    change(store, caller, id, 1, do_not_call(OptOut::Enter))
        .await
        .unwrap();
    refused(id, 1).await;
    let line_id = fresh(test_call(store, caller, id, 2).await.unwrap()).line_id;
    refused(id, 2).await;
    let other = campaign(store, caller, draft(line_id)).await.campaign_id;
    refused(other, 2).await;
    order(store, caller, id, CampaignCommand::Stop).await;
    refused(id, 3).await;
}

pub async fn pausing_takes_a_waiting_test_call_back(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let call = fresh(test_call(store, caller, id, 1).await.unwrap());
    order(store, caller, id, CampaignCommand::Pause).await;
    assert!(store.send_board().begin(call.attempt_id).is_none());
    let again = fresh(test_call(store, at(caller, later(1)), id, 2).await.unwrap());
    assert!(
        store.send_board().begin(again.attempt_id).is_some(),
        "a PAUSED campaign places test calls"
    );
}

pub async fn a_test_call_that_a_restart_gave_up_is_not_handed_out(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let call = fresh(test_call(store, caller, id, 1).await.unwrap());
    assert_eq!(store.recover(later(1)).await.unwrap(), 1);
    assert!(tick(store, later(1)).await.is_empty());
    let found = AttemptFact::new(AttemptRef::Id(call.attempt_id), Fact::NotFound);
    store.apply_facts(later(60), vec![found]).await.unwrap();
    assert!(tick(store, later(60)).await.is_empty());
}

pub async fn test_calls_of_another_tenant_are_not_found(store: &dyn Store) {
    let (_, id) = tenant_with_running(store, "Acme").await;
    let stranger = tenant(store, "Other").await;
    assert_not_found(test_call(store, stranger, id, 1).await, "campaign");
}
