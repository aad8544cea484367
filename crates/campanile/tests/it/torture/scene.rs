//! An installation with campaigns that run and users at work: what each kind of torture begins
//! with, and how it ends.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::request;
use super::installation::Installation;
use super::judge::{self, Evidence, Limits, Post, Ring};
use super::process::Launch;
use super::pulse::Pulse;
use super::report::Verdict;
use super::truth::{Micros, Truth, micros};
use super::users::{Deed, Desk, Numbers, User};
use super::wait::{met_within, pause};

/// One for each campaign, by which a call tells whose it is.
const ASSISTANTS: [&str; 2] = ["asst_abc123", "asst_xyz456"];
/// Leads that every campaign has from the beginning.
const FIRST_LEADS: usize = 60;

/// What differs from one kind to the next.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) concurrency: u32,
    pub(super) per_second: u32,
    pub(super) faults: Value,
    pub(super) launch: Launch,
    /// Whether users go on working while it is tortured.
    pub(super) users: bool,
    /// Whether the server's clock is the machine's.
    pub(super) has_true_clock: bool,
    /// `start_time` and `end_time` of every day, UTC.
    pub(super) window: (String, String),
}

impl Setting {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            concurrency: 60,
            per_second: 40,
            faults: json!({
                "create_timeout_after_accept": 0.03, "create_500_after_accept": 0.03, "create_500": 0.02,
                "create_429": 0.02, "webhook_loss": 0.1, "webhook_duplicate": 0.1,
                "webhook_before_response": 0.1, "webhook_reorder": 0.1
            }),
            launch: Launch::default(),
            users: true,
            has_true_clock: true,
            window: ("00:00".to_owned(), "24:00".to_owned()),
        }
    }
}

pub(super) struct Scene {
    pub(super) installation: Installation,
    pub(super) desk: Desk,
    pub(super) silences: Vec<(Micros, Micros, &'static str)>,
    setting: Setting,
    /// Of attempts that the database no longer has.
    deadlines: HashMap<String, Micros>,
    user: Option<User>,
    pulse: Pulse,
}

impl Scene {
    pub(super) fn start(folder: &Path, setting: Setting) -> Self {
        Self::start_on(folder, folder, setting)
    }

    /// With the database on a file system of its own.
    pub(super) fn start_on(folder: &Path, database_folder: &Path, setting: Setting) -> Self {
        let scenario = json!({
            "concurrency": 5_000, "calls_per_second": 10_000, "ring_seconds": [4, 25],
            "talk_seconds": [15, 180], "faults": setting.faults
        });
        let installation = Installation::start(folder, database_folder, &scenario, &setting.launch);
        let line = installation.line(setting.concurrency, setting.per_second);
        let campaigns: Vec<String> = ASSISTANTS
            .iter()
            .map(|assistant| create_campaign(&installation, &line, assistant, &setting.window))
            .collect();
        let desk = Desk {
            address: installation.address.clone(),
            token: installation.token.clone(),
            truth: Truth::of(installation.sandbox_address()),
            campaigns,
            numbers: Arc::new(Numbers::new()),
            record: Arc::new(Mutex::new(Vec::new())),
        };
        // Before anybody is called.
        let pulse = Pulse::start(installation.sandbox_address(), desk.truth);
        // Both have them, so that a number is wanted by two campaigns at once.
        let shared = desk.numbers.fresh(FIRST_LEADS);
        for (index, campaign) in desk.campaigns.iter().enumerate() {
            desk.insist(index, &Deed::Add(shared.clone()));
            let path = format!("/api/v2/voice-campaigns/{campaign}/start");
            installation.call("POST", &path, Some(&json!({})));
        }
        let user = setting
            .users
            .then(|| User::start(desk.clone(), setting.seed));
        Self {
            pulse,
            installation,
            desk,
            silences: Vec::new(),
            deadlines: HashMap::new(),
            setting,
            user,
        }
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
        self.installation.sandbox_log("rings").len()
    }

