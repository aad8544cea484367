//! What every scene has, whatever serves it: the phones, campaigns that run, users at work, and the
//! evidence for the judge.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::doors::Doors;
use super::judge::{self, Evidence, Limits, Ring};
use super::process::Launch;
use super::pulse::Pulse;
use super::records::Records;
use super::report::Verdict;
use super::truth::{Micros, Truth};
use super::users::{ALWAYS, Deed, Desk, Numbers, User};
use super::wait::{met_within, pause};
use super::world::{ASSISTANTS, World};

/// Leads that every campaign has from the beginning.
const FIRST_LEADS: usize = 60;
/// Numbers of the pool, where there is one.
const NUMBERS: usize = 4;

/// What differs from one kind to the next.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) concurrency: u32,
    pub(super) per_second: u32,
    /// `max_concurrent_calls` and `max_calls_per_minute` of each campaign.
    pub(super) of_campaign: [Option<u32>; ASSISTANTS.len()],
    pub(super) per_minute: [Option<u32>; ASSISTANTS.len()],
    /// `max_concurrent_calls` of each number of a pool; `None`: one number, without a pool.
    pub(super) of_number: Option<u32>,
    pub(super) faults: Value,
    /// How much faster than real time the phones ring and talk.
    pub(super) phones_scale: u32,
    pub(super) launch: Launch,
    /// How many users work while it is tortured.
    pub(super) users: u64,
    /// Whether they change the schedule as well.
    pub(super) narrows: bool,
    /// Longer than any answer takes.
    pub(super) patience: Duration,
    /// Whether the server's clock is the machine's.
    pub(super) has_true_clock: bool,
    /// `start_time` and `end_time` of every day, UTC.
    pub(super) window: (String, String),
}

impl Setting {
    pub(super) fn new(seed: u64) -> Self {
        let (start, end) = ALWAYS;
        Self {
            seed,
            concurrency: 60,
            per_second: 40,
            of_campaign: [None; 2],
            per_minute: [None; 2],
            of_number: None,
            faults: json!({
                "create_timeout_after_accept": 0.03, "create_500_after_accept": 0.03, "create_500": 0.02,
                "create_429": 0.02, "webhook_loss": 0.1, "webhook_duplicate": 0.1,
                "webhook_before_response": 0.1, "webhook_reorder": 0.1
            }),
            phones_scale: 60,
            launch: Launch::default(),
            users: 1,
            narrows: false,
            patience: Duration::from_secs(30),
            has_true_clock: true,
            window: (start.to_owned(), end.to_owned()),
        }
    }

    fn limits(&self) -> Limits {
        let number = |limit: u32| usize::try_from(limit).unwrap();
        let each = |limits: &[Option<u32>]| limits.iter().map(|limit| limit.map(number)).collect();
        Limits {
            concurrency: number(self.concurrency),
            per_second: number(self.per_second),
            attempts: 1,
            gap: 180_000_000,
            of_campaign: each(&self.of_campaign),
            per_minute: each(&self.per_minute),
            of_number: self.of_number.map(number),
        }
    }
}

pub(super) struct Stage {
    // Before the phones, which they ask.
    users: Vec<User>,
    pulse: Pulse,
    pub(super) desk: Desk,
    pub(super) silences: Vec<(Micros, Micros, &'static str)>,
    world: World,
    setting: Setting,
    /// Of attempts that the database no longer has.
    deadlines: HashMap<String, Micros>,
}

impl Stage {
    /// Campaigns that run on the servers behind these doors, on a line of this world.
    pub(super) fn set(world: World, doors: Doors, token: &str, setting: Setting) -> Self {
        let mut desk = Desk {
            doors,
            patience: setting.patience,
            token: token.to_owned(),
            truth: Truth::of(world.address()),
            campaigns: Vec::new(),
            orders: Arc::new(ASSISTANTS.iter().map(|_| Mutex::new(())).collect()),
            narrows: setting.narrows,
            numbers: Arc::new(Numbers::new()),
            record: Arc::new(Mutex::new(Vec::new())),
        };
        let line = create_line(&desk, &world, &setting);
        let from = callers(&desk, &line, &setting);
        desk.campaigns = (0..ASSISTANTS.len())
            .map(|index| create_campaign(&desk, &line, &from, index, &setting))
            .collect();
        // Before anybody is called.
        let pulse = Pulse::start(world.address(), desk.truth);
        // Both have them, so that a number is wanted by two campaigns at once.
        let shared = desk.numbers.fresh(FIRST_LEADS);
        for (index, campaign) in desk.campaigns.iter().enumerate() {
            desk.insist(index, &Deed::Add(shared.clone()));
            let path = format!("/api/v2/voice-campaigns/{campaign}/start");
            desk.call("POST", &path, Some(&json!({})));
        }
        let mut stage = Self {
            desk,
            silences: Vec::new(),
            world,
            setting,
            deadlines: HashMap::new(),
            users: Vec::new(),
            pulse,
        };
        stage.users_start();
        stage
    }

