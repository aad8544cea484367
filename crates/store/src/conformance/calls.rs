//! Reading calls.

use domain::attempt::{Fact, StateName};
use domain::campaign::CampaignCommand;
use domain::{AttemptId, CampaignId, Outcome};
use serde_json::json;

use super::fixture::{
    add, apply, assert_not_found, at, call_and_end, campaign, ended, first, later, morning, order,
    phone, tenant, tenant_with_running, tick,
};
use crate::{
    AttemptFact, AttemptRef, CallDetails, CallFilter, CallRecord, Caller, Dispatch, PageRequest,
    Precondition, Store,
};

fn left_behind() -> CallDetails {
    CallDetails {
        started_at: Some(later(5)),
        ended_at: Some(later(65)),
        cost_micro_usd: Some(120_000),
        transcript: Some("Hello.".to_owned()),
        summary: Some("Greeted.".to_owned()),
        recording_url: Some("https://example.org/1.wav".to_owned()),
        structured_data: Some(json!({ "ok": true })),
    }
}

/// Places the one call that is due and lets it end well.
async fn whole_call(store: &dyn Store) -> Dispatch {
    let dispatch = tick(store, morning()).await.remove(0);
    store.send_board().forget(dispatch.attempt_id);
    for (seconds, fact) in [(1, Fact::Placed), (2, Fact::Ringing), (5, Fact::Connected)] {
        apply(store, later(seconds), dispatch.attempt_id, fact).await;
    }
    let end = AttemptFact {
        provider_call_id: Some("call_1".to_owned()),
        reason: Some("customer-ended-call".to_owned()),
        details: Some(left_behind()),
        ..AttemptFact::new(
            AttemptRef::Id(dispatch.attempt_id),
            ended(Outcome::Answered),
        )
    };
    store.apply_facts(later(66), vec![end]).await.unwrap();
    dispatch
}

pub async fn a_clock_that_was_set_back_since_the_plan_loses_no_end(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let dispatch = tick(store, morning()).await.remove(0);
    store.send_board().forget(dispatch.attempt_id);
    let earlier = |seconds: i64| later(-seconds);
    let fact = |fact, at| AttemptFact {
        at: Some(at),
        ..AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), fact)
    };
    let end = AttemptFact {
        details: Some(CallDetails {
            started_at: Some(earlier(20)),
            ended_at: Some(earlier(11)),
            ..CallDetails::default()
        }),
        ..fact(ended(Outcome::Answered), earlier(11))
    };
    let facts = vec![fact(Fact::Placed, earlier(20)), end];
    store.apply_facts(earlier(10), facts).await.unwrap();
    let call = store
        .get_call(caller.tenant_id, dispatch.attempt_id)
        .await
        .unwrap();
    assert_eq!(call.state, StateName::Ended);
    assert_eq!(call.outcome, Some(Outcome::Answered));
    assert_eq!(call.times.ended_at, Some(call.times.planned_at));
}

pub async fn a_call_keeps_who_called_whom_and_why(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let lead = add(store, caller, id, 1).await;
    let dispatch = whole_call(store).await;
    let call = store
        .get_call(caller.tenant_id, dispatch.attempt_id)
        .await
        .unwrap();
    assert_eq!((call.tenant_id, call.campaign_id), (caller.tenant_id, id));
    assert_eq!(
        (call.lead_id, call.line_id),
        (Some(lead.lead_id), dispatch.line_id)
    );
    assert_eq!((call.attempt_number, call.phone), (1, phone(1)));
    assert_eq!(call.phone_number_id, "pn_1");
    assert_eq!(
        (call.assistant_id.as_str(), call.attempt_key),
        ("asst_1", dispatch.attempt_key)
    );
    assert_eq!(call.revision, 2);
    assert!(call.verdict.is_object());
}

