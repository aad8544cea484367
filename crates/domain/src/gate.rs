//! The one gate: may this lead be called at this instant?
//!
//! The verdict names *every* reason, not the first, so that "why is nobody called?" has a whole
//! answer. The gate only ever narrows: each input can add reasons, none can remove one. It is
//! evaluated inside the transaction that reserves the call; there is no other way to a call.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::calendar::{CalendarStatus, Closed};
use crate::campaign::{CampaignStatus, LeadStatus};
use crate::policy::{AttemptPolicy, CountedAttempt, Hold};
use crate::text_enum::text_enum;

text_enum! {
    /// Why a lead may not be called.
    pub enum ReasonCode {
        /// The campaign is not RUNNING.
        CampaignNotRunning = "campaign_not_running",
        /// The start date has not come.
        BeforeStartDate = "before_start_date",
        /// The end date has passed.
        AfterEndDate = "after_end_date",
        /// The local date is blacked out.
        BlackoutDate = "blackout_date",
        /// The calling window is closed.
        OutsideWindow = "outside_window",
        /// The lead is answered, exhausted, opted out or invalid.
        LeadFinal = "lead_final",
        /// An attempt of the lead is under way or unresolved.
        LeadInCall = "lead_in_call",
        /// The number is on the do-not-call list.
        Suppressed = "suppressed",
        /// All attempts are used up.
        TotalAttempts = "cap_total_attempts",
        /// Today's attempts are used up.
        DailyAttempts = "cap_daily_attempts",
        /// The pause after the last attempt lasts.
        MinGap = "min_gap",
        /// The lead's own `not_before` has not come.
        NotBefore = "not_before",
        /// Another campaign of the tenant has a call to the same number.
        PhoneInCall = "phone_in_call",
        /// The campaign's calls at once are used up.
        CampaignConcurrency = "campaign_concurrency",
        /// The campaign's calls per minute are used up.
        CampaignRate = "campaign_rate",
        /// Calls of the campaign fail by configuration; it waits.
        CircuitOpen = "circuit_open",
        /// The line's calls at once are used up.
        LineConcurrency = "line_concurrency",
        /// The line's calls per second are used up.
        LineRate = "line_rate",
        /// The provider does not answer or refuses the account.
        LineUnavailable = "line_unavailable",
        /// No caller number is chosen, enabled or free.
        NumberUnavailable = "number_unavailable",
    }
}

/// One reason, with the instant that lifts it if time alone does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Which gate.
    pub code: ReasonCode,
    /// When it lifts; `None` when something other than time must change.
    pub until: Option<Timestamp>,
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// May be called, until the calendar closes (`None`: it does not).
    Allow {
        /// First instant at which the answer may differ.
        until: Option<Timestamp>,
    },
    /// Not now.
    Defer {
        /// No earlier than this, as far as time alone decides.
        not_before: Option<Timestamp>,
        /// Every reason.
        reasons: Vec<Reason>,
    },
    /// Not until somebody changes something; time does not help.
    Block {
        /// Every reason.
        reasons: Vec<Reason>,
    },
}

/// What the gate must know of the campaign.
#[derive(Debug, Clone, Copy)]
pub struct CampaignFacts<'a> {
    /// Its status.
    pub status: CampaignStatus,
    /// Caps and pauses.
    pub policy: &'a AttemptPolicy,
    /// Zone whose local day the daily cap follows.
    pub zone: &'a TimeZone,
    /// The calendar on the clock that counts for this lead.
    pub calendar: CalendarStatus,
}

/// What the gate must know of the lead.
#[derive(Debug, Clone, Copy)]
pub struct LeadFacts<'a> {
    /// Its status.
    pub status: LeadStatus,
    /// The user's own earliest instant.
    pub not_before: Option<Timestamp>,
    /// Attempts that count, since the last re-queue.
    pub history: &'a [CountedAttempt],
    /// Whether the tenant's do-not-call list has the number.
    pub suppressed: bool,
    /// Whether the tenant has a live attempt to the number.
    pub phone_in_call: bool,
}

/// What the gate must know of capacity; an empty value limits nothing.
#[derive(Debug, Clone, Default)]
pub struct CapacityFacts {
    /// Reasons that hold at the instant.
    pub reasons: Vec<Reason>,
}

/// Judges one lead at one instant.
pub fn judge(
    now: Timestamp,
    campaign: &CampaignFacts<'_>,
    lead: &LeadFacts<'_>,
    capacity: &CapacityFacts,
) -> Verdict {
    let mut blocks = Vec::new();
    let mut defers = capacity.reasons.clone();
    judge_campaign(campaign, &mut blocks, &mut defers);
    judge_lead(now, lead, &mut blocks, &mut defers);
    for hold in campaign.policy.holds(lead.history, campaign.zone, now) {
        match hold {
            Hold::TotalReached => blocks.push(reason(ReasonCode::TotalAttempts, None)),
            Hold::DailyReached { until } => {
                defers.push(reason(ReasonCode::DailyAttempts, Some(until)));
            }
            Hold::Gap { until } => defers.push(reason(ReasonCode::MinGap, Some(until))),
        }
    }
    if !blocks.is_empty() {
        blocks.append(&mut defers);
        return Verdict::Block { reasons: blocks };
    }
    if !defers.is_empty() {
        let not_before = defers.iter().filter_map(|reason| reason.until).max();
        return Verdict::Defer {
            not_before,
            reasons: defers,
        };
    }
    let until = match campaign.calendar {
        CalendarStatus::Open { until } => until,
        CalendarStatus::Closed { .. } => Some(now),
    };
    Verdict::Allow { until }
}

