//! Which calls to place now: a pure, bounded decision over a snapshot of one line.
//!
//! The plan is fully specified: lead, number, send time, deadline. Whoever carries it out makes no
//! choices. The planner also says when to look again, which leads' hints are stale and which
//! campaigns are done, so that sleeping costs nothing.
//!
//! Fairness: campaigns of a line share it by weight (`priority`) through virtual time: each call
//! moves its campaign ahead by a stride divided by `priority`, the one furthest behind is next, and one that
//! slept joins at the line's present. Nobody starves.
//!
//! Pacing: one stored instant per line and per campaign (GCRA without burst). Calls are planned at
//! most [`LOOKAHEAD`] ahead and carry the instant before which they must not be sent.
//!
//! Trial: a line that has failed rests, and is then tried with one call at a time until one
//! succeeds, so that a provider that is down is neither pressed nor trusted with many calls whose
//! fate nobody would know.
//!
//! Waking: a campaign is *awake* from its `wake_at` on, and only awake campaigns are in a
//! snapshot. A line is planned at the earlier of its own `wake_at` and the first `wake_at` of its
//! sleeping campaigns. Besides time, these events make a line due and wake the campaign they
//! concern: an attempt frees its lead; leads are added or changed; a command, a new setting, a
//! changed line or pool. A plan that asks to be repeated at once has always moved something: a
//! call, a hint, or a campaign to sleep.

mod decision;
mod line;
mod reading;
mod snapshot;
mod turns;
mod work;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use decision::{CampaignPlan, Deferral, LinePlan, PlannedCall};
pub use reading::{MAX_COHORTS, Share, budget, campaigns_to_list, shares};
pub use snapshot::{CampaignSnapshot, CohortSnapshot, LeadSnapshot, LineSnapshot, NumberSnapshot};
pub use turns::Contender;

use crate::calendar::{Calendar, CalendarStatus};
use crate::settings::{LeadTimezone, Outbound};

/// How far ahead calls are planned, so that a line of high rate is not limited by ticks.
pub const LOOKAHEAD: SignedDuration = SignedDuration::from_millis(200);
/// From planning to the last moment at which the first byte may leave.
pub const SEND_DEADLINE: SignedDuration = SignedDuration::from_secs(2);
/// Calls of one line in one plan.
pub const MAX_CALLS_PER_PLAN: usize = 256;
/// Spacing is widened by this much so that arrival jitter does not exceed the provider's rate.
const PACE_MARGIN_PERCENT: i64 = 5;
/// When to look again at what another campaign's call holds: its end does not wake us.
const RECHECK: SignedDuration = SignedDuration::from_secs(5);

/// Plans one line.
pub fn plan(now: Timestamp, snapshot: &LineSnapshot) -> LinePlan {
    line::LinePlanner::new(now, snapshot).plan()
}

/// The calendar's answer for a cohort: its own clock when the campaign says `LEAD`.
pub fn cohort_calendar(
    outbound: &Outbound,
    zone: Option<&TimeZone>,
    now: Timestamp,
) -> CalendarStatus {
    Calendar::new(&outbound.hours, cohort_zone(outbound, zone)).status(now)
}

fn cohort_zone<'a>(outbound: &'a Outbound, zone: Option<&'a TimeZone>) -> &'a TimeZone {
    match outbound.lead_timezone {
        LeadTimezone::Lead => zone.unwrap_or(&outbound.zone),
        LeadTimezone::Campaign => &outbound.zone,
    }
}

/// Time between two starts at `rate` per minute.
pub fn minute_spacing(rate: u32) -> SignedDuration {
    spacing(rate, SignedDuration::from_mins(1))
}

/// Time between two starts at `rate` per `period`.
fn spacing(rate: u32, period: SignedDuration) -> SignedDuration {
    let micros = i64::try_from(period.as_micros()).unwrap_or(i64::MAX) / 100;
    SignedDuration::from_micros(micros * (100 + PACE_MARGIN_PERCENT) / i64::from(rate.max(1)))
}

/// A stored GCRA instant as of now; `None` when it does not hold anything back. One that is
/// further ahead than a plan can have put it comes from a slower rate or a clock that was set
/// back, and must not hold the present rate back.
fn pace(
    next_start_at: Option<Timestamp>,
    spacing: SignedDuration,
    now: Timestamp,
) -> Option<Timestamp> {
    let furthest = after(after(now, LOOKAHEAD), spacing);
    next_start_at
        .filter(|at| *at > now)
        .map(|at| at.min(furthest))
}

fn after(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

/// When to plan again for a start that pacing allows at `start`, so that none is lost.
fn before_start(start: Timestamp) -> Timestamp {
    start.saturating_sub(LOOKAHEAD / 2).unwrap_or(start)
}

fn earliest(instants: impl IntoIterator<Item = Timestamp>) -> Option<Timestamp> {
    instants.into_iter().min()
}

#[cfg(test)]
mod tests;
