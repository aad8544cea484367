//! What the planner sees.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::campaign::{CampaignStatus, LeadStatus};
use crate::id::{CampaignId, LeadId, LineId};
use crate::phone::PhoneNumber;
use crate::policy::CountedAttempt;
use crate::settings::CampaignSettings;

/// A line and everything that could dial on it now.
#[derive(Debug, Clone)]
pub struct LineSnapshot {
    /// The line.
    pub line_id: LineId,
    /// Most calls at once.
    pub max_concurrent_calls: u32,
    /// Most calls started per second.
    pub max_calls_per_second: u32,
    /// Live attempts.
    pub live_calls: u32,
    /// Earliest instant of the next start (GCRA).
    pub next_start_at: Option<Timestamp>,
    /// The line rests until then.
    pub rests_until: Option<Timestamp>,
    /// Whether it has failed and no call has succeeded since: when its rest is over, it is tried
    /// with one call at a time.
    pub on_trial: bool,
    /// Of the live attempts, those whose request has not been answered; known on trial only.
    pub dispatching_calls: u32,
    /// Virtual time of the line.
    pub virtual_time: i64,
    /// Awake campaigns, those with the least `pass` first.
    pub campaigns: Vec<CampaignSnapshot>,
    /// Whether more campaigns are awake than are listed.
    pub more_campaigns: bool,
}

/// A running campaign of the line.
#[derive(Debug, Clone)]
pub struct CampaignSnapshot {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// Its status.
    pub status: CampaignStatus,
    /// Its settings.
    pub settings: Arc<CampaignSettings>,
    /// Live attempts.
    pub live_calls: u32,
    /// Earliest instant of the next start (GCRA of `max_calls_per_minute`).
    pub next_start_at: Option<Timestamp>,
    /// The breaker is open until then.
    pub circuit_open_until: Option<Timestamp>,
    /// Virtual time.
    pub pass: i64,
    /// Numbers to dial from, in the order in which they shall be tried.
    pub numbers: Vec<NumberSnapshot>,
    /// Groups of leads with hints, due or not, most urgent first; all of them, because the last
    /// one to close decides when the campaign is over.
    pub cohorts: Vec<CohortSnapshot>,
    /// Whether any lead is not final (READY, IN_CALL, UNRESOLVED).
    pub has_open_leads: bool,
    /// Whether it has leads at all.
    pub has_leads: bool,
}

/// A caller number.
#[derive(Debug, Clone)]
pub struct NumberSnapshot {
    /// Vendor-native id.
    pub phone_number_id: String,
    /// Most calls at once, if limited.
    pub max_concurrent_calls: Option<u32>,
    /// Live attempts from it, over all campaigns of the line.
    pub live_calls: u32,
    /// Rests until then.
    pub rests_until: Option<Timestamp>,
}

/// Leads that share the clock on which the window is read, and their urgency.
#[derive(Debug, Clone)]
pub struct CohortSnapshot {
    /// Their zone; `None`: the campaign's.
    pub zone: Option<TimeZone>,
    /// Due leads in order; loaded only when the calendar is open, then at least one if any is due.
    pub leads: Vec<LeadSnapshot>,
    /// Earliest hint of the leads that are not in `leads`.
    pub next_due_at: Option<Timestamp>,
}

/// A lead whose hint says that it is due.
#[derive(Debug, Clone)]
pub struct LeadSnapshot {
    /// The lead.
    pub lead_id: LeadId,
    /// Whom to call.
    pub phone: PhoneNumber,
    /// Its status.
    pub status: LeadStatus,
    /// The user's own earliest instant.
    pub not_before: Option<Timestamp>,
    /// Attempts that count, since the last re-queue.
    pub history: Vec<CountedAttempt>,
    /// Whether the do-not-call list has the number.
    pub suppressed: bool,
    /// Whether the tenant has a live attempt to the number.
    pub phone_in_call: bool,
}
