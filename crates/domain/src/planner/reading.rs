//! How much of a line is worth reading for one plan, so that what it costs follows the calls that it
//! can place and not the campaigns and leads that wait.
//!
//! Whatever is left out is planned later, and at once if it is due: none of this decides who is called.

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::snapshot::LineSnapshot;
use super::turns::{Contender, foretell};
use super::{LOOKAHEAD, MAX_CALLS_PER_PLAN};

/// Awake campaigns of one line in one plan. More than calls can be placed are of no use to it, but
/// a few are looked at all the same, so that a line without a free slot tells of each of them why
/// it waits.
const CAMPAIGNS: RangeInclusive<usize> = 16..=64;
/// Campaigns beyond the calls that could be placed, because some will have nobody to call.
const SPARE_CAMPAIGNS: usize = 4;
/// Leads beyond the calls that could be placed, over all campaigns, because some will be deferred.
/// A campaign whose leads were all deferred is planned again at once.
const SPARE_LEADS: usize = 16;

/// Groups of leads of one campaign in one plan: every zone of the world, at ten urgencies.
pub const MAX_COHORTS: usize = 6_000;

/// How many due leads of a campaign are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Calls that it may get in this plan.
    pub calls: usize,
    /// Leads beyond them.
    pub spare: usize,
}

impl Share {
    /// At most as many calls as the campaign's own limit leaves free, if it has one.
    #[must_use]
    pub fn within(self, free: Option<u32>) -> Self {
        let free = free.and_then(|free| usize::try_from(free).ok());
        Self {
            calls: free.map_or(self.calls, |free| self.calls.min(free)),
            ..self
        }
    }
}

/// How many calls the line's own limits allow in this plan. The line's campaigns are not looked at.
pub fn budget(line: &LineSnapshot, now: Timestamp) -> usize {
    if line.rests_until.is_some_and(|until| until > now) {
        return 0;
    }
    if line.on_trial {
        return 1;
    }
    let free = line.max_concurrent_calls.saturating_sub(line.live_calls);
    let in_lookahead = i64::from(line.max_calls_per_second)
        * i64::try_from(LOOKAHEAD.as_millis()).unwrap_or(1_000)
        / 1_000
        + 1;
    let starts = u32::try_from(in_lookahead).unwrap_or(u32::MAX);
    usize::try_from(free.min(starts))
        .unwrap_or(MAX_CALLS_PER_PLAN)
        .min(MAX_CALLS_PER_PLAN)
}

/// How many awake campaigns are listed, those furthest behind first.
pub fn campaigns_to_list(budget: usize) -> usize {
    (budget + SPARE_CAMPAIGNS).clamp(*CAMPAIGNS.start(), *CAMPAIGNS.end())
}

/// How many leads of each listed campaign are worth reading: those for its own turns. One that gets
/// none has its first lead read all the same, in case the others have nobody to call.
pub fn shares(virtual_time: i64, contenders: &[Contender<'_>], budget: usize) -> Vec<Share> {
    let share = |turns: usize| match (budget, turns) {
        (0, _) => Share { calls: 0, spare: 0 },
        (_, 0) => Share { calls: 1, spare: 0 },
        (_, calls) => Share {
            calls,
            spare: SPARE_LEADS * calls / budget,
        },
    };
    let turns = foretell(virtual_time, contenders, budget);
    turns.into_iter().map(share).collect()
}
