//! One campaign while its line is being planned.

use jiff::{SignedDuration, Timestamp};

use super::decision::CampaignPlan;
use super::snapshot::{CampaignSnapshot, CohortSnapshot, LeadSnapshot};
use super::turns::stride;
use super::{LOOKAHEAD, after, before_start, cohort_calendar, earliest, pace, spacing};
use crate::calendar::{CalendarStatus, Closed};
use crate::campaign::{CampaignStatus, StatusReason};
use crate::gate::{Reason, ReasonCode};
use crate::settings::LeadTimezone;

pub(super) struct CampaignWork<'a> {
    pub(super) campaign: &'a CampaignSnapshot,
    /// The calendar on the clock of each cohort.
    pub(super) calendars: Vec<CalendarStatus>,
    /// The calendar on the campaign's own clock.
    own_calendar: CalendarStatus,
    /// Position of the next lead: cohort, lead.
    cohort: usize,
    lead: usize,
    pub(super) pass: i64,
    live_calls: u32,
    pub(super) next_start_at: Option<Timestamp>,
    /// Why it stopped, if not for want of leads.
    pub(super) limit: Option<Reason>,
    /// No listed lead is left.
    drained: bool,
    placed: bool,
    /// A lead became final by this plan.
    pub(super) lead_ended: bool,
    /// Earliest new hint.
    hinted_at: Option<Timestamp>,
}

impl<'a> CampaignWork<'a> {
    pub(super) fn new(now: Timestamp, virtual_time: i64, campaign: &'a CampaignSnapshot) -> Self {
        let outbound = campaign.settings.outbound.as_ref();
        let never = CalendarStatus::Closed {
            reason: Closed::OutsideWindow,
            opens_at: None,
        };
        let own_calendar = outbound.map_or(never, |outbound| cohort_calendar(outbound, None, now));
        let calendar = |cohort: &CohortSnapshot| match (outbound, &cohort.zone) {
            (Some(outbound), Some(zone)) if outbound.lead_timezone == LeadTimezone::Lead => {
                cohort_calendar(outbound, Some(zone), now)
            }
            _ => own_calendar,
        };
        let rate = campaign.settings.max_calls_per_minute;
        Self {
            campaign,
            calendars: campaign.cohorts.iter().map(calendar).collect(),
            own_calendar,
            cohort: 0,
            lead: 0,
            pass: campaign.pass.max(virtual_time),
            live_calls: campaign.live_calls,
            next_start_at: rate
                .and_then(|rate| pace(campaign.next_start_at, campaign_spacing(rate), now)),
            limit: None,
            drained: false,
            placed: false,
            lead_ended: false,
            hinted_at: None,
        }
    }

    /// Whether nothing more can come of it in this plan.
    pub(super) const fn is_done(&self) -> bool {
        self.limit.is_some() || self.drained
    }

    pub(super) fn own_limit(&self, now: Timestamp) -> Option<Reason> {
        if self.campaign.status != CampaignStatus::Running {
            return Some(Reason {
                code: ReasonCode::CampaignNotRunning,
                until: None,
            });
        }
        let circuit = self.campaign.circuit_open_until;
        if let Some(until) = circuit.filter(|until| *until > now) {
            return Some(Reason {
                code: ReasonCode::CircuitOpen,
                until: Some(until),
            });
        }
        let most = self.campaign.settings.max_concurrent_calls;
        let most = crate::planted!("campaign_limit_ignored", most, None);
        if most.is_some_and(|most: u32| self.live_calls >= most) {
            return Some(Reason {
                code: ReasonCode::CampaignConcurrency,
                until: None,
            });
        }
        let until = self
            .next_start_at
            .filter(|at| *at > after(now, LOOKAHEAD))?;
        Some(Reason {
            code: ReasonCode::CampaignRate,
            until: Some(until),
        })
    }

    /// The next lead of a cohort that is still open at `send_at`, with its cohort.
    pub(super) fn next_lead(&mut self, send_at: Timestamp) -> Option<(usize, &'a LeadSnapshot)> {
        while let Some(cohort) = self.campaign.cohorts.get(self.cohort) {
            let open = is_open_at(self.calendars[self.cohort], send_at);
            if let Some(lead) = cohort.leads.get(self.lead).filter(|_| open) {
                return Some((self.cohort, lead));
            }
            self.cohort += 1;
            self.lead = 0;
        }
        self.drained = true;
        None
    }

    /// Passes over the lead that [`Self::next_lead`] gave.
    pub(super) const fn take_lead(&mut self) {
        self.lead += 1;
    }

    pub(super) fn record_call(&mut self, send_at: Timestamp) {
        let settings = &self.campaign.settings;
        self.placed = true;
        self.live_calls += 1;
        self.pass += stride(settings);
        let rate = settings.max_calls_per_minute;
        let rate = crate::planted!("minute_pace_ignored", rate, None);
        self.next_start_at = rate.map(|rate| after(send_at, campaign_spacing(rate)));
    }

