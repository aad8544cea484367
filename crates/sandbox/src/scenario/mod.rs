//! How the phones behave, which limits hold and which faults strike.
//!
//! A scenario is read from JSON in the form of `PUT /control/scenario`: absent keys keep their
//! value, unknown keys are refused by name, and every fault in a document is reported at once.
//! Nothing half-read takes effect.

mod read;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::phone::PhoneOutcome;

/// What was wrong with a scenario document: one line for each fault, with its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid scenario: {}", problems.join("; "))]
pub struct ScenarioError {
    /// The faults in the order of the document.
    pub problems: Vec<String>,
}

/// A range of seconds, both ends included; a value is drawn uniformly from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecondsRange {
    /// The shortest, in seconds.
    pub low: f64,
    /// The longest, in seconds.
    pub high: f64,
}

impl SecondsRange {
    /// No time at all.
    pub const ZERO: Self = Self {
        low: 0.0,
        high: 0.0,
    };

    /// Always the same number of seconds.
    pub const fn fixed(seconds: f64) -> Self {
        Self {
            low: seconds,
            high: seconds,
        }
    }

    /// The point at `unit` (0 to 1) between both ends, in seconds.
    pub(crate) fn at(self, unit: f64) -> f64 {
        self.low + (self.high - self.low) * unit
    }
}

impl Serialize for SecondsRange {
    #[expect(
        clippy::float_cmp,
        reason = "both ends come from one literal when the range is fixed"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.low == self.high {
            self.low.serialize(serializer)
        } else {
            [self.low, self.high].serialize(serializer)
        }
    }
}

/// One of the shares of call results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// `answer_rate`
    Answer,
    /// `voicemail_rate`
    Voicemail,
    /// `busy_rate`
    Busy,
    /// `no_answer_rate`
    NoAnswer,
    /// `rejected_rate`
    Rejected,
    /// `invalid_rate`
    Invalid,
}

impl Rate {
    const ALL: [Self; 6] = [
        Self::Answer,
        Self::Voicemail,
        Self::Busy,
        Self::NoAnswer,
        Self::Rejected,
        Self::Invalid,
    ];

    fn key(self) -> &'static str {
        match self {
            Self::Answer => "answer_rate",
            Self::Voicemail => "voicemail_rate",
            Self::Busy => "busy_rate",
            Self::NoAnswer => "no_answer_rate",
            Self::Rejected => "rejected_rate",
            Self::Invalid => "invalid_rate",
        }
    }
}

/// How a create request above the concurrency limit is turned down; all three are seen at the
/// vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ConcurrencyRefusal {
    /// `400` with "Over Concurrency Limit".
    #[default]
    #[serde(rename = "400")]
    BadRequest,
    /// `429` with "Over Concurrency Limit".
    #[serde(rename = "429")]
    TooManyRequests,
    /// `201` with `concurrencyBlocked`, and a call that ends at once without ringing.
    #[serde(rename = "blocked")]
    Blocked,
}

/// What one phone does, in place of what the seed would make it do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PhoneScript {
    /// One result for each successive call, the last one repeating. Empty: the rates decide.
    pub outcomes: Vec<PhoneOutcome>,
    /// Scenario seconds of ringing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_seconds: Option<SecondsRange>,
    /// Scenario seconds from answer to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_seconds: Option<SecondsRange>,
}

/// Faults. Rates go from 0 (never) to 1 (always). Seconds are real time: the time scale does not
/// shorten them, because they are about requests, not about calls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Faults {
    /// The create request is swallowed: no call, no answer.
    pub create_timeout: f64,
    /// The call is made, and the answer never comes.
    pub create_timeout_after_accept: f64,
    /// 500 without a call.
    pub create_500: f64,
    /// The call is made, and the answer is 500.
    pub create_500_after_accept: f64,
    /// 429 without a call.
    pub create_429: f64,
    /// The call is made, and the answer is 201 with a body that cannot be read.
    pub create_garbage: f64,
    /// Every answer to a create request is late by this much; the call is made on arrival.
    pub create_delay_seconds: SecondsRange,
    /// The callback is never sent.
    pub webhook_loss: f64,
    /// The callback is sent twice.
    pub webhook_duplicate: f64,
    /// The callback is held back until after the next one of its call.
    pub webhook_reorder: f64,
    /// Every callback is late by this much.
    pub webhook_delay_seconds: SecondsRange,
    /// The first callback is delivered before the create request is answered.
    pub webhook_before_response: f64,
    /// New calls are missing from the list for this long; reading one by its id works at once.
    pub list_lag_seconds: SecondsRange,
    /// 500 on a read.
    pub get_500: f64,
    /// Nothing works but control: half the requests get 503, for the others the connection is
    /// closed. Calls under way go on, and so do their callbacks.
    pub down: f64,
}

