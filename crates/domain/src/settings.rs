//! What a user may set on a campaign.
//!
//! [`SettingsDraft`] is the raw form, field by field as requested; it is what is stored, shown and
//! patched. [`CampaignSettings`] is parsed from it and cannot be wrong: the planner sees only
//! that. Parsing reports *all* faults. A setting that nothing enforces yet is refused here with
//! the code `not_supported`, never kept and ignored.

mod draft;
mod parse;
#[cfg(test)]
mod tests;
mod values;

use jiff::tz::TimeZone;

pub use draft::{SettingsDraft, WindowDraft};
pub use values::{DateFault, ZoneFault, parse_date, parse_time, parse_zone};

use crate::calendar::{DAY_SECONDS, DailyRange, Hours, Weekdays};
use crate::id::{LineId, PoolId};
use crate::policy::AttemptPolicy;
use crate::text_enum::text_enum;

/// Longest campaign name, characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Longest vendor-native id, characters.
pub const MAX_NATIVE_ID_CHARS: usize = 200;
/// Most ranges in `windows`.
pub const MAX_WINDOWS: usize = 50;
/// Most dates in `blackout_dates`.
pub const MAX_BLACKOUT_DATES: usize = 1_000;
/// Most pauses in `retry_gaps_minutes`.
pub const MAX_RETRY_GAPS: usize = 50;
/// Most attempts per lead, in all and per day.
pub const MAX_ATTEMPTS: i64 = 100;
/// Longest pause, minutes (a year).
pub const MAX_GAP_MINUTES: i64 = 525_600;
/// Least pause between attempts, minutes: the existing API's floor.
pub const MIN_GAP_MINUTES: i64 = 3;
/// Most calls at once, and per minute, a campaign may ask for.
pub const MAX_PACING: i64 = 100_000;
/// Most entries of `metadata`, and longest key and value in characters.
pub const MAX_METADATA: (usize, usize, usize) = (50, 40, 500);
/// `priority` when none is given.
pub const DEFAULT_PRIORITY: u8 = 5;

text_enum! {
    /// Which numbers a campaign dials from.
    pub enum DialerType {
        /// One number.
        Single = "SINGLE",
        /// A pool it rotates over.
        Pool = "POOL",
    }
}

text_enum! {
    /// Which kind of the vendor's objects speaks.
    pub enum CallingEntity {
        /// A saved assistant.
        Assistant = "ASSISTANT",
        /// A saved workflow (Vapi).
        Workflow = "WORKFLOW",
        /// A saved squad (Vapi).
        Squad = "SQUAD",
    }
}

text_enum! {
    /// Whose clock the calling window is read on.
    pub enum LeadTimezone {
        /// The lead's, where it has one; else the campaign's.
        Lead = "LEAD",
        /// The campaign's.
        Campaign = "CAMPAIGN",
    }
}

/// Settings that were checked as a whole.
#[derive(Debug, Clone)]
pub struct CampaignSettings {
    /// Vendor-native id of what speaks.
    pub assistant_id: String,
    /// The line that places the calls.
    pub line_id: LineId,
    /// Kind of the object `assistant_id` names.
    pub entity: CallingEntity,
    /// Numbers to dial from; may be missing while a campaign is a draft.
    pub numbers: Numbers,
    /// When and how often; `None` only for an inbound campaign that gave none.
    pub outbound: Option<Outbound>,
    /// Most calls of the campaign at once.
    pub max_concurrent_calls: Option<u32>,
    /// Most calls of the campaign started in a minute.
    pub max_calls_per_minute: Option<u32>,
    /// Weight against other campaigns of the line, 1 to 10.
    pub priority: u8,
    /// Whether it ends by itself when every lead is final.
    pub complete_when_done: bool,
}

impl CampaignSettings {
    /// The same with hours that never close: for a call that a user asks for.
    #[must_use]
    pub fn at_any_hour(&self) -> Self {
        let mut settings = self.clone();
        if let Some(outbound) = &mut settings.outbound {
            outbound.hours = Hours {
                ranges: vec![DailyRange {
                    days: Weekdays::ALL,
                    start_second: 0,
                    end_second: DAY_SECONDS,
                }],
                ..Hours::default()
            };
        }
        settings
    }
}

/// What an outbound campaign needs to dial.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Ranges, dates, blackouts.
    pub hours: Hours,
    /// The campaign's zone.
    pub zone: TimeZone,
    /// Whose clock `hours` are read on.
    pub lead_timezone: LeadTimezone,
    /// Caps and pauses.
    pub policy: AttemptPolicy,
}

/// Numbers a campaign dials from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbers {
    /// One vendor-native number.
    Single(Option<String>),
    /// A pool.
    Pool(Option<PoolId>),
}

impl Numbers {
    /// Whether there is something to dial from.
    pub const fn is_chosen(&self) -> bool {
        matches!(self, Self::Single(Some(_)) | Self::Pool(Some(_)))
    }
}
