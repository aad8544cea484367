//! What a phone does when it is called.
//!
//! A [`CallPlan`] follows from the seed, the scenario, the number and how often that number was
//! called before; it is drawn once, when the call is accepted, and never changes afterwards except
//! that the call may be hung up.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    dice::Dice,
    scenario::{Rate, Scenario, SecondsRange},
};

/// How a call to a phone comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneOutcome {
    /// A person takes the call.
    Answered,
    /// An answering machine takes the call.
    Voicemail,
    /// The line is busy.
    Busy,
    /// Nobody takes the call.
    NoAnswer,
    /// The number does not exist; nothing rings.
    InvalidNumber,
    /// The call is declined.
    Rejected,
    /// The network fails before anything rings; another try may work.
    FailedTransient,
    /// The network refuses before anything rings; another try will not work.
    FailedPermanent,
    /// The vendor reports this reason. The phone rings, and talk follows if the reason is one of an
    /// answered call.
    EndedReason(String),
}

impl PhoneOutcome {
    const NAMED: [Self; 8] = [
        Self::Answered,
        Self::Voicemail,
        Self::Busy,
        Self::NoAnswer,
        Self::InvalidNumber,
        Self::Rejected,
        Self::FailedTransient,
        Self::FailedPermanent,
    ];

    /// The name in scenarios and in the ring log; for a scripted reason, the reason itself.
    pub fn name(&self) -> &str {
        match self {
            Self::Answered => "ANSWERED",
            Self::Voicemail => "VOICEMAIL",
            Self::Busy => "BUSY",
            Self::NoAnswer => "NO_ANSWER",
            Self::InvalidNumber => "INVALID_NUMBER",
            Self::Rejected => "REJECTED",
            Self::FailedTransient => "FAILED_TRANSIENT",
            Self::FailedPermanent => "FAILED_PERMANENT",
            Self::EndedReason(reason) => reason,
        }
    }

    pub(crate) fn names() -> Vec<String> {
        Self::NAMED
            .iter()
            .map(|outcome| outcome.name().to_owned())
            .collect()
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMED
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }

    /// Whether somebody or something takes the call.
    fn is_taken(&self) -> bool {
        match self {
            Self::Answered | Self::Voicemail => true,
            Self::EndedReason(reason) => is_reason_of_taken_call(reason),
            _ => false,
        }
    }

    /// Whether the phone rings at all.
    fn rings(&self) -> bool {
        match self {
            Self::InvalidNumber | Self::FailedTransient | Self::FailedPermanent => false,
            Self::EndedReason(reason) => !is_reason_of_silent_call(reason),
            _ => true,
        }
    }
}

impl Serialize for PhoneOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::EndedReason(reason) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("ended_reason", reason)?;
                map.end()
            }
            named => serializer.serialize_str(named.name()),
        }
    }
}

/// Reasons that the vendor only gives to calls which somebody took.
fn is_reason_of_taken_call(reason: &str) -> bool {
    const FAMILIES: [&str; 10] = [
        "customer-ended-call",
        "assistant-ended-call",
        "assistant-said-",
        "assistant-forwarded-",
        "exceeded-max-duration",
        "silence-timed-out",
        "voicemail",
        "call.forwarding.",
        "call.in-progress.",
        "pipeline-error-",
    ];
    // Despite their name these report a call that the network refused to set up.
    !reason.contains("outbound-sip") && FAMILIES.iter().any(|family| reason.starts_with(family))
}

/// Reasons of calls that never reached the phone.
fn is_reason_of_silent_call(reason: &str) -> bool {
    const REFUSED_BY_NETWORK: [&str; 3] =
        ["outbound-sip-403", "outbound-sip-407", "outbound-sip-503"];
    const FAMILIES: [&str; 7] = [
        "call.start.",
        "call-start-",
        "assistant-not-",
        "assistant-request-",
        "twilio-reported-customer-misdialed",
        "twilio-failed-to-connect",
        "sip-outbound-unallocated",
    ];
    REFUSED_BY_NETWORK.iter().any(|part| reason.contains(part))
        || FAMILIES.iter().any(|family| reason.starts_with(family))
}

