//! Everything that can keep an operation from being done.

use domain::campaign::{CampaignStatus, IllegalCommand};

/// Answer of an operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why an operation was not done. Nothing of it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such object of this tenant.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The object's state does not allow it.
    #[error("{0}")]
    Conflict(Conflict),
    /// The object changed since the caller read it.
    #[error("the object is at revision {current}")]
    Stale {
        /// Revision now.
        current: i64,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    /// The database cannot take it now: full, locked, shutting down. Trying again may help.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost while the operation was committed: it was done, or it was not.
    #[error(
        "the connection to the database was lost while this was committed, so it may have been done or not: {0}"
    )]
    CommitUnknown(String),
    /// The disk is full. It can take it when there is room again.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// Nothing new is promised (no call, no bulk addition) while the disk is nearly full, or by a
    /// process whose clock is wrong.
    #[error("nothing new is begun: {0}")]
    Held(String),
    /// A row that our own code cannot have written, or a statement that failed. A bug or damage.
    #[error("the database is inconsistent: {0}")]
    Corrupt(String),
}

/// Conflicts of state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The life cycle does not allow the command.
    #[error(transparent)]
    IllegalCommand(#[from] IllegalCommand),
    /// These settings are frozen in this status.
    #[error("these settings cannot change while the campaign is {status}: {}", fields.join(", "))]
    Frozen {
        /// Status of the campaign.
        status: CampaignStatus,
        /// Settings that cannot change.
        fields: Vec<&'static str>,
    },
    /// The campaign is not in a status in which it may be deleted.
    #[error("only a DRAFT or ARCHIVED campaign can be deleted; this one is {0}")]
    NotDeletable(CampaignStatus),
    /// The campaign takes no leads any more.
    #[error("a campaign that is {0} takes no leads")]
    TakesNoLeads(CampaignStatus),
    /// Campaigns or pools still use the object.
    #[error("{0} still in use: change or delete what uses it first")]
    InUse(&'static str),
    /// An object with this name or number exists.
    #[error("{0}")]
    Duplicate(&'static str),
    /// The object would grow beyond its limit.
    #[error("{0}")]
    TooLarge(&'static str),
    /// The campaign or the number takes no test call now; why.
    #[error("{0}")]
    TakesNoTestCall(&'static str),
    /// The line, the campaign or the caller numbers have no slot for a test call now.
    #[error("nothing is free to place the call now; try again in a few seconds")]
    AtCapacity,
    /// The installation is on hold: nothing dials.
    #[error(
        "the installation is on hold and places no calls; its operator sees why with `campanile hold status`"
    )]
    OnHold,
    /// The number is on the tenant's do-not-call list, and the change says that it is not.
    #[error(
        "the number is on the do-not-call list of all campaigns: leave `do_not_call` out to change the rest; an opt-out is lifted only by a PATCH of the lead itself with `?lift_opt_out=true` and the scope `admin`"
    )]
    OptedOut,
    /// The call is over.
    #[error("the call is over")]
    CallOver,
    /// The call is not over, but cannot be hung up; why.
    #[error("{0}")]
    CannotHangUp(&'static str),
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl StoreError {
    /// Whether the same operation may succeed later without anybody changing it. One whose fate is unknown
    /// may have been done already: only what does no harm twice is repeated by itself.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::CommitUnknown(_) | Self::Full(_) | Self::Held(_) => true,
            Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Stale { .. }
            | Self::IdempotencyMismatch
            | Self::Corrupt(_) => false,
        }
    }
}
