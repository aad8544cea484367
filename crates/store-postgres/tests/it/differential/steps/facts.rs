//! What vendors, look-ups and senders say of calls.

use domain::Outcome;
use domain::attempt::{EndFault, Fact, Refusal};
use jiff::Timestamp;
use serde_json::json;
use store::{Applied, AttemptFact, AttemptRef, CallDetails};

use super::{Came, Dice, Moment, Side, Told, around, name_of, told};
use crate::differential::side::KnownAttempt;

const REFUSALS: &[Refusal] = &[
    Refusal::Capacity,
    Refusal::RateLimited {
        retry_after_ms: None,
    },
    Refusal::RateLimited {
        retry_after_ms: Some(45_000),
    },
    Refusal::Credentials,
    Refusal::Payment,
    Refusal::NumberDailyLimit,
    Refusal::Configuration,
    Refusal::InvalidNumber,
];

const FAULTS: &[EndFault] = &[
    EndFault::None,
    EndFault::None,
    EndFault::None,
    EndFault::Capacity,
    EndFault::NumberDailyLimit,
    EndFault::Configuration,
];

const OUTCOMES: &[Outcome] = &[
    Outcome::NoAnswer,
    Outcome::Answered,
    Outcome::Voicemail,
    Outcome::Busy,
    Outcome::InvalidNumber,
    Outcome::FailedTransient,
    Outcome::FailedPermanent,
    Outcome::Canceled,
    Outcome::Screened,
    Outcome::Rejected,
    Outcome::NoAnswer,
];

pub(super) async fn take(side: &Side, dice: &mut Dice<'_>, moment: Moment) -> Told {
    let mut facts = Vec::new();
    for _ in 0..dice.of(&[1_u8, 1, 2, 3, 9]) {
        if let Some(known) = any_attempt(side, dice) {
            // Whoever has something to tell has decided.
            side.store().send_board().forget(known.id);
            facts.push(told_of(known, side, dice, moment.now));
        }
    }
    let call = format!("apply_facts {facts:?}");
    let (mut told, applied) = told(call, side.store().apply_facts(moment.now, facts).await);
    for applied in applied.into_iter().flatten() {
        if applied == Applied::Unmatched {
            told.came = Came::Refused;
        }
        told.met.push(match applied {
            Applied::Changed { state } => format!("{state:?}"),
            other => name_of(&other),
        });
    }
    told
}

pub(super) fn any_attempt<'a>(side: &'a Side, dice: &mut Dice<'_>) -> Option<&'a KnownAttempt> {
    let near = if dice.one_in(8) { 40 } else { 6 };
    let newest = usize::from(dice.below(near)).min(side.known.attempts.len().saturating_sub(1));
    side.known.attempts.iter().rev().nth(newest)
}

fn reference(known: &KnownAttempt, side: &Side, dice: &mut Dice<'_>) -> AttemptRef {
    let provider_call_id = known.provider_call_id.clone();
    let by_key = Some(known.key.clone());
    let (line_id, attempt_key, provider_call_id) = match dice.below(12) {
        7 | 8 => (known.line_id, by_key, provider_call_id),
        9 => (known.line_id, None, provider_call_id),
        // What belongs to another line is nobody's.
        10 => {
            let lines: Vec<_> = side.known.lines.iter().map(|line| line.id).collect();
            (dice.of(&lines), by_key, provider_call_id)
        }
        11 => (
            known.line_id,
            Some("no-such-key".to_owned()),
            "no-such-call".to_owned(),
        ),
        _ => return AttemptRef::Id(known.id),
    };
    AttemptRef::Echo {
        line_id,
        attempt_key,
        provider_call_id,
    }
}

fn any_fact(dice: &mut Dice<'_>) -> Fact {
    match dice.below(21) {
        0..=3 => Fact::Placed,
        4 | 5 => Fact::Ringing,
        6 | 7 => Fact::Connected,
        8..=12 => Fact::Ended {
            outcome: dice.of(OUTCOMES),
            fault: dice.of(FAULTS),
        },
        13 => Fact::NeverSent,
        14 | 15 => Fact::Refused(dice.of(REFUSALS)),
        16 | 17 => Fact::AnswerLost,
        18 => Fact::NotFound,
        19 => Fact::LookupInconclusive,
        _ => Fact::LookupFailed,
    }
}

pub(super) fn told_of(
    known: &KnownAttempt,
    side: &Side,
    dice: &mut Dice<'_>,
    now: Timestamp,
) -> AttemptFact {
    let fact = any_fact(dice);
    let mut told = AttemptFact::new(reference(known, side, dice), fact);
    told.at = dice.one_in(3).then(|| around(dice, now));
    told.provider_call_id = dice.one_in(2).then(|| known.provider_call_id.clone());
    told.control_url = dice.maybe(5, &["https://control.example/1".to_owned()]);
    told.reason = dice.maybe(3, &["customer-did-not-answer".to_owned(), "ä".to_owned()]);
    told.details = dice.one_in(4).then(|| details(dice, now));
    told.line_fault = dice.maybe(6, &["connection refused", "timed out"]);
    told
}

fn details(dice: &mut Dice<'_>, now: Timestamp) -> CallDetails {
    CallDetails {
        started_at: dice.one_in(3).then(|| around(dice, now)),
        ended_at: dice.one_in(3).then(|| around(dice, now)),
        cost_micro_usd: dice.maybe(3, &[0, 1_500, -3]),
        transcript: dice.maybe(3, &["AI: Hello\nUser: …".to_owned(), String::new()]),
        summary: dice.maybe(3, &["short".to_owned()]),
        recording_url: dice.maybe(4, &["https://recordings.example/1".to_owned()]),
        structured_data: dice.maybe(4, &[json!({ "b": 1.5, "a": null }), json!(null), json!([])]),
    }
}