    /// Notes the new hint of a lead that may not be called yet.
    pub(super) fn hinted(&mut self, due_at: Option<Timestamp>) {
        self.hinted_at = earliest(self.hinted_at.into_iter().chain(due_at));
    }

    /// `send_at` is when its next call could leave, `line_limit` what holds the line back.
    pub(super) fn finish(
        &self,
        now: Timestamp,
        send_at: Timestamp,
        line_limit: Option<ReasonCode>,
    ) -> CampaignPlan {
        let completes = self.completes();
        let wake_at = if completes || self.campaign.status != CampaignStatus::Running {
            None
        } else if self.is_done() {
            earliest(
                self.next_calendar_change()
                    .into_iter()
                    .chain(self.resumes_at(now, send_at)),
            )
        } else {
            Some(now)
        };
        CampaignPlan {
            campaign_id: self.campaign.campaign_id,
            wake_at,
            reason: self.reason(line_limit),
            next_start_at: self.next_start_at,
            pass: self.pass,
            completes,
        }
    }

    /// It is done when its calendar never opens again, on any clock, or when every lead is final.
    /// Leads of other zones can be ahead of or behind the campaign's clock: all must be over.
    fn completes(&self) -> bool {
        let campaign = self.campaign;
        if campaign.status != CampaignStatus::Running || self.placed || self.live_calls > 0 {
            return false;
        }
        let all_final = campaign.has_leads && !campaign.has_open_leads;
        let never_opens = campaign.settings.outbound.is_some()
            && self
                .clocks()
                .all(|clock| matches!(clock, CalendarStatus::Closed { opens_at: None, .. }));
        never_opens || (all_final && campaign.settings.complete_when_done)
    }

    /// Every clock of the campaign: its own first, then those of its cohorts.
    fn clocks(&self) -> impl Iterator<Item = CalendarStatus> {
        std::iter::once(self.own_calendar).chain(self.calendars.iter().copied())
    }

    /// When any clock opens or closes next: the status follows, and the end date is noticed.
    fn next_calendar_change(&self) -> Option<Timestamp> {
        if crate::planted!("opening_slept_through", false, true) {
            return None;
        }
        earliest(self.clocks().filter_map(|clock| match clock {
            CalendarStatus::Open { until } => until,
            CalendarStatus::Closed { opens_at, .. } => opens_at,
        }))
    }

    /// When what stopped it is over, the clocks aside.
    fn resumes_at(&self, now: Timestamp, send_at: Timestamp) -> Option<Timestamp> {
        match self.limit {
            Some(Reason {
                code: ReasonCode::CampaignRate,
                until,
            }) => until.map(before_start),
            Some(limit) => limit.until,
            // It may have been the last open lead.
            None if self.lead_ended => Some(now),
            None => {
                let cohorts = self.campaign.cohorts.iter().zip(&self.calendars);
                let open = cohorts.filter(|(_, calendar)| is_open_at(**calendar, send_at));
                let hints = open.filter_map(|(cohort, _)| cohort.next_due_at);
                earliest(hints.chain(self.hinted_at).map(|due| due.max(now)))
            }
        }
    }

    fn reason(&self, line_limit: Option<ReasonCode>) -> StatusReason {
        let dials = self.placed || !self.is_done();
        if line_limit == Some(ReasonCode::LineUnavailable) && dials && self.closed().is_none() {
            return StatusReason::ProviderUnavailable;
        }
        if self.placed {
            return StatusReason::Dialing;
        }
        match self.limit.map(|limit| limit.code) {
            Some(ReasonCode::CircuitOpen) => return StatusReason::CircuitOpen,
            Some(_) => return StatusReason::AtCapacity,
            None => {}
        }
        match self.closed() {
            Some(Closed::BeforeStartDate) => StatusReason::BeforeStartDate,
            Some(_) => StatusReason::OutsideWindow,
            None if !self.is_done() => StatusReason::AtCapacity,
            None if self.live_calls > 0 => StatusReason::Dialing,
            None => StatusReason::NoDialableLeads,
        }
    }

    /// Why no lead's clock is open; the campaign's own clock speaks first.
    fn closed(&self) -> Option<Closed> {
        let why = |clock| match clock {
            CalendarStatus::Closed { reason, .. } => Some(reason),
            CalendarStatus::Open { .. } => None,
        };
        let cohorts: Vec<_> = self
            .calendars
            .iter()
            .copied()
            .map(why)
            .collect::<Option<_>>()?;
        why(self.own_calendar).or(cohorts.first().copied())
    }
}

fn campaign_spacing(rate: u32) -> SignedDuration {
    spacing(rate, SignedDuration::from_mins(1))
}

/// Whether a calendar that was read a moment before is still open at `at`.
fn is_open_at(calendar: CalendarStatus, at: Timestamp) -> bool {
    matches!(calendar, CalendarStatus::Open { until } if until.is_none_or(|until| at < until))
}
