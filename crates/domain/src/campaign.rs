//! The life cycle of a campaign and why a running one does not dial.

use crate::text_enum::text_enum;

text_enum! {
    /// Direction of a campaign; fixed at creation.
    pub enum CampaignType {
        /// People call us.
        Inbound = "INBOUND",
        /// We call people.
        Outbound = "OUTBOUND",
    }
}

text_enum! {
    /// Where a campaign is in its life.
    pub enum CampaignStatus {
        /// Being prepared; nothing dials.
        Draft = "DRAFT",
        /// Dials whenever the gate allows.
        Running = "RUNNING",
        /// Held by a user; resumes where it was.
        Paused = "PAUSED",
        /// Every lead is final or the end date has passed; new leads reopen it.
        Completed = "COMPLETED",
        /// Ended by a user for good.
        Stopped = "STOPPED",
        /// Kept for its history only.
        Archived = "ARCHIVED",
    }
}

text_enum! {
    /// Why a running campaign is, or is not, dialing right now.
    pub enum StatusReason {
        /// Calls are being placed.
        Dialing = "DIALING",
        /// The start date has not come.
        BeforeStartDate = "BEFORE_START_DATE",
        /// The calendar is closed.
        OutsideWindow = "OUTSIDE_WINDOW",
        /// A limit of calls at once or per time is reached.
        AtCapacity = "AT_CAPACITY",
        /// No lead may be called now.
        NoDialableLeads = "NO_DIALABLE_LEADS",
        /// The voice provider does not answer or refuses the account.
        ProviderUnavailable = "PROVIDER_UNAVAILABLE",
        /// Calls of this campaign fail by configuration; it tries again later.
        CircuitOpen = "CIRCUIT_OPEN",
        /// Nothing new is begun: after a restore, or while the disk is nearly full.
        OnHold = "ON_HOLD",
    }
}

text_enum! {
    /// What a user may ask of a campaign.
    pub enum CampaignCommand {
        /// Begin.
        Start = "start",
        /// Hold.
        Pause = "pause",
        /// Go on.
        Resume = "resume",
        /// End for good.
        Stop = "stop",
        /// Put away.
        Archive = "archive",
    }
}

/// What a command does to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The campaign is there already; nothing happens.
    Unchanged,
    /// The campaign moves to this status.
    To(CampaignStatus),
}

/// A command that the status does not allow, with those that it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {command} a campaign that is {status}")]
pub struct IllegalCommand {
    /// Status at the time.
    pub status: CampaignStatus,
    /// What was asked.
    pub command: CampaignCommand,
    /// What could be asked instead.
    pub legal: Vec<CampaignCommand>,
}

impl CampaignStatus {
    /// The effect of `command`: a repeated command is `Unchanged`, an illegal one an error that
    /// names the legal ones.
    pub fn after(self, command: CampaignCommand) -> Result<Transition, IllegalCommand> {
        self.transition(command).ok_or_else(|| IllegalCommand {
            status: self,
            command,
            legal: CampaignCommand::ALL
                .iter()
                .copied()
                .filter(|other| matches!(self.transition(*other), Some(Transition::To(_))))
                .collect(),
        })
    }

    fn transition(self, command: CampaignCommand) -> Option<Transition> {
        use CampaignCommand as Command;
        match (self, command) {
            (Self::Draft, Command::Start) | (Self::Paused, Command::Resume) => {
                Some(Transition::To(Self::Running))
            }
            (Self::Running, Command::Pause) => Some(Transition::To(Self::Paused)),
            (Self::Running | Self::Paused | Self::Completed, Command::Stop) => {
                Some(Transition::To(Self::Stopped))
            }
            (Self::Stopped, Command::Archive) => Some(Transition::To(Self::Archived)),
            (Self::Running, Command::Start | Command::Resume)
            | (Self::Paused, Command::Pause)
            | (Self::Stopped, Command::Stop)
            | (Self::Archived, Command::Archive) => Some(Transition::Unchanged),
            _ => None,
        }
    }

    /// Whether schedule, policy, numbers and assistant are frozen.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Stopped | Self::Archived)
    }
}

text_enum! {
    /// Where a lead is.
    pub enum LeadStatus {
        /// May be called when the gate allows.
        Ready = "READY",
        /// A call is being placed or is up.
        InCall = "IN_CALL",
        /// An attempt's fate is being looked up; no further call until it is known.
        Unresolved = "UNRESOLVED",
        /// Reached.
        Answered = "ANSWERED",
        /// No attempts left, or the outcome is not one to retry.
        Exhausted = "EXHAUSTED",
        /// Asked not to be called.
        OptedOut = "OPTED_OUT",
        /// The number cannot be called.
        Invalid = "INVALID",
    }
}

impl LeadStatus {
    /// Whether nothing more will happen to the lead by itself.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Answered | Self::Exhausted | Self::OptedOut | Self::Invalid
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_either_legal_repeated_or_refused_with_the_legal_ones() {
        use CampaignCommand as C;
        use CampaignStatus as S;
        assert_eq!(S::Draft.after(C::Start), Ok(Transition::To(S::Running)));
        assert_eq!(S::Running.after(C::Start), Ok(Transition::Unchanged));
        assert_eq!(S::Paused.after(C::Resume), Ok(Transition::To(S::Running)));
        assert_eq!(S::Completed.after(C::Stop), Ok(Transition::To(S::Stopped)));
        assert_eq!(S::Draft.after(C::Pause).unwrap_err().legal, vec![C::Start]);
        assert_eq!(
            S::Paused.after(C::Start).unwrap_err().legal,
            vec![C::Resume, C::Stop]
        );
        assert_eq!(S::Draft.after(C::Stop).unwrap_err().legal, vec![C::Start]);
        assert_eq!(S::Archived.after(C::Stop).unwrap_err().legal, vec![]);
    }
}
