//! What Vapi's `endedReason` means.
//!
//! The SDK lists 604 values and every release adds some, so they are matched by ordered rules;
//! the first that fits decides. A text that fits none is judged by whether the conversation began,
//! and is marked as not recognised so that the host can count it.

use domain::Outcome;
use jiff::Timestamp;

use crate::model::{EndFault, EndOutcome};
use Pattern::{Contains, Exact, Prefix, ProviderFault, Suffix};

/// One way to match a reason.
enum Pattern {
    /// The whole text.
    Exact(&'static str),
    /// Its beginning.
    Prefix(&'static str),
    /// Its end.
    Suffix(&'static str),
    /// Anywhere.
    Contains(&'static str),
    /// Anywhere, but only in texts about a model, voice or transcriber that failed.
    ProviderFault(&'static str),
}

impl Pattern {
    fn matches(&self, reason: &str) -> bool {
        match self {
            Exact(text) => reason == *text,
            Prefix(text) => reason.starts_with(text),
            Suffix(text) => reason.ends_with(text),
            Contains(text) => reason.contains(text),
            ProviderFault(text) => {
                (reason.starts_with("pipeline-error-") || reason.contains("fault-"))
                    && reason.contains(text)
            }
        }
    }
}

struct Rule {
    patterns: &'static [Pattern],
    outcome: Outcome,
    fault: EndFault,
}

const fn rule(patterns: &'static [Pattern], outcome: Outcome, fault: EndFault) -> Rule {
    Rule {
        patterns,
        outcome,
        fault,
    }
}

/// The order matters: `call.start.error-subscription-concurrency-limit-reached` must be met before
/// `call.start.*`, and `*-sip-480-*` before `call.in-progress.error-*`.
const RULES: &[Rule] = &[
    rule(&[Exact("voicemail")], Outcome::Voicemail, EndFault::None),
    rule(
        &[
            Exact("customer-did-not-answer"),
            Contains("-sip-480-"),
            Contains("-sip-408-"),
        ],
        Outcome::NoAnswer,
        EndFault::None,
    ),
    rule(&[Exact("customer-busy")], Outcome::Busy, EndFault::None),
    rule(
        &[Exact("vonage-rejected")],
        Outcome::Rejected,
        EndFault::None,
    ),
    rule(
        &[
            Exact("twilio-reported-customer-misdialed"),
            Exact("sip-outbound-unallocated-number"),
        ],
        Outcome::InvalidNumber,
        EndFault::None,
    ),
    rule(
        &[
            Exact("manually-canceled"),
            Exact("scheduled-call-deleted"),
            Exact("call-deleted"),
        ],
        Outcome::Canceled,
        EndFault::None,
    ),
    rule(
        &[Exact(CONCURRENCY_REACHED)],
        Outcome::FailedTransient,
        EndFault::Capacity,
    ),
    rule(
        &[Exact("call.start.error-vapi-number-outbound-daily-limit")],
        Outcome::FailedTransient,
        EndFault::NumberDailyLimit,
    ),
    rule(
        &[Prefix("call.start.error-vapifault-")],
        Outcome::FailedTransient,
        EndFault::None,
    ),
    rule(
        CONFIGURATION,
        Outcome::FailedPermanent,
        EndFault::Configuration,
    ),
    rule(CONVERSATION, Outcome::Answered, EndFault::None),
    rule(
        PROVIDER_CREDENTIALS,
        Outcome::FailedPermanent,
        EndFault::Configuration,
    ),
    rule(PASSING_FAILURE, Outcome::FailedTransient, EndFault::None),
];

/// All slots of the account were taken and nothing rang.
pub(super) const CONCURRENCY_REACHED: &str =
    "call.start.error-subscription-concurrency-limit-reached";

/// The assistant, the account or the trunk are set up wrongly: every further call fails alike.
const CONFIGURATION: &[Pattern] = &[
    Prefix("call.start."),
    Prefix("call-start-error-"),
    Prefix("assistant-not-"),
    Prefix("assistant-request-"),
    Contains("configfault"),
    Contains("-sip-403-"),
    Contains("-sip-407-"),
];

/// Somebody was on the line.
const CONVERSATION: &[Pattern] = &[
    Prefix("customer-ended-call"),
    Prefix("assistant-ended-call"),
    Prefix("assistant-said-"),
    Exact("assistant-forwarded-call"),
    Exact("exceeded-max-duration"),
    Exact("silence-timed-out"),
    Prefix("call.forwarding."),
    Prefix("call.ending.hook-"),
    Exact("call.in-progress.twilio-completed-call"),
    Exact("call.in-progress.sip-completed-call"),
    Exact("vonage-completed"),
    Contains("warm-transfer"),
    Suffix("transfer-failed"),
];

/// The key or the credit of a model, voice or transcriber is used up ("insufficent" is theirs).
const PROVIDER_CREDENTIALS: &[Pattern] = &[
    ProviderFault("-401-"),
    ProviderFault("-403-"),
    ProviderFault("invalid-api-key"),
    ProviderFault("voice-not-found"),
    ProviderFault("quota"),
    ProviderFault("insufficent-funds"),
];

/// Something broke that may work next time. Whether a person was reached before it broke is told
/// by `CallEnd::started_at` and `ended_at`, not by the text.
const PASSING_FAILURE: &[Pattern] = &[
    Prefix("call.in-progress.error-"),
    Prefix("pipeline-error-"),
    Prefix("worker-"),
    Exact("twilio-failed-to-connect-call"),
    Prefix("vonage-failed-"),
    Exact("vonage-disconnected"),
    Prefix("phone-call-provider-"),
    Exact("assistant-join-timed-out"),
    Exact("sip-outbound-carrier-released-call"),
    Prefix("call.ringing."),
];

/// Translates the reason of a call that is over. `started_at` decides only where no rule does: a
/// conversation that began counts as one, because calling again would be the worse mistake.
pub(super) fn judge(reason: Option<&str>, started_at: Option<Timestamp>) -> EndOutcome {
    let known = reason.and_then(|reason| {
        RULES
            .iter()
            .find(|rule| rule.patterns.iter().any(|pattern| pattern.matches(reason)))
    });
    if let Some(rule) = known {
        return EndOutcome {
            outcome: rule.outcome,
            fault: rule.fault,
            recognised: true,
        };
    }
    let outcome = if started_at.is_some() {
        Outcome::Answered
    } else {
        Outcome::FailedTransient
    };
    EndOutcome {
        outcome,
        fault: EndFault::None,
        recognised: false,
    }
}