    /// When each of them was asked for.
    pub(super) fn calls_received_at(&self) -> Vec<Micros> {
        let rings = self.installation.sandbox_log("rings");
        rings.iter().map(|line| ring(line).received_at).collect()
    }

    /// Leads of a campaign by their state; `None` while nobody answers.
    fn counts(&self, campaign: &str) -> Option<Value> {
        let path = format!("/api/v2/voice-campaigns/{campaign}");
        let answer = request(&self.desk.address, &self.desk.token, "GET", &path, None)?;
        let answer: Value = serde_json::from_str(&answer.1).ok()?;
        Some(answer["data"]["leads"].clone())
    }

    /// The user goes home.
    pub(super) fn users_stop(&mut self) {
        if let Some(user) = self.user.take() {
            user.stop();
        }
    }

    /// Lets every campaign come to its end on a server that lives, and judges.
    pub(super) fn finish(mut self, bound: Duration) -> Verdict {
        self.users_stop();
        // Liveness is promised for when faults are over.
        self.installation.end_faults(&self.setting.faults);
        for campaign in 0..self.desk.campaigns.len() {
            self.desk.insist(campaign, &Deed::Resume);
        }
        let all_final = met_within(bound, || {
            pause(300);
            let mut campaigns = self.desk.campaigns.iter();
            campaigns.all(|campaign| {
                self.counts(campaign)
                    .is_some_and(|counts| open(&counts) == 0)
            })
        });
        let mut verdict = self.verdict();
        if !all_final {
            let left: Vec<_> = self
                .desk
                .campaigns
                .iter()
                .map(|campaign| self.counts(campaign))
                .collect();
            verdict
                .violations
                .push(format!("L1: leads are not final after {bound:?}: {left:?}"));
        }
        self.installation.server.signal("TERM");
        let ended = self
            .installation
            .server
            .ends_within(Duration::from_secs(15));
        if ended.and_then(|status| status.code()) != Some(0) {
            verdict
                .violations
                .push(format!("the last server ended with {ended:?}"));
        }
        verdict
    }

    fn verdict(&self) -> Verdict {
        // The phones first: what rings after this instant is not judged.
        let rings: Vec<Ring> = self
            .installation
            .sandbox_log("rings")
            .iter()
            .map(ring)
            .collect();
        let requests = self.installation.sandbox_log("requests");
        let database = self.database();
        let told = self.desk.record.lock().unwrap().clone();
        let must = judge::to_be_called(&told);
        let evidence = Evidence {
            posts: requests.iter().filter_map(post).collect(),
            limits: Limits {
                concurrency: usize::try_from(self.setting.concurrency).unwrap(),
                per_second: usize::try_from(self.setting.per_second).unwrap(),
                attempts: 1,
                gap: 180_000_000,
            },
            deadlines: self.all_deadlines(&database),
            silences: self.silences.clone(),
            ends: self.ends(),
            trips: self.pulse.trips(),
            told,
            rings,
        };
        let mut violations = judge::judge(&evidence);
        violations.extend(never_called(&must, &evidence.rings, &database));
        violations.extend(damages(&database, &self.installation.log()));
        let count = |sql: &str| database.query_row(sql, [], |row| row.get(0)).unwrap();
        Verdict {
            calls: evidence.rings.len(),
            requests: evidence.posts.len(),
            orders: evidence
                .told
                .iter()
                .filter(|told| told.answered_at.is_some())
                .count(),
            unknown_placed: count(
                "SELECT count(*) FROM attempts WHERE unknown_at IS NOT NULL AND state NOT IN ('ABSENT', 'PRESUMED_PLACED')",
            ),
            absent: count("SELECT count(*) FROM attempts WHERE state = 'ABSENT'"),
            presumed: count("SELECT count(*) FROM attempts WHERE state = 'PRESUMED_PLACED'"),
            violations,
        }
    }

    /// Keeps them from being lost with the database.
    pub(super) fn remember_deadlines(&mut self) {
        let all = self.all_deadlines(&self.database());
        self.deadlines = all;
    }