const fn reason(code: ReasonCode, until: Option<Timestamp>) -> Reason {
    Reason { code, until }
}

fn judge_campaign(
    campaign: &CampaignFacts<'_>,
    blocks: &mut Vec<Reason>,
    defers: &mut Vec<Reason>,
) {
    match campaign.status {
        CampaignStatus::Running => {}
        CampaignStatus::Draft | CampaignStatus::Paused => {
            defers.push(reason(ReasonCode::CampaignNotRunning, None));
        }
        CampaignStatus::Completed | CampaignStatus::Stopped | CampaignStatus::Archived => {
            blocks.push(reason(ReasonCode::CampaignNotRunning, None));
        }
    }
    if let CalendarStatus::Closed {
        reason: closed,
        opens_at,
    } = campaign.calendar
    {
        let code = match closed {
            Closed::BeforeStartDate => ReasonCode::BeforeStartDate,
            Closed::AfterEndDate => ReasonCode::AfterEndDate,
            Closed::BlackoutDate => ReasonCode::BlackoutDate,
            Closed::OutsideWindow => ReasonCode::OutsideWindow,
        };
        let reasons = if opens_at.is_some() { defers } else { blocks };
        reasons.push(reason(code, opens_at));
    }
}

fn judge_lead(
    now: Timestamp,
    lead: &LeadFacts<'_>,
    blocks: &mut Vec<Reason>,
    defers: &mut Vec<Reason>,
) {
    match lead.status {
        LeadStatus::Ready => {}
        LeadStatus::InCall | LeadStatus::Unresolved => {
            defers.push(reason(ReasonCode::LeadInCall, None));
        }
        LeadStatus::Answered
        | LeadStatus::Exhausted
        | LeadStatus::OptedOut
        | LeadStatus::Invalid => {
            blocks.push(reason(ReasonCode::LeadFinal, None));
        }
    }
    if crate::planted!("suppression_ignored", lead.suppressed, false) {
        blocks.push(reason(ReasonCode::Suppressed, None));
    }
    if lead.phone_in_call {
        defers.push(reason(ReasonCode::PhoneInCall, None));
    }
    let not_before = crate::planted!("not_before_ignored", lead.not_before, None);
    if let Some(not_before) = not_before.filter(|instant: &Timestamp| now < *instant) {
        defers.push(reason(ReasonCode::NotBefore, Some(not_before)));
    }
}

#[cfg(test)]
mod tests {
    use super::ReasonCode as R;
    use super::*;
    use crate::outcome::Outcome;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn policy() -> AttemptPolicy {
        AttemptPolicy {
            max_call_attempts: 2,
            max_daily_attempts: 1,
            min_gap_minutes: 3,
            retry_gaps_minutes: vec![],
            retry_outcomes: Outcome::RETRIED_BY_DEFAULT.to_vec(),
            voicemail_is_answered: false,
        }
    }

    const FREE: LeadFacts<'static> = LeadFacts {
        status: LeadStatus::Ready,
        not_before: None,
        history: &[],
        suppressed: false,
        phone_in_call: false,
    };

    fn judged(calendar: CalendarStatus, lead: &LeadFacts<'_>, capacity: &CapacityFacts) -> Verdict {
        let (policy, zone) = (policy(), TimeZone::UTC);
        let facts = CampaignFacts {
            status: CampaignStatus::Running,
            policy: &policy,
            zone: &zone,
            calendar,
        };
        judge(at(1_000_000), &facts, lead, capacity)
    }

    #[test]
    fn a_free_lead_in_an_open_window_is_allowed_until_it_closes() {
        let until = Some(at(1_000_060));
        assert_eq!(
            judged(
                CalendarStatus::Open { until },
                &FREE,
                &CapacityFacts::default()
            ),
            Verdict::Allow { until }
        );
    }

    #[test]
    fn every_reason_is_named_and_the_latest_instant_wins() {
        let history = [CountedAttempt {
            started_at: at(999_900),
            ended_at: at(999_990),
        }];
        let lead = LeadFacts {
            not_before: Some(at(1_000_001)),
            phone_in_call: true,
            history: &history,
            ..FREE
        };
        let closed = CalendarStatus::Closed {
            reason: Closed::OutsideWindow,
            opens_at: Some(at(1_000_050)),
        };
        let capacity = CapacityFacts {
            reasons: vec![Reason {
                code: ReasonCode::LineRate,
                until: Some(at(1_000_002)),
            }],
        };
        let Verdict::Defer {
            not_before,
            reasons,
        } = judged(closed, &lead, &capacity)
        else {
            panic!("not deferred")
        };
        let codes: Vec<_> = reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(
            codes,
            [
                R::LineRate,
                R::OutsideWindow,
                R::PhoneInCall,
                R::NotBefore,
                R::DailyAttempts,
                R::MinGap
            ]
        );
        assert_eq!(
            not_before,
            reasons.iter().filter_map(|reason| reason.until).max()
        );
    }

    #[test]
    fn what_time_cannot_mend_blocks() {
        let open = CalendarStatus::Open { until: None };
        let blocked = |lead: &LeadFacts<'_>| {
            matches!(
                judged(open, lead, &CapacityFacts::default()),
                Verdict::Block { .. }
            )
        };
        assert!(blocked(&LeadFacts {
            suppressed: true,
            ..FREE
        }));
        assert!(blocked(&LeadFacts {
            status: LeadStatus::Answered,
            ..FREE
        }));
        let used = [CountedAttempt {
            started_at: at(0),
            ended_at: at(1),
        }; 2];
        assert!(blocked(&LeadFacts {
            history: &used,
            ..FREE
        }));
    }
}
