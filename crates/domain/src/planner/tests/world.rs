//! A small store in memory around the planner: it keeps hints and wake-ups exactly as the
//! planner's documentation asks of a store, carries plans out, ends calls, and checks on the way
//! that no limit is exceeded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{phone, seconds};
use crate::calendar::{Calendar, CalendarStatus};
use crate::campaign::{CampaignStatus, LeadStatus, StatusReason};
use crate::id::{CampaignId, LeadId, LineId};
use crate::outcome::Outcome;
use crate::phone::PhoneNumber;
use crate::planner::{
    self, CampaignSnapshot, CohortSnapshot, LOOKAHEAD, LeadSnapshot, LinePlan, LineSnapshot,
    NumberSnapshot, PlannedCall, SEND_DEADLINE, cohort_calendar, cohort_zone,
};
use crate::policy::{CountedAttempt, Hold};
use crate::settings::{CampaignSettings, Outbound};

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) max_concurrent_calls: u32,
    pub(super) max_calls_per_second: u32,
    pub(super) rests_until: Option<Timestamp>,
    pub(super) campaigns: Vec<Campaign>,
    pub(super) number_limits: HashMap<String, u32>,
    pub(super) number_rests: HashMap<String, Timestamp>,
    pub(super) suppressed: Vec<PhoneNumber>,
    /// How long the next call lasts and how it ends, by the count of calls so far.
    pub(super) fate: fn(usize) -> (SignedDuration, Outcome),
    /// Bounds of a snapshot.
    pub(super) max_campaigns: usize,
    pub(super) spare_leads: usize,
    /// Every call planned, in order.
    pub(super) log: Vec<PlannedCall>,
    next_start_at: Option<Timestamp>,
    virtual_time: i64,
    wake_at: Option<Timestamp>,
    live: Vec<LiveCall>,
    plans_at_now: usize,
}

pub(super) struct Campaign {
    pub(super) id: CampaignId,
    pub(super) settings: Arc<CampaignSettings>,
    pub(super) status: CampaignStatus,
    pub(super) reason: Option<StatusReason>,
    pub(super) numbers: Vec<String>,
    pub(super) circuit_open_until: Option<Timestamp>,
    pub(super) leads: Vec<Lead>,
    pub(super) wake_at: Option<Timestamp>,
    next_start_at: Option<Timestamp>,
    pass: i64,
}

#[derive(Debug)]
pub(super) struct Lead {
    pub(super) id: LeadId,
    pub(super) phone: PhoneNumber,
    pub(super) rank: u8,
    pub(super) zone: Option<TimeZone>,
    pub(super) status: LeadStatus,
    pub(super) not_before: Option<Timestamp>,
    pub(super) due_at: Option<Timestamp>,
    pub(super) history: Vec<CountedAttempt>,
}

struct LiveCall {
    campaign: usize,
    lead: usize,
    number: String,
    started_at: Timestamp,
    ends_at: Timestamp,
    outcome: Outcome,
}

