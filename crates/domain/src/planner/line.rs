//! Planning one line: whose turn it is, from which number, within which limits.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::decision::{Deferral, LinePlan, PlannedCall};
use super::snapshot::{CampaignSnapshot, LeadSnapshot, LineSnapshot};
use super::work::CampaignWork;
use super::{
    LOOKAHEAD, MAX_CALLS_PER_PLAN, RECHECK, SEND_DEADLINE, after, before_start, cohort_zone,
    earliest, pace, spacing,
};
use crate::campaign::LeadStatus;
use crate::gate::{self, CampaignFacts, CapacityFacts, LeadFacts, Reason, ReasonCode, Verdict};
use crate::phone::PhoneNumber;

pub(super) struct LinePlanner<'a> {
    now: Timestamp,
    snapshot: &'a LineSnapshot,
    works: Vec<CampaignWork<'a>>,
    live_calls: u32,
    next_start_at: Timestamp,
    virtual_time: i64,
    /// Campaigns that are not listed are at least as far ahead as this; serving a listed one that
    /// is further ahead would take their share.
    furthest_pass: i64,
    number_calls: HashMap<&'a str, u32>,
    phones: HashSet<&'a PhoneNumber>,
    calls: Vec<PlannedCall>,
    deferrals: Vec<Deferral>,
    limit: Option<Reason>,
}

