//! Whose a line or a call is, remembered.
//!
//! Neither ever changes hands and no id is used twice, so what was seen once stays true. What is gone
//! from the database is found to be gone by the operation itself, which says so as if nothing had been
//! remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{AttemptId, LineId, TenantId};
use store::{AttemptRef, Dispatch};

/// Most calls that are remembered: what happens to a call happens soon after it was reserved.
const MOST_ATTEMPTS: usize = 65_536;
/// Most lines.
const MOST_LINES: usize = 10_000;

/// What this process has seen.
#[derive(Default)]
pub(crate) struct Tenants(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    lines: HashMap<LineId, TenantId>,
    attempts: HashMap<AttemptId, TenantId>,
    oldest: VecDeque<AttemptId>,
}

impl Tenants {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose it is, if that was seen.
    pub(crate) fn of(&self, attempt: &AttemptRef) -> Option<TenantId> {
        let seen = self.seen();
        match attempt {
            AttemptRef::Id(attempt_id) => seen.attempts.get(attempt_id).copied(),
            AttemptRef::Echo { line_id, .. } => seen.lines.get(line_id).copied(),
        }
    }

    /// Remembers a line.
    pub(crate) fn saw_line(&self, line_id: LineId, tenant_id: TenantId) {
        let mut seen = self.seen();
        if seen.lines.len() >= MOST_LINES {
            seen.lines.clear();
        }
        seen.lines.insert(line_id, tenant_id);
    }

    /// Remembers calls that were reserved.
    pub(crate) fn saw_calls(&self, dispatches: &[Dispatch], tenant_id: TenantId) {
        let mut seen = self.seen();
        for dispatch in dispatches {
            if seen.oldest.len() >= MOST_ATTEMPTS
                && let Some(oldest) = seen.oldest.pop_front()
            {
                seen.attempts.remove(&oldest);
            }
            if seen
                .attempts
                .insert(dispatch.attempt_id, tenant_id)
                .is_none()
            {
                seen.oldest.push_back(dispatch.attempt_id);
            }
        }
    }
}
