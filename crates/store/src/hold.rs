//! What keeps an installation from dialing, and how it finds out what it may have forgotten.
//!
//! A database that was copied back does not remember the calls made since: a server that starts on
//! it would call people again. So the back end keeps a **marker** that only moves forward, in the
//! database and beside it; while they disagree, or while the clock cannot be trusted, the
//! installation is **on hold**: nothing dials, everything else works. On hold the dialer lists each
//! line's calls over the [`Gap`]s of the database's memory and has the strange ones adopted.
//!
//! Invariants: a hold is durable before the operation that noticed it answers, and from then on no
//! reserved call can begin; only the operator, or for some reasons the end of the reason itself,
//! ends it; what ended it stays on record.

use domain::{AttemptId, CampaignId, LineId, PhoneNumber, TenantId};
use jiff::Timestamp;

use crate::dialing::AttemptFact;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// Why nothing dials.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HoldReason { $($(#[$doc])* $variant),+ }

        impl HoldReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its spelling in storage, in metrics and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The reason with this spelling.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The marker outside is ahead: calls were placed that the database does not know.
    WentBack = "database_went_back",
    /// The database has dialed, and the marker outside is gone: nobody can know.
    MarkerMissing = "marker_missing",
    /// The marker outside belongs to another installation, or is ahead of a database that never
    /// dialed.
    MarkerForeign = "marker_foreign",
    /// The marker outside cannot be read.
    MarkerUnreadable = "marker_unreadable",
    /// The marker outside cannot be written; ends by itself when it can.
    MarkerUnwritable = "marker_unwritable",
    /// A provider has a call of this installation that the database does not know.
    StrangeCalls = "strange_calls",
    /// The clock is behind what the database remembers.
    ClockBehind = "clock_behind",
    /// The clock was set while the server ran, or no provider agreed with it at the start.
    ClockStep = "clock_step",
}

impl HoldReason {
    /// Whether calls may have been forgotten, so that the providers must be asked first.
    pub const fn needs_reconciliation(self) -> bool {
        match self {
            Self::WentBack
            | Self::MarkerMissing
            | Self::MarkerForeign
            | Self::MarkerUnreadable
            | Self::StrangeCalls => true,
            Self::MarkerUnwritable | Self::ClockBehind | Self::ClockStep => false,
        }
    }

    /// Whether the clock is the reason.
    pub const fn is_about_the_clock(self) -> bool {
        matches!(self, Self::ClockBehind | Self::ClockStep)
    }
}

/// One reason why nothing dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The reason.
    pub reason: HoldReason,
    /// Since when.
    pub since: Timestamp,
    /// What was noticed, for people.
    pub detail: String,
    /// For a clock that is behind: when it will have caught up.
    pub ends_at: Option<Timestamp>,
}

/// A stretch of time of which the database may have forgotten calls: from the last thing it
/// remembers to the start of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last thing it remembers.
    pub from: Timestamp,
    /// The start of the process.
    pub until: Timestamp,
}

/// How far a line got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineProgress {
    /// Not all of its calls were seen yet.
    Pending,
    /// All of its calls in the gaps were seen.
    Done,
    /// It could not be asked; it is tried again.
    Failed,
}

impl LineProgress {
    /// Its spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// The progress with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "pending" => Some(Self::Pending),
            "done" => Some(Self::Done),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// A line whose provider is asked for calls that the database forgot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLine {
    /// The line.
    pub line_id: LineId,
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its name, for people.
    pub name: String,
    /// How far it got.
    pub progress: LineProgress,
    /// Calls of the account that were looked at.
    pub calls_seen: u64,
    /// Calls that were adopted.
    pub adopted: u64,
    /// Calls of this installation whose campaign or number is not in the database.
    pub unmatched: u64,
    /// Why it could not be asked, or what it waits for.
    pub note: Option<String>,
}

/// A call of this installation at a provider that could not be counted anywhere: its campaign or
/// its number is not in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedCall {
    /// The line whose account has it.
    pub line_id: LineId,
    /// Vendor's id of the call.
    pub provider_call_id: String,
    /// When it was found.
    pub seen_at: Timestamp,
}

/// Most unmatched calls that a [`HoldStatus`] lists; all are counted.
pub const MAX_UNMATCHED_SHOWN: usize = 100;

/// What keeps the installation from dialing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoldStatus {
    /// The reasons, oldest first; empty when nothing does.
    pub holds: Vec<Hold>,
    /// What the database may have forgotten, on hold or not.
    pub gaps: Vec<Gap>,
    /// The lines that are asked; empty unless a reason needs it.
    pub lines: Vec<HeldLine>,
    /// The newest calls that could not be counted anywhere, at most [`MAX_UNMATCHED_SHOWN`]; they
    /// stay on record after a release.
    pub unmatched: Vec<UnmatchedCall>,
    /// The marker in the database; `None`: it has never dialed.
    pub marker: Option<u64>,
    /// Holds that were ended on an operator's word so far. A process whose hold is gone tells by it
    /// whether somebody vouches for what it held for.
    pub released: u64,
}

impl HoldStatus {
    /// Whether anything keeps the installation from dialing.
    pub fn is_on_hold(&self) -> bool {
        !self.holds.is_empty()
    }

    /// Whether the providers must be asked.
    pub fn needs_reconciliation(&self) -> bool {
        self.holds
            .iter()
            .any(|hold| hold.reason.needs_reconciliation())
    }

    /// Whether they have been asked, all of them.
    pub fn is_reconciled(&self) -> bool {
        let mut lines = self.lines.iter();
        !self.needs_reconciliation() || lines.all(|line| line.progress == LineProgress::Done)
    }

    /// The hold for this reason.
    pub fn by(&self, reason: HoldReason) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.reason == reason)
    }
}

/// What became of the wish to end all holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Nothing was on hold.
    NotOnHold,
    /// Providers have not all been asked; nothing was changed.
    NotReconciled(HoldStatus),
    /// It dials again. What had been found until then.
    Released(HoldStatus),
}

/// A call at a provider that carries a key of this installation.
#[derive(Debug, Clone, PartialEq)]
pub struct StrangeCall {
    /// The line whose account has it.
    pub line_id: LineId,
    /// The key it carries.
    pub attempt_key: String,
    /// Vendor's id of the call.
    pub provider_call_id: String,
    /// The campaign it names.
    pub campaign_id: Option<CampaignId>,
    /// Whom it called.
    pub phone: Option<PhoneNumber>,
    /// Vendor-native caller number.
    pub phone_number_id: Option<String>,
    /// When the vendor made it.
    pub created_at: Option<Timestamp>,
    /// What is known of it, in order.
    pub facts: Vec<AttemptFact>,
}

/// What became of a strange call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// The database knows it.
    Known,
    /// It is on record now.
    Adopted(AttemptId),
    /// Its campaign or number is not in the database; it is on the list of strange calls.
    Unmatched,
}
