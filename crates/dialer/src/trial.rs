//! Asking a provider that has failed whether it answers at all, before a call is risked on it.
//!
//! A request to place a call that is lost leaves doubt: its lead and its number wait for an hour,
//! and what stays in doubt counts as called. A question leaves none. So a call that tries a line out
//! is preceded by one, and given back unsent when the question fails.
//!
//! Invariant: only silence and a server's own failure keep the call back. Every other answer says
//! that somebody is there, and what is wrong with the account is told best by the refusal of the
//! call itself, which is no attempt either.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::LineId;
use lines::OpenLine;
use providers::ProviderAnswer;

use crate::core::{Core, LOOKUP_TIMEOUT};

/// How long an answer is good for, for one call. A slow provider answers when the call that waited
/// for it is too late; the next one need not ask again.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Lines that have answered and not been sent a call since, with the instant on the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<HashMap<LineId, Duration>>);

impl Answered {
    fn lock(&self) -> MutexGuard<'_, HashMap<LineId, Duration>> {
        // Every change is one step: a panic elsewhere leaves it true.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, line_id: LineId, now: Duration) -> bool {
        let at = self.lock().get(&line_id).copied();
        at.is_some_and(|at| now.saturating_sub(at) < GOOD_FOR)
    }

    fn note(&self, line_id: LineId, now: Duration) {
        self.lock().insert(line_id, now);
    }

    /// A call is sent on the line.
    pub(crate) fn use_up(&self, line_id: LineId) {
        self.lock().remove(&line_id);
    }
}

/// Why a call must not be sent after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What the line rests for.
    pub(crate) line_fault: Option<&'static str>,
    /// For people.
    pub(crate) reason: String,
}

impl Core {
    /// Asks the line's provider the least there is to ask.
    pub(crate) async fn ask_first(&self, line_id: LineId, line: &OpenLine) -> Result<(), Failed> {
        let clock = &self.parts().clock;
        if self.answered.is_fresh(line_id, clock.monotonic()) {
            return Ok(());
        }
        let answer = self.ask_provider(line).await?;
        if answer.status >= 500 {
            return Err(Failed {
                line_fault: Some("provider_broken"),
                reason: format!("the provider answers HTTP {} to everything", answer.status),
            });
        }
        self.answered.note(line_id, clock.monotonic());
        Ok(())
    }

    /// The least question there is, and whatever the provider answers.
    pub(crate) async fn ask_provider(&self, line: &OpenLine) -> Result<ProviderAnswer, Failed> {
        let request = line.adapter().verify_credentials(&line.access);
        let answer = self.parts().transport.exchange(request, LOOKUP_TIMEOUT);
        answer.await.map_err(|error| Failed {
            line_fault: Some("provider_unreachable"),
            reason: error.message,
        })
    }
}