impl Default for Faults {
    /// No faults.
    fn default() -> Self {
        Self {
            create_timeout: 0.0,
            create_timeout_after_accept: 0.0,
            create_500: 0.0,
            create_500_after_accept: 0.0,
            create_429: 0.0,
            create_garbage: 0.0,
            create_delay_seconds: SecondsRange::ZERO,
            webhook_loss: 0.0,
            webhook_duplicate: 0.0,
            webhook_reorder: 0.0,
            webhook_delay_seconds: SecondsRange::ZERO,
            webhook_before_response: 0.0,
            list_lag_seconds: SecondsRange::ZERO,
            get_500: 0.0,
            down: 0.0,
        }
    }
}

/// The behaviour of all phones, the limits of all accounts, and the faults.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// Share of calls that a person answers.
    pub answer_rate: f64,
    /// Share of calls that an answering machine takes.
    pub voicemail_rate: f64,
    /// Share of calls to a busy line. In the ring log such a phone rang, if only for a moment: the
    /// call reached it.
    pub busy_rate: f64,
    /// Share of calls that nobody takes. What the rates leave over counts as unanswered too.
    pub no_answer_rate: f64,
    /// Share of calls that are declined.
    pub rejected_rate: f64,
    /// Share of *numbers* that do not exist; such a number is invalid on every call.
    pub invalid_rate: f64,
    /// Scenario seconds from the accepted request to the first ring.
    pub queue_seconds: SecondsRange,
    /// Scenario seconds of ringing.
    pub ring_seconds: SecondsRange,
    /// Scenario seconds of talk.
    pub talk_seconds: SecondsRange,
    /// Calls that an account may have at once.
    pub concurrency: u32,
    /// Create requests that an account may send in a second of real time, with a burst of as many.
    pub calls_per_second: f64,
    /// How requests above `concurrency` are turned down.
    pub concurrency_refusal: ConcurrencyRefusal,
    /// Phones with a behaviour of their own, by E.164 number.
    pub phones: BTreeMap<String, PhoneScript>,
    /// The faults.
    pub faults: Faults,
    /// Which rates come first when together they exceed 1: those named in the latest change. The
    /// rest share what is left, so `{"answer_rate":1}` alone makes everybody answer. Not part
    /// of the document.
    #[serde(skip)]
    pub rate_precedence: Vec<Rate>,
}

impl Default for Scenario {
    /// The figures of the sandbox contract.
    fn default() -> Self {
        Self {
            answer_rate: 0.35,
            voicemail_rate: 0.25,
            busy_rate: 0.05,
            no_answer_rate: 0.3,
            rejected_rate: 0.0,
            invalid_rate: 0.05,
            queue_seconds: SecondsRange {
                low: 0.2,
                high: 1.0,
            },
            ring_seconds: SecondsRange {
                low: 4.0,
                high: 25.0,
            },
            talk_seconds: SecondsRange {
                low: 15.0,
                high: 180.0,
            },
            concurrency: 20,
            calls_per_second: 5.0,
            concurrency_refusal: ConcurrencyRefusal::BadRequest,
            phones: BTreeMap::new(),
            faults: Faults::default(),
            rate_precedence: Rate::ALL.to_vec(),
        }
    }
}

