//! What is written down of a call, and told of it, the same on every back end. Pure.

use domain::attempt::{AttemptState, Change, Effect, Fact, StateName};
use domain::planner::PlannedCall;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::dialing::{AttemptFact, NO_LEAD};

/// Beyond the send deadline, after which a dispatch whose sender vanished is looked up.
const VANISHED_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// After this long, a call that the provider does not list holds no slot there.
const MISSED_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// The gate's verdict, as it is kept with the call.
pub fn verdict(call: &PlannedCall) -> Value {
    json!({
        "decision": "ALLOW",
        "test": call.lead_id == NO_LEAD,
        "allowed_until": call.allowed_until.map(|until| until.to_string()),
        "zone": call.zone,
        "time_zone_data": domain::calendar::time_zone_data_version(),
        "calling_rules": ["none"],
    })
}

/// When a reserved call is looked up of which nobody tells anything.
pub fn first_check_at(send_not_after: Timestamp) -> Timestamp {
    let check_at = send_not_after.saturating_add(VANISHED_AFTER);
    check_at.unwrap_or(send_not_after)
}

/// The latest instant that may be believed of a call. It is the present, unless the clock was set
/// back since the call was planned: then the present says nothing, and the call's longest life does.
pub fn latest(planned_at: Timestamp, now: Timestamp, overdue_at: Timestamp) -> Timestamp {
    if now < planned_at { overdue_at } else { now }
}

/// Whether an UNKNOWN attempt was looked for and not found, long enough after it can have left that
/// its slot may be used again. Its lead waits for better proof than that.
pub fn is_missed(now: Timestamp, was_missed: bool, fact: &Fact, state: &AttemptState) -> bool {
    match state {
        AttemptState::Unknown { sent_by, .. } => {
            let looked_late = now.duration_since(*sent_by) >= MISSED_AFTER;
            let looked_late = domain::planted!("missed_at_once", looked_late, true);
            was_missed || (*fact == Fact::NotFound && looked_late)
        }
        _ => false,
    }
}

/// Whether a change of an attempt's state is told: every new state, and every other end.
pub fn is_news(before: &AttemptState, after: &AttemptState) -> bool {
    let is_news =
        after.name() != before.name() || (after != before && after.name() == StateName::Ended);
    domain::planted!("ends_not_told", is_news, is_news && after.name().is_live())
}

/// The event that tells what became of an attempt, and its data; `provider_call_id` is what was
/// known before.
pub fn event(
    attempt_number: u32,
    provider_call_id: Option<&String>,
    told: &AttemptFact,
    change: &Change,
) -> Option<(&'static str, Value)> {
    let kind = match change.state.name() {
        StateName::Placed => "call.placed",
        StateName::Ringing => "call.ringing",
        StateName::InProgress => "call.answered",
        StateName::Unknown => "call.unresolved",
        StateName::Ended | StateName::Rejected | StateName::Released | StateName::Absent => {
            "call.ended"
        }
        StateName::Dispatching => return None,
    };
    let outcome = match change.state {
        AttemptState::Ended { outcome, .. } => Some(outcome.as_str()),
        _ => None,
    };
    let data = json!({
        "state": change.state.name().as_str(),
        "outcome": outcome,
        "attempt": attempt_number,
        "provider_call_id": told.provider_call_id.as_ref().or(provider_call_id),
        "ended_reason": told.reason,
        "corrected": change.effects.contains(&Effect::Corrected),
    });
    Some((kind, data))
}
