//! What the dialer and the store say to each other.

use std::collections::HashMap;

use domain::attempt::{Fact, Patience, StateName};
use domain::settings::CallingEntity;
use domain::{AttemptId, CampaignId, LeadId, LineId, PhoneNumber, TenantId};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::records::CallDetails;

/// Makes attempt keys: unguessable, at most 40 characters, unique. Randomness is the caller's.
pub type KeySource = Box<dyn FnMut() -> String + Send>;

/// A request to plan and reserve.
pub struct Tick {
    /// Now.
    pub now: Timestamp,
    /// Makes the keys of the attempts.
    pub keys: KeySource,
    /// Most lines to look at in one transaction.
    pub max_lines: u32,
    /// With as many calls reserved no further line is planned in this tick; the last plans may go beyond,
    /// each by what one plan holds. None: nothing is reserved, and of the test calls only
    /// those are handed out that this process has reserved itself.
    pub max_calls: u32,
}

/// What a tick reserved. Every dispatch is durable.
#[derive(Debug, Default)]
pub struct Ticked {
    /// Calls to send, in order.
    pub dispatches: Vec<Dispatch>,
    /// Earliest instant at which another tick can change something; `None`: an event will wake.
    pub next_wake_at: Option<Timestamp>,
}

/// Stands for the lead of a call that has none: a test call.
pub const NO_LEAD: LeadId = LeadId::from_raw(0);

/// A reserved call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The attempt.
    pub attempt_id: AttemptId,
    /// Its key.
    pub attempt_key: String,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// The line to send it on.
    pub line_id: LineId,
    /// Its campaign.
    pub campaign_id: CampaignId,
    /// Its lead, or [`NO_LEAD`].
    pub lead_id: LeadId,
    /// Whom to call.
    pub phone: PhoneNumber,
    /// Vendor-native caller number.
    pub phone_number_id: String,
    /// Vendor-native id of what speaks.
    pub assistant_id: String,
    /// Its kind.
    pub entity: CallingEntity,
    /// No byte leaves before.
    pub send_at: Timestamp,
    /// No byte leaves after.
    pub send_not_after: Timestamp,
    /// The line has failed: the provider is asked whether it answers at all before this call is
    /// risked on it.
    pub on_trial: bool,
}

/// What the assistant shall know of a lead.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeadPayload {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Free fields.
    pub custom_fields: Map<String, Value>,
}

/// Which attempt a fact is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptRef {
    /// By id.
    Id(AttemptId),
    /// By what a callback or list of this line says: the key first, else the vendor's id.
    Echo {
        /// The line whose callback address or account it came from.
        line_id: LineId,
        /// Echoed key.
        attempt_key: Option<String>,
        /// Vendor's id.
        provider_call_id: String,
    },
}

/// A fact with where it came from and what came with it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptFact {
    /// The attempt.
    pub attempt: AttemptRef,
    /// The fact.
    pub fact: Fact,
    /// When it happened, if the vendor said; else it is taken as now. Clamped to the past.
    pub at: Option<Timestamp>,
    /// Vendor's id of the call.
    pub provider_call_id: Option<String>,
    /// Where the vendor controls it.
    pub control_url: Option<String>,
    /// The vendor's own word for the end or refusal, for people.
    pub reason: Option<String>,
    /// What the call left behind.
    pub details: Option<CallDetails>,
    /// The transport or the vendor failed: the line rests, for single lost answers only after a
    /// few in a row.
    pub line_fault: Option<&'static str>,
}

impl AttemptFact {
    /// A fact with nothing else to say.
    pub const fn new(attempt: AttemptRef, fact: Fact) -> Self {
        Self {
            attempt,
            fact,
            at: None,
            provider_call_id: None,
            control_url: None,
            reason: None,
            details: None,
            line_fault: None,
        }
    }
}

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It changed the attempt.
    Changed {
        /// State after it.
        state: StateName,
    },
    /// It said nothing new.
    Unchanged,
    /// No attempt matches: a stray call, or one of another server.
    Unmatched,
}

/// An attempt to ask the provider about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The attempt.
    pub attempt_id: AttemptId,
    /// Its key.
    pub attempt_key: String,
    /// Its line.
    pub line_id: LineId,
    /// Where it is.
    pub state: StateName,
    /// Vendor's id, if known: then the call is read; else it is searched.
    pub provider_call_id: Option<String>,
    /// Vendor-native caller number.
    pub phone_number_id: String,
    /// Vendor-native id of what speaks.
    pub assistant_id: String,
    /// Its kind.
    pub entity: CallingEntity,
    /// When it was reserved.
    pub planned_at: Timestamp,
    /// Latest instant at which it can have been sent.
    pub send_not_after: Timestamp,
    /// Whether the line still means the account that was asked to place it; the list of another
    /// account proves no absence.
    pub same_account: bool,
}

/// How many look-ups may be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRoom {
    /// Most in all.
    pub limit: u32,
    /// Most of one line, with those that are under way.
    pub per_line: u32,
    /// What is under way, by line.
    pub under_way: HashMap<LineId, u32>,
}

impl CheckRoom {
    /// Room for so many, of whatever lines.
    pub fn of(limit: u32) -> Self {
        Self {
            limit,
            per_line: limit,
            under_way: HashMap::new(),
        }
    }

    /// How many more of the line may begin.
    pub fn left(&self, line_id: LineId) -> u32 {
        let under_way = self.under_way.get(&line_id).copied().unwrap_or_default();
        self.per_line.saturating_sub(under_way)
    }
}

/// Constants of each vendor that the reducer needs, by the vendor's spelling.
pub type PatienceOf = fn(&str) -> Patience;

/// How the disk stands that holds the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskRoom {
    /// Bytes free; `None`: the disk does not say.
    pub free_bytes: Option<u64>,
    /// Bytes that shall stay free, for what is under way and for users' commands.
    pub reserve_bytes: u64,
    /// Whether a write has failed for want of room, and no large one has succeeded since.
    pub full: bool,
    /// Why nothing new is begun, for people; `None`: there is room.
    pub held: Option<String>,
}

/// What the server shows of itself in metrics and health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Live attempts.
    pub live_calls: u64,
    /// Attempts whose fate is unknown.
    pub unresolved_calls: u64,
    /// RUNNING campaigns.
    pub running_campaigns: u64,
    /// Leads with a due hint.
    pub due_leads: u64,
}