impl World {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            max_concurrent_calls: 1_000,
            max_calls_per_second: 100,
            rests_until: None,
            campaigns: Vec::new(),
            number_limits: HashMap::new(),
            number_rests: HashMap::new(),
            suppressed: Vec::new(),
            fate: |_| (seconds(10), Outcome::Answered),
            max_campaigns: 64,
            spare_leads: 16,
            log: Vec::new(),
            next_start_at: None,
            virtual_time: 0,
            wake_at: Some(now),
            live: Vec::new(),
            plans_at_now: 0,
        }
    }

    /// Starts a campaign without leads.
    pub(super) fn start(&mut self, settings: CampaignSettings, numbers: &[&str]) -> usize {
        let index = self.campaigns.len();
        self.campaigns.push(Campaign {
            id: CampaignId::from_raw(i64::try_from(index).unwrap() + 1),
            settings: Arc::new(settings),
            status: CampaignStatus::Running,
            reason: None,
            numbers: numbers.iter().map(|id| (*id).to_owned()).collect(),
            circuit_open_until: None,
            leads: Vec::new(),
            wake_at: Some(self.now),
            next_start_at: None,
            pass: 0,
        });
        self.wake_at = Some(self.now);
        index
    }

    /// Adds READY leads with phones of their own.
    pub(super) fn add_leads(&mut self, campaign: usize, count: usize) {
        for _ in 0..count {
            let campaign_id = campaign * 100_000;
            let id = campaign_id + self.campaigns[campaign].leads.len();
            self.add_lead(campaign, phone(id));
        }
    }

    pub(super) fn add_lead(&mut self, campaign: usize, phone: PhoneNumber) -> &mut Lead {
        let now = self.now;
        self.wake(campaign);
        let leads = &mut self.campaigns[campaign].leads;
        let id = i64::try_from(campaign * 100_000 + leads.len()).unwrap();
        leads.push(Lead {
            id: LeadId::from_raw(id),
            phone,
            rank: 0,
            zone: None,
            status: LeadStatus::Ready,
            not_before: None,
            due_at: Some(now),
            history: Vec::new(),
        });
        leads.last_mut().unwrap()
    }

    /// What an event does.
    pub(super) fn wake(&mut self, campaign: usize) {
        let now = self.now;
        let wake = |at: Option<Timestamp>| Some(at.map_or(now, |at| at.min(now)));
        self.campaigns[campaign].wake_at = wake(self.campaigns[campaign].wake_at);
        self.wake_at = wake(self.wake_at);
    }

    pub(super) fn live_calls(&self) -> usize {
        self.live.len()
    }

    pub(super) fn calls_of(&self, campaign: usize) -> usize {
        let id = self.campaigns[campaign].id;
        self.log
            .iter()
            .filter(|call| call.campaign_id == id)
            .count()
    }

    /// The next instant at which something happens.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        let ends = self.live.iter().map(|call| call.ends_at);
        ends.chain(self.wake_at).min().map(|at| at.max(self.now))
    }

    /// When the line is planned next by time alone.
    pub(super) const fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// Lets the next thing happen, if it does so before `until`.
    pub(super) fn step(&mut self, until: Timestamp) -> bool {
        let Some(at) = self.next_at().filter(|at| *at < until) else {
            return false;
        };
        if at > self.now {
            self.plans_at_now = 0;
        }
        self.now = at;
        self.end_calls();
        if self.wake_at.is_some_and(|wake| wake <= self.now) {
            self.plan();
        }
        true
    }

    /// Runs until nothing happens any more or `until` comes.
    pub(super) fn run(&mut self, until: Timestamp) {
        while self.step(until) {}
        self.now = self.now.max(until);
    }

    /// Runs until `calls` calls were planned in all.
    pub(super) fn run_calls(&mut self, calls: usize) {
        while self.log.len() < calls {
            assert!(
                self.step(Timestamp::MAX),
                "only {} calls were planned",
                self.log.len()
            );
        }
    }

    fn plan(&mut self) {
        self.plans_at_now += 1;
        let leads: usize = self
            .campaigns
            .iter()
            .map(|campaign| campaign.leads.len())
            .sum();
        let moves = 10 + 3 * self.campaigns.len() + 3 * leads;
        assert!(self.plans_at_now <= moves, "the line spins at {}", self.now);
        let snapshot = self.snapshot(self.now, false);
        let plan = planner::plan(self.now, &snapshot);
        assert_eq!(
            plan,
            planner::plan(self.now, &snapshot),
            "not deterministic"
        );
        self.check_plan(&plan, &snapshot);
        self.carry_out(&plan);
    }

    /// What a store would read at `now`: of awake campaigns, or of all as if they were.
    pub(super) fn snapshot(&self, now: Timestamp, of_all: bool) -> LineSnapshot {
        let running = |campaign: &&Campaign| campaign.status == CampaignStatus::Running;
        let awake = |campaign: &&Campaign| of_all || campaign.wake_at.is_some_and(|at| at <= now);
        let mut awake: Vec<_> = self
            .campaigns
            .iter()
            .filter(running)
            .filter(awake)
            .collect();
        awake.sort_by_key(|campaign| (campaign.pass, campaign.id));
        let listed = if of_all {
            usize::MAX
        } else {
            self.max_campaigns
        };
        let more_campaigns = awake.len() > listed;
        let campaigns = awake.into_iter().take(listed);
        LineSnapshot {
            line_id: LineId::from_raw(1),
            max_concurrent_calls: self.max_concurrent_calls,
            max_calls_per_second: self.max_calls_per_second,
            live_calls: u32::try_from(self.live.len()).unwrap(),
            next_start_at: self.next_start_at,
            rests_until: self.rests_until,
            on_trial: false,
            dispatching_calls: 0,
            virtual_time: self.virtual_time,
            campaigns: campaigns
                .map(|campaign| self.campaign(campaign, now))
                .collect(),
            more_campaigns,
        }
    }

    fn campaign(&self, campaign: &Campaign, now: Timestamp) -> CampaignSnapshot {
        let is_own = |call: &&LiveCall| self.campaigns[call.campaign].id == campaign.id;
        let number = |id: &String| NumberSnapshot {
            phone_number_id: id.clone(),
            max_concurrent_calls: self.number_limits.get(id).copied(),
            live_calls: count(self.live.iter().filter(|call| call.number == *id)),
            rests_until: self.number_rests.get(id).copied(),
        };
        CampaignSnapshot {
            campaign_id: campaign.id,
            status: campaign.status,
            settings: Arc::clone(&campaign.settings),
            live_calls: count(self.live.iter().filter(is_own)),
            next_start_at: campaign.next_start_at,
            circuit_open_until: campaign.circuit_open_until,
            pass: campaign.pass,
            numbers: campaign.numbers.iter().map(number).collect(),
            cohorts: self.cohorts(campaign, now),
            has_open_leads: campaign.leads.iter().any(|lead| !lead.status.is_final()),
            has_leads: !campaign.leads.is_empty(),
        }
    }

    fn cohorts(&self, campaign: &Campaign, now: Timestamp) -> Vec<CohortSnapshot> {
        let Some(outbound) = &campaign.settings.outbound else {
            return Vec::new();
        };
        let mut groups: BTreeMap<(u8, String), Vec<&Lead>> = BTreeMap::new();
        for lead in campaign.leads.iter().filter(|lead| lead.due_at.is_some()) {
            let zone = lead
                .zone
                .as_ref()
                .and_then(TimeZone::iana_name)
                .unwrap_or_default();
            groups
                .entry((lead.rank, zone.to_owned()))
                .or_default()
                .push(lead);
        }
        let mut budget = 1 + usize::try_from(self.max_calls_per_second / 5).unwrap();
        let cohort = |mut leads: Vec<&Lead>| {
            leads.sort_by_key(|lead| (lead.due_at, lead.id));
            let zone = leads[0].zone.clone();
            let calendar = cohort_calendar(outbound, zone.as_ref(), now);
            let open = matches!(calendar, CalendarStatus::Open { .. });
            let limit = if open && budget > 0 {
                budget + self.spare_leads
            } else {
                0
            };
            let is_due = |lead: &&&Lead| lead.due_at.is_some_and(|at| at <= now);
            let due = leads.iter().take_while(is_due).take(limit).count();
            budget = budget.saturating_sub(due);
            CohortSnapshot {
                zone,
                leads: leads[..due].iter().map(|lead| self.lead(lead)).collect(),
                next_due_at: leads.get(due).and_then(|lead| lead.due_at),
            }
        };
        groups.into_values().map(cohort).collect()
    }

    fn lead(&self, lead: &Lead) -> LeadSnapshot {
        LeadSnapshot {
            lead_id: lead.id,
            phone: lead.phone.clone(),
            status: lead.status,
            not_before: lead.not_before,
            history: lead.history.clone(),
            suppressed: self.suppressed.contains(&lead.phone),
            phone_in_call: self
                .live
                .iter()
                .any(|call| self.phone_of(call) == &lead.phone),
        }
    }

    fn phone_of(&self, call: &LiveCall) -> &PhoneNumber {
        &self.campaigns[call.campaign].leads[call.lead].phone
    }

    fn position(&self, campaign_id: CampaignId, lead_id: LeadId) -> (usize, usize) {
        let is_it = |campaign: &Campaign| campaign.id == campaign_id;
        let campaign = self.campaigns.iter().position(is_it).unwrap();
        let leads = &self.campaigns[campaign].leads;
        (
            campaign,
            leads.iter().position(|lead| lead.id == lead_id).unwrap(),
        )
    }

    fn carry_out(&mut self, plan: &LinePlan) {
        for call in &plan.calls {
            self.place(call);
        }
        for deferral in &plan.deferrals {
            let (campaign, lead) = self.position(deferral.campaign_id, deferral.lead_id);
            let lead = &mut self.campaigns[campaign].leads[lead];
            assert!(
                deferral.due_at.is_none_or(|due| due > self.now),
                "{deferral:?}"
            );
            assert_eq!(lead.status == LeadStatus::InCall, lead.due_at.is_none());
            lead.due_at = deferral.due_at;
            lead.status = deferral.status.unwrap_or(lead.status);
            assert!(lead.due_at.is_none() || lead.status == LeadStatus::Ready);
        }
        for decided in &plan.campaigns {
            let is_it = |campaign: &&mut Campaign| campaign.id == decided.campaign_id;
            let campaign = self.campaigns.iter_mut().find(is_it).unwrap();
            campaign.wake_at = decided.wake_at;
            campaign.reason = Some(decided.reason);
            campaign.next_start_at = decided.next_start_at;
            campaign.pass = decided.pass;
            if decided.completes {
                campaign.status = CampaignStatus::Completed;
            }
        }
        self.next_start_at = plan.next_start_at;
        self.virtual_time = plan.virtual_time;
        let running = |campaign: &&Campaign| campaign.status == CampaignStatus::Running;
        let wakes = self
            .campaigns
            .iter()
            .filter(running)
            .filter_map(|campaign| campaign.wake_at);
        self.wake_at = wakes.filter(|at| *at > self.now).chain(plan.wake_at).min();
    }

    fn place(&mut self, call: &PlannedCall) {
        let (campaign, lead) = self.position(call.campaign_id, call.lead_id);
        let (length, outcome) = (self.fate)(self.log.len());
        self.check_call(call, campaign, lead);
        self.live.push(LiveCall {
            campaign,
            lead,
            number: call.phone_number_id.clone(),
            started_at: self.now,
            ends_at: call.send_at + length,
            outcome,
        });
        let lead = &mut self.campaigns[campaign].leads[lead];
        lead.status = LeadStatus::InCall;
        lead.due_at = None;
        self.log.push(call.clone());
    }

    fn end_calls(&mut self) {
        let now = self.now;
        let (over, live) = std::mem::take(&mut self.live)
            .into_iter()
            .partition(|call| call.ends_at <= now);
        self.live = live;
        let over: Vec<LiveCall> = over;
        for call in over {
            let settings = Arc::clone(&self.campaigns[call.campaign].settings);
            let policy = &settings.outbound.as_ref().unwrap().policy;
            let lead = &mut self.campaigns[call.campaign].leads[call.lead];
            lead.history.push(CountedAttempt {
                started_at: call.started_at,
                ended_at: now,
            });
            let counted = u32::try_from(lead.history.len()).unwrap();
            lead.status = policy.lead_after(call.outcome, counted);
            let gap = policy.gap_after(counted);
            lead.due_at = (lead.status == LeadStatus::Ready).then(|| now + gap);
            self.wake(call.campaign);
        }
    }

    fn outbound(&self, campaign: usize) -> &Outbound {
        self.campaigns[campaign].settings.outbound.as_ref().unwrap()
    }

    /// Checks one call against everything that is true before it is placed.
    fn check_call(&self, call: &PlannedCall, campaign: usize, lead: usize) {
        let (owner, lead) = (
            &self.campaigns[campaign],
            &self.campaigns[campaign].leads[lead],
        );
        assert_eq!(owner.status, CampaignStatus::Running);
        assert!(
            owner
                .circuit_open_until
                .is_none_or(|until| until <= self.now)
        );
        assert!(self.rests_until.is_none_or(|until| until <= self.now));
        assert_eq!((lead.status, &lead.phone), (LeadStatus::Ready, &call.phone));
        assert!(lead.not_before.is_none_or(|at| at <= self.now));
        assert!(!self.suppressed.contains(&call.phone));
        assert!(
            self.live
                .iter()
                .all(|other| self.phone_of(other) != &call.phone)
        );
        self.check_window(call, campaign, lead);
        self.check_rates(call);
        let live = |is_one: &dyn Fn(&&LiveCall) -> bool| count(self.live.iter().filter(is_one));
        assert!(live(&|_| true) < self.max_concurrent_calls);
        let most = owner.settings.max_concurrent_calls;
        assert!(most.is_none_or(|most| live(&|other| other.campaign == campaign) < most));
        assert!(owner.numbers.contains(&call.phone_number_id));
        let number = &call.phone_number_id;
        let most = self.number_limits.get(number);
        assert!(most.is_none_or(|most| live(&|other| other.number == *number) < *most));
        assert!(
            self.number_rests
                .get(number)
                .is_none_or(|until| *until <= self.now)
        );
    }

    fn check_window(&self, call: &PlannedCall, campaign: usize, lead: &Lead) {
        let outbound = self.outbound(campaign);
        let zone = cohort_zone(outbound, lead.zone.as_ref());
        assert_eq!(Some(call.zone.as_str()), zone.iana_name());
        let calendar = Calendar::new(&outbound.hours, zone);
        let closes_at = calendar.next_close(call.send_at);
        assert!(calendar.is_open(call.send_at), "{call:?}");
        assert!(call.send_at < call.send_not_after);
        assert!(call.send_not_after <= call.send_at + SEND_DEADLINE);
        assert!(
            closes_at.is_none_or(|closes| call.send_not_after <= closes),
            "{call:?}"
        );
        assert_eq!(closes_at, call.allowed_until);
        assert!(call.send_at >= self.now && call.send_at <= self.now + LOOKAHEAD);
        let holds = outbound
            .policy
            .holds(&lead.history, &outbound.zone, self.now);
        assert_eq!(holds, Vec::<Hold>::new());
    }

    /// No window of a second, or of a minute, has more starts than allowed.
    fn check_rates(&self, call: &PlannedCall) {
        let last = self.log.last().map(|last| last.send_at);
        assert!(last.is_none_or(|last| last < call.send_at), "out of order");
        let since = |period: SignedDuration| {
            let begin = call.send_at - period;
            self.log
                .iter()
                .rev()
                .take_while(move |other| other.send_at > begin)
        };
        assert!(count(since(seconds(1))) < self.max_calls_per_second);
        let is_it = |campaign: &&Campaign| campaign.id == call.campaign_id;
        let owner = self.campaigns.iter().find(is_it).unwrap();
        if let Some(most) = owner.settings.max_calls_per_minute {
            let own = since(seconds(60)).filter(|other| other.campaign_id == call.campaign_id);
            assert!(
                count(own) < most,
                "more than {most} calls of a campaign in a minute"
            );
        }
    }

    /// Checks what a plan says of campaigns.
    fn check_plan(&self, plan: &LinePlan, snapshot: &LineSnapshot) {
        assert_eq!(plan.campaigns.len(), snapshot.campaigns.len());
        assert!(plan.wake_at.is_none_or(|at| at >= self.now));
        for (decided, before) in plan.campaigns.iter().zip(&snapshot.campaigns) {
            assert_eq!(decided.campaign_id, before.campaign_id);
            assert!(decided.wake_at.is_none_or(|at| at >= self.now));
            assert!(decided.pass >= before.pass);
            let calls = |call: &&PlannedCall| call.campaign_id == decided.campaign_id;
            if decided.completes {
                assert_eq!(before.live_calls, 0);
                assert!(plan.calls.iter().find(calls).is_none());
                assert!(!before.has_open_leads || !self.opens_again(before));
            }
        }
    }

    fn opens_again(&self, campaign: &CampaignSnapshot) -> bool {
        let outbound = campaign.settings.outbound.as_ref().unwrap();
        let zones = campaign.cohorts.iter().map(|cohort| cohort.zone.as_ref());
        zones.chain([None]).any(|zone| {
            let zone = cohort_zone(outbound, zone);
            Calendar::new(&outbound.hours, zone)
                .next_open(self.now)
                .is_some()
        })
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap()
}