    fn all_deadlines(&self, database: &rusqlite::Connection) -> HashMap<String, Micros> {
        if !self.setting.has_true_clock {
            return HashMap::new();
        }
        let mut all = deadlines(database);
        // What was meant when they were sent, whatever became of the record.
        all.extend(self.deadlines.clone());
        all
    }

    /// When servers were known to be gone.
    fn ends(&self) -> Vec<Micros> {
        let ends = self.installation.ends.iter();
        ends.map(|end| self.desk.truth.at_latest_of(*end)).collect()
    }

    fn database(&self) -> rusqlite::Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database =
            rusqlite::Connection::open_with_flags(self.installation.database(), flags).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database
    }
}

fn create_campaign(
    installation: &Installation,
    line: &str,
    assistant: &str,
    (start, end): &(String, String),
) -> String {
    let campaign = json!({
        "name": "tortured", "type": "OUTBOUND", "assistant_id": assistant, "dialer_type": "SINGLE",
        "phone_number_id": "pn_abc123", "tenant_voice_provider_id": line,
        "start_date": "2020-01-01", "timezone": "UTC",
        "days_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
        "windows": [{ "start_time": start, "end_time": end }], "complete_when_done": false,
        "max_call_attempts": 1, "max_daily_attempts": 1, "min_gap_between_attempts": 3
    });
    let campaign = installation.call("POST", "/api/v2/voice-campaigns", Some(&campaign));
    campaign["data"]["campaign_id"].as_str().unwrap().to_owned()
}

fn ring(line: &Value) -> Ring {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let assistant = line["assistant_id"].as_str();
    Ring {
        key: text(&line["attempt_key"]),
        to: text(&line["to"]),
        meant_for: line["variables"]["meant_for"].as_str().map(str::to_owned),
        campaign: ASSISTANTS
            .iter()
            .position(|known| Some(*known) == assistant),
        received_at: micros(&line["received_at"]).unwrap(),
        ended_at: micros(&line["ended_at"]),
    }
}

/// A request to place a call. One that the sandbox did not read to its end has no key and rang
/// nowhere.
fn post(line: &Value) -> Option<Post> {
    let is_create = line["method"] == "POST" && line["path"] == "/vapi/call";
    is_create.then(|| Post {
        key: line["attempt_key"].as_str().unwrap_or_default().to_owned(),
        received_at: micros(&line["time"]).unwrap(),
    })
}

fn deadlines(database: &rusqlite::Connection) -> HashMap<String, Micros> {
    let sql = "SELECT attempt_key, send_not_after FROM attempts";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// People who were added, were never taken away, and whom nobody called although nobody's answer
/// was in doubt.
fn never_called(
    must: &BTreeSet<(usize, String)>,
    rings: &[Ring],
    database: &rusqlite::Connection,
) -> Vec<String> {
    let called: BTreeSet<(usize, &str)> = rings
        .iter()
        .filter_map(|ring| Some((ring.campaign?, ring.to.as_str())))
        .collect();
    let sql = "SELECT count(*) FROM attempts WHERE phone = ?1 AND counts = 1 AND state = 'PRESUMED_PLACED'";
    let mut presumed = database.prepare(sql).unwrap();
    let forgotten = must.iter().filter(|(campaign, phone)| {
        !called.contains(&(*campaign, phone.as_str()))
            && presumed
                .query_row([phone], |row| row.get::<_, i64>(0))
                .unwrap()
                == 0
    });
    forgotten
        .map(|(campaign, phone)| format!("V3: {phone} of campaign {campaign} was never called"))
        .collect()
}

/// What must never be seen in the files of an installation, whatever was done to it.
fn damages(database: &rusqlite::Connection, log: &str) -> Vec<String> {
    let mut damages = Vec::new();
    let text = |sql: &str| {
        database
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    let integrity = text("PRAGMA integrity_check");
    if integrity != "ok" {
        damages.push(format!("the database is damaged: {integrity}"));
    }
    let sql =
        "SELECT count(*) FROM attempts WHERE live = 1 AND state IN ('DISPATCHING', 'UNKNOWN')";
    let doubtful: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
    if doubtful > 0 {
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
