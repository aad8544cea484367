//! Where an attempt can be.

use jiff::Timestamp;

use crate::outcome::Outcome;
use crate::text_enum::text_enum;

text_enum! {
    /// Name of an attempt's state, as stored and shown.
    pub enum StateName {
        /// Reserved; the request may be on its way.
        Dispatching = "DISPATCHING",
        /// Nobody knows yet whether the provider has the call.
        Unknown = "UNKNOWN",
        /// The provider has the call.
        Placed = "PLACED",
        /// It rings.
        Ringing = "RINGING",
        /// Somebody or something picked up.
        InProgress = "IN_PROGRESS",
        /// Over, with an outcome.
        Ended = "ENDED",
        /// The provider refused it; nothing rang.
        Rejected = "REJECTED",
        /// It never left; nothing rang.
        Released = "RELEASED",
        /// The provider never had it; nothing rang.
        Absent = "ABSENT",
    }
}

impl StateName {
    /// Whether the attempt holds a slot, its lead and its phone number.
    pub const fn is_live(self) -> bool {
        matches!(
            self,
            Self::Dispatching | Self::Unknown | Self::Placed | Self::Ringing | Self::InProgress
        )
    }

    pub(super) const fn is_at_provider(self) -> bool {
        matches!(self, Self::Placed | Self::Ringing | Self::InProgress)
    }

    /// Whether attempts in this state count in caps: everything that may have rung. An attempt
    /// that ended by a fault does not; see [`AttemptState::counts`].
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Rejected | Self::Released | Self::Absent)
    }

    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Dispatching => 0,
            Self::Unknown => 1,
            Self::Placed => 2,
            Self::Ringing => 3,
            Self::InProgress => 4,
            Self::Ended | Self::Rejected | Self::Released | Self::Absent => 5,
        }
    }
}

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptState {
    /// Reserved; the request may be on its way until `send_not_after`.
    Dispatching {
        /// No byte leaves after this instant.
        send_not_after: Timestamp,
    },
    /// Being looked up.
    Unknown {
        /// Latest instant at which the request can have left.
        sent_by: Timestamp,
        /// Look-ups made so far.
        probes: u32,
        /// First complete look-up after the settling time that did not find the call.
        absent_at: Option<Timestamp>,
    },
    /// At the provider.
    Placed,
    /// Ringing.
    Ringing,
    /// Connected.
    InProgress,
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
        /// Whether it counts in caps.
        counts: bool,
    },
    /// Refused.
    Rejected,
    /// Never sent.
    Released,
    /// Never at the provider.
    Absent,
}

impl AttemptState {
    /// Its name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Dispatching { .. } => StateName::Dispatching,
            Self::Unknown { .. } => StateName::Unknown,
            Self::Placed => StateName::Placed,
            Self::Ringing => StateName::Ringing,
            Self::InProgress => StateName::InProgress,
            Self::Ended { .. } => StateName::Ended,
            Self::Rejected => StateName::Rejected,
            Self::Released => StateName::Released,
            Self::Absent => StateName::Absent,
        }
    }

    /// Whether it counts in caps.
    pub const fn counts(&self) -> bool {
        match self {
            Self::Ended { counts, .. } => *counts,
            Self::Dispatching { .. }
            | Self::Unknown { .. }
            | Self::Placed
            | Self::Ringing
            | Self::InProgress => true,
            Self::Rejected | Self::Released | Self::Absent => false,
        }
    }
}