    /// Adds as many as nobody waits for any more; for tests that must always find somebody to call.
    pub(super) fn keep_busy(&self, least: u64) {
        for (index, campaign) in self.desk.campaigns.iter().enumerate() {
            if self
                .counts(campaign)
                .is_some_and(|counts| number(&counts["READY"]) < least)
            {
                let fresh = self.desk.numbers.fresh(usize::try_from(least).unwrap());
                self.desk.ask(index, Deed::Add(fresh));
            }
        }
    }

    /// Calls so far, by the sandbox.
    pub(super) fn rings(&self) -> usize {
        self.world.rings().len()
    }

    /// When each of them was asked for.
    pub(super) fn calls_received_at(&self) -> Vec<Micros> {
        let rings = self.world.rings();
        rings.iter().map(|ring| ring.received_at).collect()
    }

    /// Leads of a campaign by their state; `None` while nobody answers.
    fn counts(&self, campaign: &str) -> Option<Value> {
        let path = format!("/api/v2/voice-campaigns/{campaign}");
        let answer = self.desk.request("GET", &path, None)?;
        let answer: Value = serde_json::from_str(&answer.1).ok()?;
        Some(answer["data"]["leads"].clone())
    }

    /// Users begin to work, or go on.
    pub(super) fn users_start(&mut self) {
        let (seed, users) = (self.setting.seed, self.setting.users);
        let seeds = (0..users).map(|user| seed + (user << 32));
        self.users = seeds
            .map(|seed| User::start(self.desk.clone(), seed))
            .collect();
    }

    /// The users go home.
    pub(super) fn users_stop(&mut self) {
        for user in self.users.drain(..) {
            user.stop();
        }
    }

    /// Lets every campaign come to its end on servers that live; what is left, if that takes longer.
    pub(super) fn come_to_the_end(&mut self, bound: Duration) -> Option<String> {
        self.users_stop();
        // Liveness is promised for when faults are over.
        self.world.end_faults(&self.setting.faults);
        for campaign in 0..self.desk.campaigns.len() {
            self.desk.insist(campaign, &Deed::Resume);
            if self.setting.narrows {
                self.desk.insist(campaign, &Deed::Widen);
            }
        }
        let all_final = met_within(bound, || {
            pause(300);
            let mut campaigns = self.desk.campaigns.iter();
            campaigns.all(|campaign| {
                self.counts(campaign)
                    .is_some_and(|counts| open(&counts) == 0)
            })
        });
        (!all_final).then(|| {
            let campaigns = self.desk.campaigns.iter();
            let left: Vec<_> = campaigns.map(|campaign| self.counts(campaign)).collect();
            format!("L1: leads are not final after {bound:?}: {left:?}")
        })
    }

    /// `records` is read when the phones were: what rings after that is not judged. `ends` is when
    /// servers were known to be gone; `log` everything that they complained of.
    pub(super) fn verdict(
        &self,
        records: impl FnOnce() -> Records,
        ends: &[Instant],
        log: &str,
    ) -> Verdict {
        let (rings, posts) = (self.world.rings(), self.world.posts());
        let records = records();
        let told = self.desk.record.lock().unwrap().clone();
        let must = judge::to_be_called(&told);
        let evidence = Evidence {
            posts,
            limits: self.setting.limits(),
            deadlines: self.all_deadlines(&records),
            silences: self.silences.clone(),
            ends: ends
                .iter()
                .map(|end| self.desk.truth.at_latest_of(*end))
                .collect(),
            trips: self.pulse.trips(),
            told,
            rings,
        };
        let mut violations = judge::judge(&evidence);
        violations.extend(never_called(&must, &evidence.rings, &records));
        violations.extend(damages(&records, log));
        let answered = |told: &&super::users::Told| told.answered_at.is_some();
        Verdict {
            calls: evidence.rings.len(),
            requests: evidence.posts.len(),
            orders: evidence.told.iter().filter(answered).count(),
            unknown_placed: records.unknown_placed,
            absent: records.absent,
            presumed: records.presumed_attempts,
            reached: judge::reached(&evidence),
            violations,
        }
    }

