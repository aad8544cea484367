//! Reading calls.

use domain::attempt::{Fact, StateName};
use domain::campaign::CampaignCommand;
use domain::{AttemptId, Outcome};
use serde_json::json;

use super::fixture::{
    add, apply, assert_not_found, call_and_end, campaign, ended, first, later, morning, order, phone, tenant,
    tenant_with_running, tick,
};
use crate::{AttemptFact, AttemptRef, CallDetails, CallFilter, PageRequest, Store};

pub async fn a_call_keeps_everything_it_left_behind(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let lead = add(store, caller, id, 1).await;
    let due = tick(store, caller.now).await;
    let dispatch = &due[0];
    store.send_board().forget(dispatch.attempt_id);
    let details = CallDetails {
        started_at: Some(later(5)),
        ended_at: Some(later(65)),
        cost_micro_usd: Some(120_000),
        transcript: Some("Hello.".to_owned()),
        summary: Some("Greeted.".to_owned()),
        recording_url: Some("https://example.org/1.wav".to_owned()),
        structured_data: Some(json!({ "ok": true })),
    };
    for (seconds, fact) in [(1, Fact::Placed), (2, Fact::Ringing), (5, Fact::Connected)] {
        apply(store, later(seconds), dispatch.attempt_id, fact).await;
    }
    let end = AttemptFact {
        provider_call_id: Some("call_1".to_owned()),
        reason: Some("customer-ended-call".to_owned()),
        details: Some(details.clone()),
        ..AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), ended(Outcome::Answered))
    };
    store.apply_facts(later(66), vec![end]).await.unwrap();

    let call = store.get_call(caller.tenant_id, dispatch.attempt_id).await.unwrap();
    assert_eq!((call.campaign_id, call.lead_id, call.line_id), (id, lead.lead_id, dispatch.line_id));
    assert_eq!((call.attempt_number, call.phone.clone(), call.phone_number_id.as_str()), (1, phone(1), "pn_1"));
    assert_eq!((call.assistant_id.as_str(), &call.attempt_key), ("asst_1", &dispatch.attempt_key));
    assert_eq!((call.state, call.outcome, call.revision), (StateName::Ended, Some(Outcome::Answered), 2));
    assert_eq!(call.provider_call_id.as_deref(), Some("call_1"));
    assert_eq!(call.ended_reason.as_deref(), Some("customer-ended-call"));
    assert_eq!((call.times.planned_at, call.times.placed_at), (morning(), Some(later(1))));
    assert_eq!((call.times.ringing_at, call.times.in_progress_at), (Some(later(2)), Some(later(5))));
    assert!(call.times.ended_at.is_some() && call.verdict.is_object());
    assert_eq!(call.details, details);

    let listed = store.list_calls(caller.tenant_id, CallFilter::default(), first(10)).await.unwrap();
    let brief = CallDetails { transcript: None, structured_data: None, ..details };
    assert_eq!(listed.items, [crate::CallRecord { details: brief, ..call }]);
}

pub async fn calls_are_filtered(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let one = call_and_end(store, caller.now, Outcome::Answered).await.attempt_id;
    let draft = store.get_campaign(caller.tenant_id, id).await.unwrap().draft;
    let other = campaign(store, caller, draft).await.campaign_id;
    order(store, caller, other, CampaignCommand::Start).await;
    let caller_later = super::fixture::at(caller, later(60));
    add(store, caller_later, other, 1).await;
    let two = call_and_end(store, later(60), Outcome::NoAnswer).await.attempt_id;
    add(store, super::fixture::at(caller, later(120)), other, 2).await;
    let three = tick(store, later(120)).await[0].attempt_id;

    let all = CallFilter::default;
    let of_other = CallFilter { campaign_id: Some(other), ..all() };
    for (filter, expected) in [
        (all(), vec![three, two, one]),
        (of_other.clone(), vec![three, two]),
        (CallFilter { phone: Some(phone(1)), ..of_other.clone() }, vec![two]),
        (CallFilter { phone: Some(phone(1)), ..all() }, vec![two, one]),
        (CallFilter { state: Some(StateName::Dispatching), ..all() }, vec![three]),
        (CallFilter { state: Some(StateName::Ended), ..of_other.clone() }, vec![two]),
        (CallFilter { outcome: Some(Outcome::Answered), ..all() }, vec![one]),
        (CallFilter { outcome: Some(Outcome::Answered), ..of_other }, vec![]),
        (CallFilter { from: Some(later(60)), ..all() }, vec![three, two]),
        (CallFilter { to: Some(later(60)), ..all() }, vec![one]),
        (CallFilter { from: Some(later(1)), to: Some(later(120)), ..all() }, vec![two]),
    ] {
        let page = store.list_calls(caller.tenant_id, filter.clone(), first(10)).await.unwrap();
        let found: Vec<AttemptId> = page.items.iter().map(|call| call.attempt_id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let page = store.list_calls(caller.tenant_id, all(), first(2)).await.unwrap();
    let rest = store.list_calls(caller.tenant_id, all(), PageRequest { limit: 2, before: page.next }).await.unwrap();
    assert_eq!((rest.items.len(), rest.items[0].attempt_id, rest.next), (1, one, None));
}

pub async fn calls_stay_when_their_campaign_is_deleted(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let ended = call_and_end(store, caller.now, Outcome::Answered).await;
    add(store, caller, id, 2).await;
    let due = tick(store, caller.now).await;
    store.send_board().forget(due[0].attempt_id);
    apply(store, caller.now, due[0].attempt_id, Fact::Placed).await;
    order(store, caller, id, CampaignCommand::Stop).await;
    order(store, caller, id, CampaignCommand::Archive).await;
    store.delete_campaign(caller, id).await.unwrap();
    let call = store.get_call(caller.tenant_id, ended.attempt_id).await.unwrap();
    assert_eq!((call.campaign_id, call.outcome), (id, Some(Outcome::Answered)));
    // The one that is up is followed to its end, and its line stays until then.
    assert!(store.delete_line(caller, due[0].line_id).await.is_err());
    apply(store, later(60), due[0].attempt_id, super::fixture::ended(Outcome::NoAnswer)).await;
    let call = store.get_call(caller.tenant_id, due[0].attempt_id).await.unwrap();
    assert_eq!(call.outcome, Some(Outcome::NoAnswer));
    store.delete_line(caller, due[0].line_id).await.unwrap();
}

pub async fn calls_of_another_tenant_are_not_found(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let dispatch = call_and_end(store, caller.now, Outcome::Answered).await;
    let stranger = tenant(store, "Other").await;
    assert_not_found(store.get_call(stranger.tenant_id, dispatch.attempt_id).await, "call");
    assert_not_found(store.get_call(caller.tenant_id, AttemptId::from_raw(1)).await, "call");
    for campaign_id in [None, Some(id)] {
        let filter = CallFilter { campaign_id, ..CallFilter::default() };
        assert!(store.list_calls(stranger.tenant_id, filter, first(10)).await.unwrap().items.is_empty());
    }
}
