//! The moments and their names.

/// A transaction of the writer that has something to do with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// Planning and reserving.
    Tick,
    /// What became of calls: answers, callbacks, look-ups.
    Facts,
    /// Claiming look-ups.
    Checks,
    /// The first one of a process.
    Recovery,
    /// Start, pause, resume, stop, archive.
    CampaignOrder,
    /// New settings of a campaign.
    CampaignEdit,
    /// One lead more.
    LeadAddition,
    /// A bulk of leads, queued.
    ImportQueue,
    /// A part of such a bulk, added.
    ImportStep,
    /// Changes of leads, opt-outs among them.
    LeadEdit,
    /// Leads taken away.
    LeadRemoval,
}

impl Transaction {
    const ALL: [Self; 11] = [
        Self::Tick,
        Self::Facts,
        Self::Checks,
        Self::Recovery,
        Self::CampaignOrder,
        Self::CampaignEdit,
        Self::LeadAddition,
        Self::ImportQueue,
        Self::ImportStep,
        Self::LeadEdit,
        Self::LeadRemoval,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Facts => "facts",
            Self::Checks => "checks",
            Self::Recovery => "recovery",
            Self::CampaignOrder => "campaign_order",
            Self::CampaignEdit => "campaign_edit",
            Self::LeadAddition => "lead_addition",
            Self::ImportQueue => "import_queue",
            Self::ImportStep => "import_step",
            Self::LeadEdit => "lead_edit",
            Self::LeadRemoval => "lead_removal",
        }
    }
}

/// A moment in the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failpoint {
    /// Everything of the transaction was done, nothing of it is durable.
    BeforeCommit(Transaction),
    /// It is durable, and nobody was told.
    AfterCommit(Transaction),
    /// Calls were reserved, none is prepared.
    CallsReserved,
    /// A call's moment has come, and the send board was not asked yet.
    CallDue,
    /// The board permitted it; no byte has left.
    CallPermitted,
    /// A part of the request has left.
    CallHalfSent,
    /// The provider's answer is read and not recorded.
    CallAnswered,
    /// A look-up's answer is read and not recorded.
    CallLookedUp,
    /// A callback proved itself, and nothing of it is applied.
    CallbackVerified,
    /// It is applied and not answered.
    CallbackApplied,
    /// An order to a campaign is durable and settled, and not answered.
    OrderSettled,
    /// Removals of leads are durable and settled, and not answered.
    RemovalSettled,
    /// A move to another database is begun on both sides, and nothing is moved.
    MoveBegun,
    /// A page was read at the source of a move, and not written.
    MovePageRead,
    /// It is written at the target.
    MovePageWritten,
    /// Everything is at the target and counted; the source is not marked as moved.
    MoveCounted,
    /// The source is, and the target's end of the move is not told.
    MoveMarked,
    /// Both are, and nobody was told.
    MoveEnded,
}

impl Failpoint {
    const SINGLE: [Self; 10] = [
        Self::CallsReserved,
        Self::CallDue,
        Self::CallPermitted,
        Self::CallHalfSent,
        Self::CallAnswered,
        Self::CallLookedUp,
        Self::CallbackVerified,
        Self::CallbackApplied,
        Self::OrderSettled,
        Self::RemovalSettled,
    ];

    /// Moments of a move to another database.
    pub const OF_A_MOVE: [Self; 6] = [
        Self::MoveBegun,
        Self::MovePageRead,
        Self::MovePageWritten,
        Self::MoveCounted,
        Self::MoveMarked,
        Self::MoveEnded,
    ];

    /// Every moment in the life of a server.
    pub fn all() -> Vec<Self> {
        let around = |transaction| {
            [
                Self::BeforeCommit(transaction),
                Self::AfterCommit(transaction),
            ]
        };
        let commits = Transaction::ALL.into_iter().flat_map(around);
        commits.chain(Self::SINGLE).collect()
    }

    /// Its name, as it is armed.
    pub fn name(self) -> String {
        match self {
            Self::BeforeCommit(transaction) => format!("before_commit.{}", transaction.name()),
            Self::AfterCommit(transaction) => format!("after_commit.{}", transaction.name()),
            Self::CallsReserved => "call.reserved".to_owned(),
            Self::CallDue => "call.due".to_owned(),
            Self::CallPermitted => "call.permitted".to_owned(),
            Self::CallHalfSent => "call.half_sent".to_owned(),
            Self::CallAnswered => "call.answered".to_owned(),
            Self::CallLookedUp => "call.looked_up".to_owned(),
            Self::CallbackVerified => "callback.verified".to_owned(),
            Self::CallbackApplied => "callback.applied".to_owned(),
            Self::OrderSettled => "order.settled".to_owned(),
            Self::RemovalSettled => "removal.settled".to_owned(),
            Self::MoveBegun => "move.begun".to_owned(),
            Self::MovePageRead => "move.page_read".to_owned(),
            Self::MovePageWritten => "move.page_written".to_owned(),
            Self::MoveCounted => "move.counted".to_owned(),
            Self::MoveMarked => "move.marked".to_owned(),
            Self::MoveEnded => "move.ended".to_owned(),
        }
    }

    /// The moment with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .chain(Self::OF_A_MOVE)
            .find(|failpoint| failpoint.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_moment_has_a_name_of_its_own_by_which_it_is_found() {
        let mut all = Failpoint::all();
        all.extend(Failpoint::OF_A_MOVE);
        let names: BTreeSet<String> = all.iter().map(|failpoint| failpoint.name()).collect();
        assert_eq!(names.len(), all.len());
        for failpoint in all {
            assert_eq!(Failpoint::find(&failpoint.name()), Some(failpoint));
        }
        assert_eq!(Failpoint::find("call"), None);
    }
}