    /// Keeps them from being lost with the database.
    pub(super) fn remember_deadlines(&mut self, records: &Records) {
        let all = self.all_deadlines(records);
        self.deadlines = all;
    }

    fn all_deadlines(&self, records: &Records) -> HashMap<String, Micros> {
        if !self.setting.has_true_clock {
            return HashMap::new();
        }
        let mut all = records.deadlines.clone();
        // What was meant when they were sent, whatever became of the record.
        all.extend(self.deadlines.clone());
        all
    }
}

/// A line of the sandbox; its id.
fn create_line(desk: &Desk, world: &World, setting: &Setting) -> String {
    let line = json!({
        "provider": "SANDBOX", "name": "tortured", "base_url": format!("http://{}/vapi", world.address()),
        "max_concurrent_calls": setting.concurrency, "max_calls_per_second": setting.per_second
    });
    let line = desk.call("POST", "/api/v2/voice-providers", Some(&line));
    let id = &line["data"]["tenant_voice_provider_id"];
    id.as_str().unwrap().to_owned()
}

/// Which numbers the campaigns call from: what of their settings says so.
fn callers(desk: &Desk, line: &str, setting: &Setting) -> Value {
    let Some(most) = setting.of_number else {
        return json!({ "dialer_type": "SINGLE", "phone_number_id": "pn_abc123" });
    };
    let number = |number| json!({ "phone_number_id": format!("pn_{number:03}"), "max_concurrent_calls": most });
    let numbers: Vec<Value> = (1..=NUMBERS).map(number).collect();
    let pool =
        json!({ "name": "tortured", "tenant_voice_provider_id": line, "phone_numbers": numbers });
    let pool = desk.call("POST", "/api/v2/phone-number-pools", Some(&pool));
    json!({ "dialer_type": "POOL", "phone_number_pool_id": pool["data"]["phone_number_pool_id"] })
}

fn create_campaign(
    desk: &Desk,
    line: &str,
    from: &Value,
    index: usize,
    setting: &Setting,
) -> String {
    let (start, end) = &setting.window;
    let mut campaign = json!({
        "name": "tortured", "type": "OUTBOUND", "assistant_id": ASSISTANTS[index],
        "tenant_voice_provider_id": line,
        "start_date": "2020-01-01", "timezone": "UTC",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
        "windows": [{ "start_time": start, "end_time": end }], "complete_when_done": false,
        "max_concurrent_calls": setting.of_campaign[index],
        "max_calls_per_minute": setting.per_minute[index],
        "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
    });
    for (name, value) in from.as_object().unwrap() {
        campaign[name] = value.clone();
    }
    let campaign = desk.call("POST", "/api/v2/voice-campaigns", Some(&campaign));
    campaign["data"]["campaign_id"].as_str().unwrap().to_owned()
}

/// People who were added, were never taken away, and whom nobody called although nobody's answer
/// was in doubt.
fn never_called(
    must: &BTreeSet<(usize, String)>,
    rings: &[Ring],
    records: &Records,
) -> Vec<String> {
    let called: BTreeSet<(usize, &str)> = rings
        .iter()
        .filter_map(|ring| Some((ring.campaign?, ring.to.as_str())))
        .collect();
    let forgotten = must.iter().filter(|(campaign, phone)| {
        !called.contains(&(*campaign, phone.as_str())) && !records.presumed.contains(phone)
    });
    forgotten
        .map(|(campaign, phone)| format!("V3: {phone} of campaign {campaign} was never called"))
        .collect()
}

/// What must never be seen in an installation, whatever was done to it.
fn damages(records: &Records, log: &str) -> Vec<String> {
    let mut damages = Vec::new();
    if records.integrity != "ok" {
        damages.push(format!("the database is damaged: {}", records.integrity));
    }
    if records.doubtful > 0 {
        let doubtful = records.doubtful;
        damages.push(format!("A3: {doubtful} attempts still hold their places"));
    }
    let panics = log.lines().filter(|line| line.contains("panic"));
    damages.extend(panics.map(|line| format!("panic: {line}")));
    damages
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn open(counts: &Value) -> u64 {
    let states = ["READY", "IN_CALL", "UNRESOLVED"];
    states.iter().map(|status| number(&counts[*status])).sum()
}
