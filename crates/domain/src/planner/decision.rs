//! What the planner decides.

use jiff::Timestamp;

use crate::campaign::{LeadStatus, StatusReason};
use crate::id::{CampaignId, LeadId, LineId};
use crate::phone::PhoneNumber;

/// A call to place, fully decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCall {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The lead.
    pub lead_id: LeadId,
    /// Whom to call.
    pub phone: PhoneNumber,
    /// Vendor-native caller number.
    pub phone_number_id: String,
    /// No byte leaves before.
    pub send_at: Timestamp,
    /// No byte leaves after.
    pub send_not_after: Timestamp,
    /// Until when the calendar allows it.
    pub allowed_until: Option<Timestamp>,
    /// Zone on whose clock the window was read.
    pub zone: String,
    /// The line has failed: the provider is asked whether it answers at all before this call is
    /// risked on it.
    pub on_trial: bool,
}

/// A lead whose hint was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferral {
    /// The lead.
    pub lead_id: LeadId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// New hint; `None`: not due at all until something changes.
    pub due_at: Option<Timestamp>,
    /// Status that the caps make of it.
    pub status: Option<LeadStatus>,
}

/// What becomes of a campaign of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignPlan {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// From when on it is awake; `None`: until an event wakes it. Now, if it was not finished
    /// with: then the line's `wake_at` decides.
    pub wake_at: Option<Timestamp>,
    /// Why it does or does not dial.
    pub reason: StatusReason,
    /// New GCRA instant.
    pub next_start_at: Option<Timestamp>,
    /// New virtual time.
    pub pass: i64,
    /// It is done.
    pub completes: bool,
}

/// The decision for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinePlan {
    /// The line.
    pub line_id: LineId,
    /// Calls, in the order in which they shall leave.
    pub calls: Vec<PlannedCall>,
    /// Hints to correct.
    pub deferrals: Vec<Deferral>,
    /// Campaigns of the snapshot.
    pub campaigns: Vec<CampaignPlan>,
    /// When to look at the line again because of its own limit or unfinished work, besides the
    /// `wake_at` of campaigns that sleep beyond now.
    pub wake_at: Option<Timestamp>,
    /// New GCRA instant.
    pub next_start_at: Option<Timestamp>,
    /// New virtual time.
    pub virtual_time: i64,
}
