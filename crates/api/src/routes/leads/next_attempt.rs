//! When a lead may be called next, as far as it can be told without the gate: the hint of the
//! store, moved to where the campaign's calendar is open.

use domain::calendar::{CalendarStatus, Closed};
use domain::campaign::{CampaignStatus, LeadStatus};
use domain::gate::ReasonCode;
use domain::planner::cohort_calendar;
use domain::settings::{Outbound, parse_zone};
use jiff::Timestamp;
use store::{CampaignRecord, LeadRecord};

/// Nothing but the dialer's turn is waited for.
const DUE: &str = "due";

/// The next attempt and what it waits for; both `None` for a lead that is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct NextAttempt {
    pub(super) at: Option<Timestamp>,
    pub(super) reason: Option<&'static str>,
}

impl NextAttempt {
    const fn never(reason: ReasonCode) -> Self {
        Self {
            at: None,
            reason: Some(reason.as_str()),
        }
    }

    /// Tells it as of `now`.
    pub(super) fn of(lead: &LeadRecord, campaign: &CampaignRecord, now: Timestamp) -> Self {
        match lead.status {
            LeadStatus::InCall | LeadStatus::Unresolved => {
                return Self::never(ReasonCode::LeadInCall);
            }
            status if status.is_final() => return Self::default(),
            _ => {}
        }
        match campaign.status {
            // A waiting lead reopens a completed campaign, if its calendar opens again.
            CampaignStatus::Running | CampaignStatus::Completed => {}
            CampaignStatus::Draft
            | CampaignStatus::Paused
            | CampaignStatus::Stopped
            | CampaignStatus::Archived => {
                return Self::never(ReasonCode::CampaignNotRunning);
            }
        }
        let Some(outbound) = &campaign.settings.outbound else {
            return Self::default();
        };
        waiting(lead, outbound, now)
    }
}

fn waiting(lead: &LeadRecord, outbound: &Outbound, now: Timestamp) -> NextAttempt {
    let not_before = lead.fields.not_before.filter(|at| *at > now);
    let due_at = lead.due_at.filter(|at| *at > now);
    let from = not_before.max(due_at).unwrap_or(now);
    let zone = lead
        .fields
        .timezone
        .as_deref()
        .and_then(|name| parse_zone(name).ok());
    match cohort_calendar(outbound, zone.as_ref(), from) {
        CalendarStatus::Open { .. } => NextAttempt {
            at: Some(from),
            reason: Some(wait(lead, outbound, not_before, due_at)),
        },
        CalendarStatus::Closed { reason, opens_at } => NextAttempt {
            at: opens_at,
            reason: Some(closed(reason).as_str()),
        },
    }
}

/// What holds the lead until its hint, the calendar aside.
fn wait(
    lead: &LeadRecord,
    outbound: &Outbound,
    not_before: Option<Timestamp>,
    due_at: Option<Timestamp>,
) -> &'static str {
    if not_before.is_some() && not_before >= due_at {
        return ReasonCode::NotBefore.as_str();
    }
    if due_at.is_none() {
        return DUE;
    }
    if lead.attempts_today >= outbound.policy.max_daily_attempts {
        return ReasonCode::DailyAttempts.as_str();
    }
    if lead.attempts > 0 {
        ReasonCode::MinGap.as_str()
    } else {
        DUE
    }
}

const fn closed(reason: Closed) -> ReasonCode {
    match reason {
        Closed::BeforeStartDate => ReasonCode::BeforeStartDate,
        Closed::AfterEndDate => ReasonCode::AfterEndDate,
        Closed::BlackoutDate => ReasonCode::BlackoutDate,
        Closed::OutsideWindow => ReasonCode::OutsideWindow,
    }
}
