//! From what a vendor says about a call to facts about an attempt.

use domain::attempt::{Fact, Patience};
use domain::{AttemptId, LineId};
use providers::{CallEnd, CallEvent, CallStatus, ProviderKind};
use store::{AttemptFact, AttemptRef, CallDetails};

/// Constants of the vendor that the reducer needs. A vendor this program does not know gets the
/// most patient ones.
pub fn patience_of(provider: &str) -> Patience {
    let capabilities = ProviderKind::parse(provider)
        .unwrap_or(ProviderKind::Vapi)
        .adapter()
        .capabilities();
    Patience {
        list_settle_ms: capabilities.list_settle_ms,
        max_ring_ms: capabilities.max_ring_ms,
        max_talk_ms: capabilities.max_talk_ms,
    }
}

/// Facts from a callback or a list, in order: the attempt is found by what the vendor echoes.
pub fn echo_facts(line_id: LineId, event: CallEvent) -> Vec<AttemptFact> {
    let attempt = AttemptRef::Echo {
        line_id,
        attempt_key: event.attempt_key.clone(),
        provider_call_id: event.provider_call_id.clone(),
    };
    told(&attempt, event)
}

/// Facts about an attempt that is known already, in order.
pub fn facts_about(attempt_id: AttemptId, event: CallEvent) -> Vec<AttemptFact> {
    told(&AttemptRef::Id(attempt_id), event)
}

fn told(attempt: &AttemptRef, event: CallEvent) -> Vec<AttemptFact> {
    let mut fact = AttemptFact::new(attempt.clone(), Fact::Placed);
    fact.at = event.at;
    fact.provider_call_id = Some(event.provider_call_id);
    fact.control_url = event.control_url;
    match event.status {
        CallStatus::Queued => {}
        CallStatus::Ringing => fact.fact = Fact::Ringing,
        CallStatus::InProgress => fact.fact = Fact::Connected,
        CallStatus::Ended(end) => return ended(fact, *end),
    }
    vec![fact]
}

/// A report without an outcome only proves that the call exists; its end is then looked up.
///
/// A report that says when the conversation began proves that somebody or something picked up, even
/// if nobody told us then and a fault of ours ended it: that is told first, so that the call counts.
fn ended(mut fact: AttemptFact, end: CallEnd) -> Vec<AttemptFact> {
    let mut facts = Vec::new();
    if let Some(started_at) = end.started_at {
        let mut connected = fact.clone();
        connected.fact = Fact::Connected;
        connected.at = Some(started_at);
        facts.push(connected);
    }
    if let Some(outcome) = end.outcome {
        fact.fact = Fact::Ended {
            outcome: outcome.outcome,
            fault: outcome.fault,
        };
    }
    fact.at = end.ended_at.or(fact.at);
    fact.reason = end.reason;
    fact.details = Some(CallDetails {
        started_at: end.started_at,
        ended_at: end.ended_at,
        cost_micro_usd: end.cost_micro_usd,
        transcript: end.transcript,
        summary: end.summary,
        recording_url: end.recording_url,
        structured_data: end.structured_data,
    });
    facts.push(fact);
    facts
}