/// The course of one call, in scenario seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallPlan {
    pub(crate) outcome: PhoneOutcome,
    /// The vendor's word for the end.
    pub(crate) ended_reason: Cow<'static, str>,
    /// From acceptance to the first ring.
    pub(crate) queue_seconds: f64,
    /// From the first ring to the answer or the end; `None` when nothing rings.
    pub(crate) ring_seconds: Option<f64>,
    /// From the answer to the end; `None` when nobody answers.
    pub(crate) talk_seconds: Option<f64>,
}

/// What `phone` does when it is called for the `call_index`-th time (from 0).
pub(crate) fn plan_call(seed: u64, scenario: &Scenario, phone: &str, call_index: u64) -> CallPlan {
    let mut dice = Dice::new(seed, "behaviour", phone, call_index);
    // All draws are made in a fixed order, used or not, so that scripting one trait leaves the
    // others alone.
    let (outcome_draw, queue_draw, ring_draw, talk_draw, end_draw) = (
        dice.unit(),
        dice.unit(),
        dice.unit(),
        dice.unit(),
        dice.unit(),
    );
    let script = scenario.phones.get(phone);
    let scripted = script.and_then(|script| {
        let at = usize::try_from(call_index).unwrap_or(usize::MAX);
        script.outcomes.get(at).or_else(|| script.outcomes.last())
    });
    let outcome = scripted
        .cloned()
        .unwrap_or_else(|| draw_outcome(seed, scenario, phone, outcome_draw));
    let ring_range = script.and_then(|script| script.ring_seconds);
    let talk_range = script.and_then(|script| script.talk_seconds);
    let ring_seconds = outcome
        .rings()
        .then(|| ring_seconds(&outcome, ring_range, scenario.ring_seconds, ring_draw));
    let talk_seconds = outcome.is_taken().then(|| match (talk_range, &outcome) {
        (Some(range), _) => range.at(talk_draw),
        (None, PhoneOutcome::Voicemail) => VOICEMAIL_SECONDS.at(talk_draw),
        (None, _) => scenario.talk_seconds.at(talk_draw),
    });
    CallPlan {
        ended_reason: ended_reason(&outcome, end_draw),
        outcome,
        queue_seconds: scenario.queue_seconds.at(queue_draw),
        ring_seconds,
        talk_seconds,
    }
}

/// How long the vendor listens to a machine before it hangs up.
const VOICEMAIL_SECONDS: SecondsRange = SecondsRange {
    low: 3.0,
    high: 10.0,
};

fn ring_seconds(
    outcome: &PhoneOutcome,
    scripted: Option<SecondsRange>,
    usual: SecondsRange,
    draw: f64,
) -> f64 {
    match (scripted, outcome) {
        (Some(range), _) => range.at(draw),
        // An unanswered phone rings until the vendor gives up, a busy one is known at once.
        (None, PhoneOutcome::NoAnswer) => usual.high,
        (None, PhoneOutcome::Busy) => usual.low.min(2.0) * draw,
        (None, _) => usual.at(draw),
    }
}

fn draw_outcome(seed: u64, scenario: &Scenario, phone: &str, draw: f64) -> PhoneOutcome {
    let shares = scenario.shares();
    let share_of = |wanted: Rate| -> f64 {
        shares
            .iter()
            .filter(|(rate, _)| *rate == wanted)
            .map(|(_, share)| share)
            .sum()
    };
    // Not to exist is a trait of the number, so it is drawn without the call's index.
    let invalid = share_of(Rate::Invalid);
    if Dice::new(seed, "number exists", phone, 0).strikes(invalid) {
        return PhoneOutcome::InvalidNumber;
    }
    let mut threshold = draw * (1.0 - invalid);
    for (rate, share) in shares.iter().filter(|(rate, _)| *rate != Rate::Invalid) {
        if threshold < *share {
            return match rate {
                Rate::Answer => PhoneOutcome::Answered,
                Rate::Voicemail => PhoneOutcome::Voicemail,
                Rate::Busy => PhoneOutcome::Busy,
                Rate::Rejected => PhoneOutcome::Rejected,
                Rate::NoAnswer | Rate::Invalid => PhoneOutcome::NoAnswer,
            };
        }
        threshold -= share;
    }
    PhoneOutcome::NoAnswer
}