impl<'a> LinePlanner<'a> {
    pub(super) fn new(now: Timestamp, snapshot: &'a LineSnapshot) -> Self {
        let work = |campaign: &'a CampaignSnapshot| {
            CampaignWork::new(now, snapshot.virtual_time, campaign)
        };
        let works: Vec<_> = snapshot.campaigns.iter().map(work).collect();
        let last_listed = works.iter().map(|work| work.pass).max().unwrap_or(i64::MAX);
        Self {
            now,
            snapshot,
            works,
            live_calls: snapshot.live_calls,
            next_start_at: pace(snapshot.next_start_at, line_spacing(snapshot), now).unwrap_or(now),
            virtual_time: snapshot.virtual_time,
            furthest_pass: if snapshot.more_campaigns {
                last_listed
            } else {
                i64::MAX
            },
            number_calls: HashMap::new(),
            phones: HashSet::new(),
            calls: Vec::new(),
            deferrals: Vec::new(),
            limit: None,
        }
    }

    /// Serves one campaign after the other until the line, the plan or every campaign is full.
    pub(super) fn plan(mut self) -> LinePlan {
        self.limit = self.line_limit();
        while self.limit.is_none() && self.calls.len() < MAX_CALLS_PER_PLAN {
            let Some(index) = self.next_in_turn() else {
                break;
            };
            self.serve(index);
            self.limit = self.line_limit();
        }
        self.finish()
    }

    fn line_limit(&self) -> Option<Reason> {
        if let Some(until) = self.snapshot.rests_until.filter(|until| *until > self.now) {
            return Some(Reason {
                code: ReasonCode::LineUnavailable,
                until: Some(until),
            });
        }
        if self.snapshot.on_trial && !self.may_be_tried() {
            return Some(Reason {
                code: ReasonCode::LineUnavailable,
                until: Some(after(self.now, RECHECK)),
            });
        }
        let most = self.snapshot.max_concurrent_calls;
        if self.live_calls >= crate::planted!("line_limit_off_by_one", most, most + 1) {
            return Some(Reason {
                code: ReasonCode::LineConcurrency,
                until: None,
            });
        }
        (self.next_start_at > after(self.now, LOOKAHEAD)).then_some(Reason {
            code: ReasonCode::LineRate,
            until: Some(self.next_start_at),
        })
    }

    /// Whether a line on trial can take its one call: none is under way, and there is a slot.
    fn may_be_tried(&self) -> bool {
        self.snapshot.dispatching_calls == 0
            && self.calls.is_empty()
            && self.live_calls < self.snapshot.max_concurrent_calls
    }

    /// Of the campaigns that can take the line's next start (or else start soonest after it), the
    /// one furthest behind.
    fn next_in_turn(&self) -> Option<usize> {
        let open = self
            .works
            .iter()
            .enumerate()
            .filter(|(_, work)| !work.is_done());
        let (index, work) =
            open.min_by_key(|(index, work)| (self.send_at(work), work.pass, *index))?;
        (work.pass <= self.furthest_pass).then_some(index)
    }

    fn send_at(&self, work: &CampaignWork<'_>) -> Timestamp {
        work.next_start_at
            .map_or(self.next_start_at, |at| at.max(self.next_start_at))
    }

    /// Places the next call of the campaign, or notes why it has none left for now.
    fn serve(&mut self, index: usize) {
        let send_at = self.send_at(&self.works[index]);
        loop {
            if let Some(limit) = self.works[index].own_limit(self.now) {
                self.works[index].limit = Some(limit);
                return;
            }
            let Some((cohort, lead)) = self.works[index].next_lead(send_at) else {
                return;
            };
            let Some(number) = self.choose_number(index) else {
                let until = self.number_free_at(index);
                self.works[index].limit = Some(Reason {
                    code: ReasonCode::NumberUnavailable,
                    until,
                });
                return;
            };
            self.works[index].take_lead();
            match self.judge(index, cohort, lead) {
                Verdict::Allow { until } => {
                    self.place(index, cohort, lead, number, send_at, until);
                    return;
                }
                Verdict::Defer {
                    not_before,
                    reasons,
                } => {
                    self.defer(index, lead, not_before, &reasons);
                }
                Verdict::Block { reasons } => self.block(index, lead, &reasons),
            }
        }
    }

    /// The first number, in the pool's order, that is rested and has a slot. Numbers used in this
    /// plan go to the back.
    fn choose_number(&self, index: usize) -> Option<&'a str> {
        let numbers = &self.works[index].campaign.numbers;
        let used = |id: &str| self.number_calls.get(id).copied().unwrap_or_default();
        let free = numbers.iter().filter(|number| {
            let live_calls = number
                .live_calls
                .saturating_add(used(&number.phone_number_id));
            number.rests_until.is_none_or(|until| until <= self.now)
                && crate::planted!("number_limit_ignored", number.max_concurrent_calls, None)
                    .is_none_or(|most| live_calls < most)
        });
        let chosen = free.min_by_key(|number| used(&number.phone_number_id));
        chosen.map(|number| number.phone_number_id.as_str())
    }

    /// When a number may be free again: a resting one at the end of its rest, a busy one any time.
    fn number_free_at(&self, index: usize) -> Option<Timestamp> {
        let numbers = self.works[index].campaign.numbers.iter();
        let resting = numbers.map(|number| number.rests_until.filter(|until| *until > self.now));
        earliest(resting.map(|until| until.unwrap_or_else(|| after(self.now, RECHECK))))
    }

    fn judge(&self, index: usize, cohort: usize, lead: &LeadSnapshot) -> Verdict {
        let work = &self.works[index];
        let Some(outbound) = &work.campaign.settings.outbound else {
            let reason = Reason {
                code: ReasonCode::CampaignNotRunning,
                until: None,
            };
            return Verdict::Defer {
                not_before: None,
                reasons: vec![reason],
            };
        };
        let facts = CampaignFacts {
            status: work.campaign.status,
            policy: &outbound.policy,
            // The daily cap follows the campaign's local date, whoever's clock the window is on.
            zone: &outbound.zone,
            calendar: work.calendars[cohort],
        };
        let lead = LeadFacts {
            status: lead.status,
            not_before: lead.not_before,
            history: &lead.history,
            suppressed: lead.suppressed,
            phone_in_call: lead.phone_in_call || self.phones.contains(&lead.phone),
        };
        gate::judge(self.now, &facts, &lead, &CapacityFacts::default())
    }

    fn place(
        &mut self,
        index: usize,
        cohort: usize,
        lead: &'a LeadSnapshot,
        number: &'a str,
        send_at: Timestamp,
        until: Option<Timestamp>,
    ) {
        let work = &mut self.works[index];
        let zone = work.campaign.settings.outbound.as_ref().map(|outbound| {
            let zone = cohort_zone(outbound, work.campaign.cohorts[cohort].zone.as_ref());
            zone.iana_name().unwrap_or("UTC").to_owned()
        });
        let deadline = after(send_at, SEND_DEADLINE);
        self.calls.push(PlannedCall {
            campaign_id: work.campaign.campaign_id,
            lead_id: lead.lead_id,
            phone: lead.phone.clone(),
            phone_number_id: number.to_owned(),
            send_at,
            send_not_after: crate::planted!("deadline_after_closing", until, None)
                .map_or(deadline, |until| until.min(deadline)),
            allowed_until: until,
            zone: zone.unwrap_or_default(),
            on_trial: self.snapshot.on_trial,
        });
        self.virtual_time = self.virtual_time.max(work.pass);
        work.record_call(send_at);
        self.live_calls += 1;
        let spacing = line_spacing(self.snapshot);
        let spacing = crate::planted!("line_rate_ignored", spacing, SignedDuration::ZERO);
        self.next_start_at = after(send_at, spacing);
        self.phones.insert(&lead.phone);
        *self.number_calls.entry(number).or_default() += 1;
    }

    fn defer(
        &mut self,
        index: usize,
        lead: &LeadSnapshot,
        not_before: Option<Timestamp>,
        reasons: &[Reason],
    ) {
        let in_call = reasons
            .iter()
            .any(|reason| reason.code == ReasonCode::LeadInCall);
        // A lead in a call is woken by the end of that call. A phone in another lead's call is
        // not: its end concerns that other lead.
        let due_at = (!in_call).then(|| not_before.unwrap_or_else(|| after(self.now, RECHECK)));
        self.works[index].hinted(due_at);
        self.push_deferral(index, lead, due_at, None);
    }

    fn block(&mut self, index: usize, lead: &LeadSnapshot, reasons: &[Reason]) {
        let has = |code| reasons.iter().any(|reason| reason.code == code);
        let status = if has(ReasonCode::Suppressed) {
            Some(LeadStatus::OptedOut)
        } else if has(ReasonCode::TotalAttempts) {
            Some(LeadStatus::Exhausted)
        } else {
            None
        };
        let status = status.filter(|_| lead.status == LeadStatus::Ready);
        self.works[index].lead_ended |= status.is_some();
        self.push_deferral(index, lead, None, status);
    }

    fn push_deferral(
        &mut self,
        index: usize,
        lead: &LeadSnapshot,
        due_at: Option<Timestamp>,
        status: Option<LeadStatus>,
    ) {
        let campaign_id = self.works[index].campaign.campaign_id;
        self.deferrals.push(Deferral {
            lead_id: lead.lead_id,
            campaign_id,
            due_at,
            status,
        });
    }

    fn finish(self) -> LinePlan {
        // Whatever else holds a line on trial back: nobody knows yet whether it works again.
        let line_code = if self.snapshot.on_trial {
            Some(ReasonCode::LineUnavailable)
        } else {
            self.limit.map(|limit| limit.code)
        };
        let works = self.works.iter();
        let campaigns: Vec<_> = works
            .map(|work| work.finish(self.now, self.send_at(work), line_code))
            .collect();
        let awake = campaigns
            .iter()
            .filter_map(|campaign| campaign.wake_at)
            .any(|at| at <= self.now);
        let wake_at = match self.limit {
            Some(Reason {
                code: ReasonCode::LineRate,
                until,
            }) => until.map(before_start),
            Some(Reason { until, .. }) => until,
            None => (awake || self.snapshot.more_campaigns).then_some(self.now),
        };
        LinePlan {
            line_id: self.snapshot.line_id,
            calls: self.calls,
            deferrals: self.deferrals,
            campaigns,
            wake_at,
            next_start_at: Some(self.next_start_at),
            virtual_time: self.virtual_time,
        }
    }
}

fn line_spacing(line: &LineSnapshot) -> SignedDuration {
    spacing(line.max_calls_per_second, SignedDuration::from_secs(1))
}
