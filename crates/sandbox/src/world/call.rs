//! One call at the vendor, and the book of all of them.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    callback::{Callback, CallbackTarget},
    log::Log,
};
use crate::phone::CallPlan;

/// Calls that ended are forgotten, oldest first, above this many. New calls are refused at twice as
/// many.
const MAX_CALLS: usize = 200_000;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallStatus {
    Scheduled,
    Queued,
    Ringing,
    InProgress,
    Ended,
}

impl CallStatus {
    /// The vendor's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Ended => "ended",
        }
    }
}

/// Which messages the caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) status_update: bool,
    pub(crate) end_of_call_report: bool,
    pub(crate) hang: bool,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) id: u128,
    pub(crate) account: Arc<str>,
    pub(crate) org_id: Arc<str>,
    /// Its line in the ring log; `None` when it was blocked by a limit.
    pub(crate) ring: Option<u64>,
    pub(crate) name: Option<Box<str>>,
    /// The request's other properties as they came, for the vendor's answers.
    pub(crate) echo: Vec<(&'static str, Box<RawValue>)>,
    pub(crate) customer: Box<RawValue>,
    pub(crate) assistant_id: Option<Box<str>>,
    pub(crate) phone_number_id: Option<Box<str>>,
    pub(crate) plan: CallPlan,
    pub(crate) status: CallStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) ended_reason: Option<Cow<'static, str>>,
    /// From when on the list shows it.
    pub(crate) listed_at: Timestamp,
    /// Whether the vendor's report is out, and with it transcript and cost.
    pub(crate) is_reported: bool,
    pub(crate) is_deleted: bool,
    /// `http://host`, as the caller reached us.
    pub(crate) origin: Arc<str>,
    pub(crate) target: Option<Arc<CallbackTarget>>,
    pub(crate) wants: Wants,
    /// The key of its next step in the agenda.
    pub(crate) next_step: Option<(Timestamp, u64)>,
    /// How many callbacks were made, lost ones included.
    pub(crate) callbacks: u64,
    /// A callback that waits to be overtaken.
    pub(crate) held_back: Option<Callback>,
    /// How often it was read.
    pub(crate) reads: u64,
    /// Scenario seconds in a real second when it was made.
    pub(crate) time_scale: f64,
}

impl Call {
    /// How long it was talked, in scenario seconds.
    pub(crate) fn talked_seconds(&self) -> f64 {
        match (self.started_at, self.ended_at) {
            (Some(start), Some(end)) => {
                crate::time::elapsed(start, end).as_secs_f64() * self.time_scale
            }
            _ => 0.0,
        }
    }
}

/// All calls, by number and by id.
#[derive(Debug)]
pub(crate) struct CallBook {
    calls: Log<Call>,
    numbers: HashMap<u128, u64>,
}

impl CallBook {
    pub(crate) fn new() -> Self {
        // The book drops by its own rule, before the log's would.
        Self {
            calls: Log::new(usize::MAX),
            numbers: HashMap::new(),
        }
    }

    /// Whether no further call fits.
    pub(crate) fn is_full(&self) -> bool {
        self.calls.len() >= 2 * MAX_CALLS
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.calls.next_number()
    }

    pub(crate) fn push(&mut self, call: Call) {
        let is_past = |call: &Call| call.status == CallStatus::Ended && call.is_reported;
        while self.calls.len() >= MAX_CALLS && self.calls.oldest().is_some_and(is_past) {
            if let Some(oldest) = self.calls.pop_oldest() {
                self.numbers.remove(&oldest.id);
            }
        }
        self.numbers.insert(call.id, call.number);
        self.calls.push(call);
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Call> {
        self.calls.get(number)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Call> {
        self.calls.get_mut(number)
    }

    pub(crate) fn number_of(&self, id: u128) -> Option<u64> {
        self.numbers.get(&id).copied()
    }
}