fn ended_reason(outcome: &PhoneOutcome, draw: f64) -> Cow<'static, str> {
    Cow::Borrowed(match outcome {
        PhoneOutcome::Answered if draw < 0.6 => "customer-ended-call",
        PhoneOutcome::Answered => "assistant-ended-call",
        PhoneOutcome::Voicemail => "voicemail",
        PhoneOutcome::Busy => "customer-busy",
        PhoneOutcome::NoAnswer => "customer-did-not-answer",
        PhoneOutcome::InvalidNumber => "twilio-reported-customer-misdialed",
        PhoneOutcome::Rejected => "vonage-rejected",
        PhoneOutcome::FailedTransient => {
            "call.in-progress.error-providerfault-outbound-sip-503-service-unavailable"
        }
        PhoneOutcome::FailedPermanent => {
            "call.in-progress.error-providerfault-outbound-sip-403-forbidden"
        }
        PhoneOutcome::EndedReason(reason) => return Cow::Owned(reason.clone()),
    })
}

/// Whether this is a number in E.164 form: a plus, then 7 to 15 digits, the first of them not 0.
pub(crate) fn is_e164(number: &str) -> bool {
    let Some(digits) = number.strip_prefix('+') else {
        return false;
    };
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::ScenarioError;

    fn outcomes_of(scenario: &Scenario, count: u32) -> Vec<PhoneOutcome> {
        (0..count)
            .map(|n| plan_call(1, scenario, &format!("+1415{n:07}"), 0).outcome)
            .collect()
    }

    #[test]
    fn the_rates_hold_over_many_phones() {
        let outcomes = outcomes_of(&Scenario::default(), 20_000);
        let share = |wanted: PhoneOutcome| {
            outcomes
                .iter()
                .filter(|outcome| **outcome == wanted)
                .count()
                * 100
                / outcomes.len()
        };
        assert!((34..=36).contains(&share(PhoneOutcome::Answered)));
        assert!((24..=26).contains(&share(PhoneOutcome::Voicemail)));
        assert!((4..=6).contains(&share(PhoneOutcome::Busy)));
        assert!((29..=31).contains(&share(PhoneOutcome::NoAnswer)));
        assert!((4..=6).contains(&share(PhoneOutcome::InvalidNumber)));
    }

    #[test]
    fn a_number_that_does_not_exist_never_exists() {
        let scenario = Scenario {
            invalid_rate: 0.2,
            ..Scenario::default()
        };
        for n in 0..200 {
            let phone = format!("+1415{n:07}");
            let first = plan_call(3, &scenario, &phone, 0).outcome == PhoneOutcome::InvalidNumber;
            for call in 1..5 {
                let again = plan_call(3, &scenario, &phone, call).outcome;
                assert_eq!(again == PhoneOutcome::InvalidNumber, first);
            }
        }
    }

    #[test]
    fn a_script_gives_successive_calls_their_outcome() -> Result<(), ScenarioError> {
        let scenario = Scenario::default().changed_by(&json!({"phones": {"+14155550100": {
                "outcomes": ["BUSY", {"ended_reason": "silence-timed-out"}, "FAILED_TRANSIENT"],
                "ring_seconds": 2, "talk_seconds": 9 }}}))?;
        let plans: Vec<_> = (0..5)
            .map(|n| plan_call(1, &scenario, "+14155550100", n))
            .collect();
        assert_eq!(plans[0].ended_reason, "customer-busy");
        assert_eq!(
            (plans[0].ring_seconds, plans[0].talk_seconds),
            (Some(2.0), None)
        );
        assert_eq!(plans[1].ended_reason, "silence-timed-out");
        assert_eq!(
            (plans[1].ring_seconds, plans[1].talk_seconds),
            (Some(2.0), Some(9.0))
        );
        assert_eq!(plans[2].ring_seconds, None);
        assert_eq!(plans[2].outcome, plans[4].outcome);
        Ok(())
    }

    #[test]
    fn e164_is_judged_by_form() {
        assert!(is_e164("+14155550100") && is_e164("+4930123456"));
        for bad in [
            "14155550100",
            "+0415555",
            "+1415",
            "+1415555010a",
            "+1234567890123456",
            "",
            "+",
        ] {
            assert!(!is_e164(bad), "{bad}");
        }
    }
}
