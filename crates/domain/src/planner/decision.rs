//! What the planner decides.

use jiff::Timestamp;

use super::earliest;
use crate::campaign::{LeadStatus, StatusReason};
use crate::gate::Reason;
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
    /// From when on it is awake; `None`: until an event wakes it. Now, if the line's own limit
    /// or the size of the plan ended its turn: then the line's `due_at` decides.
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
    /// The line's own limit that ended the plan, if one did.
    pub limit: Option<Reason>,
    /// When to look at the line again because of its own limit or unfinished work; see
    /// [`LinePlan::due_at`].
    pub wake_at: Option<Timestamp>,
    /// New GCRA instant.
    pub next_start_at: Option<Timestamp>,
    /// New virtual time.
    pub virtual_time: i64,
}

impl LinePlan {
    /// When the line must be planned again by time, `sleeping` being the earliest `wake_at` of
    /// its RUNNING campaigns that were not in the snapshot. While the line's own limit holds,
    /// nothing that campaigns wait for can help; a limit without an instant (all calls at once in
    /// use) is lifted by an event.
    pub fn due_at(&self, sleeping: Option<Timestamp>) -> Option<Timestamp> {
        if self.limit.is_some() {
            return self.wake_at;
        }
        let campaigns = self
            .campaigns
            .iter()
            .filter_map(|campaign| campaign.wake_at);
        earliest(campaigns.chain(sleeping).chain(self.wake_at))
    }
}
