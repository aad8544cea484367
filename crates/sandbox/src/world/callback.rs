//! Callbacks: where they go, when they are due, and when they are tried again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;

use crate::time;

/// At most this many callbacks wait to be sent; further ones are lost and counted.
const MAX_WAITING: usize = 1_000_000;

/// When a callback that failed is tried again. A call without one is never tried again, as at the
/// vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct BackoffPlan {
    /// Whether the delay doubles with every try.
    pub is_exponential: bool,
    /// Tries after the first, 0 to 10.
    pub max_retries: u32,
    /// The first delay, in real seconds.
    pub base_delay_seconds: f64,
    /// Answers with these statuses are not tried again.
    pub excluded_status_codes: Vec<u16>,
}

/// Where a call's callbacks go.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackTarget {
    /// The address, `http` or `https`.
    pub url: String,
    /// The headers to send, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// How long to wait for the answer.
    pub timeout: Duration,
    /// What to do when it fails.
    pub backoff: Option<BackoffPlan>,
}

/// A callback to send.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The call it is about, as named by [`crate::Reply::after_callback_of`].
    pub call: u64,
    /// When it is due.
    pub at: Timestamp,
    /// Which try this is, from 0.
    pub attempt: u32,
    /// Where it goes.
    pub target: Arc<CallbackTarget>,
    /// The JSON body.
    pub body: Bytes,
    /// Which life of the world it belongs to; a reset begins another.
    pub(crate) epoch: u64,
}

/// The callbacks that wait, by due time and then by the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: BTreeMap<(Timestamp, u64), Callback>,
    next_sequence: u64,
    dropped: u64,
}

impl Outbox {
    pub(crate) fn push(&mut self, callback: Callback) {
        if self.waiting.len() >= MAX_WAITING {
            self.dropped += 1;
            return;
        }
        self.waiting
            .insert((callback.at, self.next_sequence), callback);
        self.next_sequence += 1;
    }

    pub(crate) fn next_due_at(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Callback> {
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Callbacks lost because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Queues a failed callback's next try, if its plan has one.
    pub(crate) fn push_retry(&mut self, now: Timestamp, failed: &Callback, status: Option<u16>) {
        let Some(plan) = &failed.target.backoff else {
            return;
        };
        let is_excluded = status.is_some_and(|status| plan.excluded_status_codes.contains(&status));
        if failed.attempt >= plan.max_retries || is_excluded {
            return;
        }
        let factor = if plan.is_exponential {
            f64::from(2_u32.pow(failed.attempt.min(20)))
        } else {
            1.0
        };
        let wait = time::seconds(plan.base_delay_seconds * factor);
        self.push(Callback {
            at: time::later(now, wait),
            attempt: failed.attempt + 1,
            ..failed.clone()
        });
    }
}