impl Scenario {
    /// The default scenario changed by a JSON document, as `--scenario FILE` holds it.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        let document = serde_json::from_str(text).map_err(|error| ScenarioError {
            problems: vec![format!("not JSON: {error}")],
        })?;
        Self::default().changed_by(&document)
    }

    /// This scenario with the document's keys in place of its own. `phones` and `faults` merge
    /// entry by entry; `null` for a phone removes its script.
    pub fn changed_by(&self, document: &Value) -> Result<Self, ScenarioError> {
        let mut changed = self.clone();
        let mut problems = Vec::new();
        match document {
            Value::Object(entries) => changed.take_entries(entries, &mut problems),
            _ => problems.push("a scenario is a JSON object".to_owned()),
        }
        if problems.is_empty() {
            Ok(changed)
        } else {
            Err(ScenarioError { problems })
        }
    }

    /// The shares in force, summing to at most 1, in an order that only depends on which rates were
    /// named last.
    pub(crate) fn shares(&self) -> Vec<(Rate, f64)> {
        let total: f64 = Rate::ALL.iter().map(|&rate| self.rate(rate)).sum();
        let canonical = Rate::ALL.to_vec();
        let order = if total > 1.0 + 1e-9 {
            &self.rate_precedence
        } else {
            &canonical
        };
        let mut left = 1.0_f64;
        let cut = order.iter().map(|&rate| {
            let share = self.rate(rate).min(left);
            left -= share;
            (rate, share)
        });
        cut.collect()
    }

    fn rate(&self, rate: Rate) -> f64 {
        match rate {
            Rate::Answer => self.answer_rate,
            Rate::Voicemail => self.voicemail_rate,
            Rate::Busy => self.busy_rate,
            Rate::NoAnswer => self.no_answer_rate,
            Rate::Rejected => self.rejected_rate,
            Rate::Invalid => self.invalid_rate,
        }
    }

    fn rate_mut(&mut self, rate: Rate) -> &mut f64 {
        match rate {
            Rate::Answer => &mut self.answer_rate,
            Rate::Voicemail => &mut self.voicemail_rate,
            Rate::Busy => &mut self.busy_rate,
            Rate::NoAnswer => &mut self.no_answer_rate,
            Rate::Rejected => &mut self.rejected_rate,
            Rate::Invalid => &mut self.invalid_rate,
        }
    }
}
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_keys_keep_their_value() -> Result<(), ScenarioError> {
        let first = Scenario::default().changed_by(
            &json!({"answer_rate": 0.5, "faults": {"down": true}, "ring_seconds": 3}),
        )?;
        let second = first.changed_by(&json!({"concurrency": 7, "faults": {"get_500": 0.1}}))?;
        assert_eq!(second.concurrency, 7);
        assert_eq!(second.ring_seconds, SecondsRange::fixed(3.0));
        assert!((second.answer_rate - 0.5).abs() < 1e-9 && (second.faults.down - 1.0).abs() < 1e-9);
        assert!((second.faults.get_500 - 0.1).abs() < 1e-9);
        Ok(())
    }

    #[test]
    fn every_fault_of_a_document_is_named_and_nothing_is_taken() {
        let changed = Scenario::default().changed_by(&json!({
            "anwser_rate": 1, "busy_rate": 2, "ring_seconds": [5, 1], "faults": {"dwon": 1},
            "phones": {"5550100": {}, "+14155550100": {"outcome": "BUZY", "color": 1}}
        }));
        let text = changed.map_or_else(|error| error.to_string(), |_| String::new());
        for part in [
            "`anwser_rate`",
            "`busy_rate`",
            "`ring_seconds`",
            "`faults.dwon`",
            "phones.5550100",
            "BUSY",
            "color",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() -> Result<(), ScenarioError> {
        let document = json!({
            "concurrency_refusal": "blocked", "talk_seconds": [1, 2.5],
            "phones": {"+14155550100": {
                "outcomes": ["BUSY", {"ended_reason": "silence-timed-out"}], "ring_seconds": 2
            }},
            "faults": {"list_lag_seconds": 30, "webhook_loss": 0.25}
        });
        let scenario = Scenario::default().changed_by(&document)?;
        let printed = json!(scenario);
        assert_eq!(Scenario::default().changed_by(&printed)?, scenario);
        Ok(())
    }

    #[test]
    fn rates_named_last_come_first() -> Result<(), ScenarioError> {
        let all_unanswered = Scenario::default().changed_by(&json!({"no_answer_rate": 1}))?;
        let shares = all_unanswered.shares();
        assert_eq!(shares[0], (Rate::NoAnswer, 1.0));
        assert!(shares[1..].iter().all(|(_, share)| *share == 0.0));
        let restored = all_unanswered.changed_by(&json!({"no_answer_rate": 0.3}))?;
        assert_eq!(restored.shares(), Scenario::default().shares());
        Ok(())
    }
}