pub async fn a_call_keeps_everything_it_left_behind(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let dispatch = whole_call(store).await;
    let call = store
        .get_call(caller.tenant_id, dispatch.attempt_id)
        .await
        .unwrap();
    assert_eq!(
        (call.state, call.outcome),
        (StateName::Ended, Some(Outcome::Answered))
    );
    assert_eq!(call.provider_call_id.as_deref(), Some("call_1"));
    assert_eq!(call.ended_reason.as_deref(), Some("customer-ended-call"));
    assert_eq!(
        (call.times.planned_at, call.times.placed_at),
        (morning(), Some(later(1)))
    );
    assert_eq!(call.times.ringing_at, Some(later(2)));
    assert_eq!(call.times.in_progress_at, Some(later(5)));
    assert!(call.times.ended_at.is_some());
    assert_eq!(call.details, left_behind());

    let listed = store
        .list_calls(caller.tenant_id, CallFilter::default(), first(10))
        .await
        .unwrap();
    let brief = CallDetails {
        transcript: None,
        structured_data: None,
        ..left_behind()
    };
    assert_eq!(
        listed.items,
        [CallRecord {
            details: brief,
            ..call
        }]
    );
}

/// An answered call, then, in another campaign, an unanswered one to the same number and one that
/// is being placed, a minute apart.
/// Each part alone is an analysis; what comes later adds to it and is no second one.
pub async fn an_analysis_is_told_once_whatever_its_parts(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    let parts = [
        (CallDetails::default(), false),
        (left_behind(), true),
        (
            CallDetails {
                transcript: Some("Hello.".to_owned()),
                ..CallDetails::default()
            },
            true,
        ),
        (
            CallDetails {
                summary: Some("Greeted.".to_owned()),
                ..CallDetails::default()
            },
            true,
        ),
        (
            CallDetails {
                structured_data: Some(json!({ "ok": true })),
                ..CallDetails::default()
            },
            true,
        ),
    ];
    for (number, (details, is_analysis)) in (1..).zip(parts) {
        add(store, caller, id, number).await;
        let dispatch = tick(store, later(number.into())).await.remove(0);
        store.send_board().forget(dispatch.attempt_id);
        let mut told = Vec::new();
        for details in [details, CallDetails::default(), left_behind()] {
            let end = AttemptFact {
                details: Some(details),
                ..AttemptFact::new(AttemptRef::Id(dispatch.attempt_id), ended(Outcome::Busy))
            };
            store.apply_facts(later(66), vec![end]).await.unwrap();
            let events = store.list_events(caller.tenant_id, 0, 1_000).await.unwrap();
            let analyses = events.iter().filter(|event| {
                event.kind == "call.analyzed" && event.attempt_id == Some(dispatch.attempt_id)
            });
            told.push(analyses.count());
        }
        let at_first = usize::from(is_analysis);
        assert_eq!(told, [at_first, at_first, 1], "call {number}");
    }
}

async fn three_calls(store: &dyn Store) -> (Caller, CampaignId, [AttemptId; 3]) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let one = call_and_end(store, caller.now, Outcome::Answered)
        .await
        .attempt_id;
    let draft = store
        .get_campaign(caller.tenant_id, id)
        .await
        .unwrap()
        .draft;
    let other = campaign(store, caller, draft).await.campaign_id;
    order(store, caller, other, CampaignCommand::Start).await;
    add(store, at(caller, later(60)), other, 1).await;
    let two = call_and_end(store, later(60), Outcome::NoAnswer)
        .await
        .attempt_id;
    add(store, at(caller, later(120)), other, 2).await;
    let three = tick(store, later(120)).await[0].attempt_id;
    (caller, other, [one, two, three])
}

async fn found(
    store: &dyn Store,
    caller: Caller,
    set: impl FnOnce(&mut CallFilter),
) -> Vec<AttemptId> {
    let mut filter = CallFilter::default();
    set(&mut filter);
    let page = store
        .list_calls(caller.tenant_id, filter, first(10))
        .await
        .unwrap();
    page.items.iter().map(|call| call.attempt_id).collect()
}

pub async fn calls_are_filtered_by_campaign_and_number(store: &dyn Store) {
    let (caller, other, [one, two, three]) = three_calls(store).await;
    assert_eq!(found(store, caller, |_| {}).await, [three, two, one]);
    let of_other = |filter: &mut CallFilter| filter.campaign_id = Some(other);
    assert_eq!(found(store, caller, of_other).await, [three, two]);
    let to_number = |filter: &mut CallFilter| filter.phone = Some(phone(1));
    assert_eq!(found(store, caller, to_number).await, [two, one]);
    let both = |filter: &mut CallFilter| {
        of_other(filter);
        to_number(filter);
    };
    assert_eq!(found(store, caller, both).await, [two]);
    let answered_of_other = |filter: &mut CallFilter| {
        of_other(filter);
        filter.outcome = Some(Outcome::Answered);
    };
    assert!(found(store, caller, answered_of_other).await.is_empty());
}

