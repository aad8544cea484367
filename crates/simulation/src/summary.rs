//! What many runs came to together.

use std::collections::BTreeMap;

use crate::simulator::Report;

/// From so many seeds on, every rare state must have been reached.
pub const ENOUGH_SEEDS: u64 = 100;

/// States that a run with all faults can reach; the proof is worth nothing for one that none did.
const RARE: &[&str] = &[
    "added_again",
    "ambush",
    "answer_lost",
    "answer_swallowed",
    "archive",
    "call_in_repeated_hour",
    "callback",
    "callback_refused",
    "clock_ambush",
    "clock_back",
    "clock_drift",
    "clock_forward",
    "close_soon",
    "commit_failed",
    "copy",
    "corrected",
    "database_put_back",
    "death",
    "deleted",
    "deleted_while_copied",
    "died_again",
    "down",
    "edit",
    "erasure_step",
    "error_with_call",
    "error_without_call",
    "failed_start",
    "found_after_doubt",
    "freeze",
    "garbage",
    "hold_released",
    "import",
    "import_step",
    "key_broken",
    "key_mended",
    "key_refused",
    "limits",
    "look_up",
    "number_off",
    "number_on",
    "on_hold",
    "opted_out",
    "orderly_stop",
    "outage",
    "over_capacity",
    "pause",
    "presumed_placed",
    "proven_absent",
    "rate_limited",
    "read_failed",
    "recovered_unknown",
    "refused_429",
    "release_refused",
    "released",
    "removed",
    "request_swallowed",
    "requeued",
    "resume",
    "saturated",
    "slow_commit",
    "stale_read",
    "stop",
    "token",
    "unreachable",
    "user_answer_lost",
    "user_refused",
];

/// Figures over many seeds.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Of these, seeds with a broken promise.
    pub broken: u64,
    /// Calls that the world accepted.
    pub rings: u64,
    /// Virtual days times campaigns.
    pub campaign_days: f64,
    /// How often each rare state was reached.
    pub reached: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.broken += u64::from(!report.violations.is_empty());
        self.rings += u64::try_from(report.rings).unwrap_or(u64::MAX);
        self.campaign_days += report.campaign_days;
        for (state, count) in &report.reached {
            *self.reached.entry(state).or_default() += count;
        }
    }

    /// Rare states that no run reached.
    pub fn never_reached(&self) -> Vec<&'static str> {
        let missing = |state: &&&str| !self.reached.contains_key(**state);
        RARE.iter().filter(missing).copied().collect()
    }
}