pub async fn calls_are_filtered_by_state_outcome_and_time(store: &dyn Store) {
    let (caller, _, [one, two, three]) = three_calls(store).await;
    let in_state = |state| move |filter: &mut CallFilter| filter.state = Some(state);
    assert_eq!(
        found(store, caller, in_state(StateName::Dispatching)).await,
        [three]
    );
    assert_eq!(
        found(store, caller, in_state(StateName::Ended)).await,
        [two, one]
    );
    let with_outcome = |outcome| move |filter: &mut CallFilter| filter.outcome = Some(outcome);
    assert_eq!(
        found(store, caller, with_outcome(Outcome::Answered)).await,
        [one]
    );
    let between = |from, to| move |filter: &mut CallFilter| (filter.from, filter.to) = (from, to);
    assert_eq!(
        found(store, caller, between(Some(later(60)), None)).await,
        [three, two]
    );
    assert_eq!(
        found(store, caller, between(None, Some(later(60)))).await,
        [one]
    );
    assert_eq!(
        found(store, caller, between(Some(later(1)), Some(later(120)))).await,
        [two]
    );
}

pub async fn calls_are_listed_newest_first(store: &dyn Store) {
    let (caller, _, [one, two, three]) = three_calls(store).await;
    let page = store
        .list_calls(caller.tenant_id, CallFilter::default(), first(2))
        .await
        .unwrap();
    let ids: Vec<_> = page.items.iter().map(|call| call.attempt_id).collect();
    assert_eq!(ids, [three, two]);
    let next = PageRequest {
        limit: 2,
        before: page.next,
    };
    let rest = store
        .list_calls(caller.tenant_id, CallFilter::default(), next)
        .await
        .unwrap();
    assert_eq!(
        (rest.items.len(), rest.items[0].attempt_id, rest.next),
        (1, one, None)
    );
}

pub async fn calls_stay_when_their_campaign_is_deleted(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let over = call_and_end(store, caller.now, Outcome::Answered).await;
    add(store, caller, id, 2).await;
    let due = tick(store, caller.now).await;
    store.send_board().forget(due[0].attempt_id);
    apply(store, caller.now, due[0].attempt_id, Fact::Placed).await;
    order(store, caller, id, CampaignCommand::Stop).await;
    order(store, caller, id, CampaignCommand::Archive).await;
    store
        .delete_campaign(caller, id, Precondition::None)
        .await
        .unwrap();
    let call = store
        .get_call(caller.tenant_id, over.attempt_id)
        .await
        .unwrap();
    assert_eq!(
        (call.campaign_id, call.outcome),
        (id, Some(Outcome::Answered))
    );
    // The one that is up is followed to its end, and its line stays until then.
    assert!(
        store
            .delete_line(caller, due[0].line_id, Precondition::None)
            .await
            .is_err()
    );
    apply(
        store,
        later(60),
        due[0].attempt_id,
        ended(Outcome::NoAnswer),
    )
    .await;
    let call = store
        .get_call(caller.tenant_id, due[0].attempt_id)
        .await
        .unwrap();
    assert_eq!(call.outcome, Some(Outcome::NoAnswer));
    store
        .delete_line(caller, due[0].line_id, Precondition::None)
        .await
        .unwrap();
}

pub async fn calls_of_another_tenant_are_not_found(store: &dyn Store) {
    let (caller, id) = tenant_with_running(store, "Acme").await;
    add(store, caller, id, 1).await;
    let dispatch = call_and_end(store, caller.now, Outcome::Answered).await;
    let stranger = tenant(store, "Other").await;
    assert_not_found(
        store
            .get_call(stranger.tenant_id, dispatch.attempt_id)
            .await,
        "call",
    );
    assert_not_found(
        store
            .get_call(caller.tenant_id, AttemptId::from_raw(1))
            .await,
        "call",
    );
    for campaign_id in [None, Some(id)] {
        let filter = CallFilter {
            campaign_id,
            ..CallFilter::default()
        };
        assert!(
            store
                .list_calls(stranger.tenant_id, filter, first(10))
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
