//! People who go on using the server while it dies: they pause, resume, remove, opt out, add and
//! edit over HTTP, and write down what they were told and when.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use failpoint::Transaction;
use serde_json::{Value, json};

use super::dice::Dice;
use super::doors::Doors;
use super::http::request_within;
use super::truth::{Micros, Truth};
use super::wait::{instant, pause};

/// Every day, all day.
pub(super) const ALWAYS: (&str, &str) = ("00:00", "24:00");
/// How long it is tried before something does not succeed.
const INSISTENCE: Duration = Duration::from_secs(120);

/// What a user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Pause,
    Resume,
    /// Hours that are far away only.
    Narrow,
    /// Every hour again.
    Widen,
    /// This number's lead, of this campaign.
    Remove(String),
    /// This number, in every campaign.
    OptOut(String),
    Add(Vec<String>),
    Edit,
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) campaign: usize,
    pub(super) deed: Deed,
    pub(super) asked_at: Micros,
    /// When the success was read; `None` when it was refused, or nobody answered.
    pub(super) answered_at: Option<Micros>,
}

/// Numbers that nobody has yet.
#[derive(Debug)]
pub(super) struct Numbers(AtomicU64);

impl Numbers {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(2_000_000))
    }

    pub(super) fn fresh(&self, count: usize) -> Vec<String> {
        let number = || self.0.fetch_add(1, Ordering::Relaxed);
        (0..count)
            .map(|_| format!("+1415{:07}", number()))
            .collect()
    }
}

/// How to reach the servers, and where to write down what it says.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) doors: Doors,
    /// Longer than any answer takes.
    pub(super) patience: Duration,
    pub(super) token: String,
    pub(super) truth: Truth,
    pub(super) campaigns: Vec<String>,
    /// Held while a campaign is paused, resumed, narrowed or widened: of two such orders at once nobody
    /// could say which was the last.
    pub(super) orders: Arc<Vec<Mutex<()>>>,
    /// Whether users change the schedule as well.
    pub(super) narrows: bool,
    pub(super) numbers: Arc<Numbers>,
    pub(super) record: Arc<Mutex<Vec<Told>>>,
}

impl Desk {
    /// Asks once. The answer says whether it succeeded.
    pub(super) fn ask(&self, campaign: usize, deed: Deed) -> bool {
        self.answer(campaign, deed).is_ok()
    }

    /// The same; a failure comes with what was answered, if anything was.
    fn answer(&self, campaign: usize, deed: Deed) -> Result<(), Option<(u16, String)>> {
        let is_order = matches!(
            deed,
            Deed::Pause | Deed::Resume | Deed::Narrow | Deed::Widen
        );
        let _alone = is_order.then(|| self.alone_with(campaign));
        self.answer_alone(campaign, deed)
    }

    fn answer_alone(&self, campaign: usize, deed: Deed) -> Result<(), Option<(u16, String)>> {
        let (method, path, body) = self.request_of(campaign, &deed);
        let asked_at = self.truth.at_earliest();
        let answer = self.request(method, &path, Some(&body));
        let answered_at = self.truth.at_latest();
        let succeeded = |(status, text): &(u16, String)| *status < 300 && each_succeeded(text);
        let done = answer.as_ref().is_some_and(succeeded);
        self.record.lock().unwrap().push(Told {
            campaign,
            deed,
            asked_at,
            answered_at: done.then_some(answered_at),
        });
        if done { Ok(()) } else { Err(answer) }
    }

    /// One request, at any server that is open.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, String)> {
        let door = self.doors.enter();
        let (address, token) = (door.address(), &self.token);
        request_within(self.patience, address, token, method, path, body)
    }

    /// A request that must succeed; the servers live.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.request(method, path, body);
        let (status, text) = answer.expect("the server answers");
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Until it is dropped, nobody else orders anything of the campaign.
    pub(super) fn alone_with(&self, campaign: usize) -> MutexGuard<'_, ()> {
        let order = self.orders[campaign].lock();
        order.unwrap_or_else(PoisonError::into_inner)
    }

    /// The same as [`Self::ask`] by whoever is alone with the campaign.
    pub(super) fn ask_alone(
        &self,
        _alone: &MutexGuard<'_, ()>,
        campaign: usize,
        deed: Deed,
    ) -> bool {
        self.answer_alone(campaign, deed).is_ok()
    }

    /// A desk at one server alone.
    pub(super) fn at(&self, address: &str) -> Self {
        Self {
            doors: Doors::of([address.to_owned()]),
            ..self.clone()
        }
    }

    fn request_of(&self, campaign: usize, deed: &Deed) -> (&'static str, String, Value) {
        let base = format!("/api/v2/voice-campaigns/{}", self.campaigns[campaign]);
        match deed {
            Deed::Pause => ("POST", format!("{base}/pause"), json!({})),
            Deed::Resume => ("POST", format!("{base}/resume"), json!({})),
            Deed::Narrow => ("PATCH", base, windows(&self.far_away())),
            Deed::Widen => {
                let (start, end) = ALWAYS;
                ("PATCH", base, windows(&(start.to_owned(), end.to_owned())))
            }
            Deed::Remove(phone) => (
                "DELETE",
                format!("{base}/leads/remove/bulk"),
                json!([{ "phone_number": phone }]),
            ),
            Deed::OptOut(phone) => (
                "PATCH",
                format!("{base}/leads/update/bulk"),
                json!([{ "phone_number": phone, "do_not_call": true }]),
            ),
            Deed::Add(phones) if phones.len() == 1 => {
                ("POST", format!("{base}/leads"), lead(&phones[0]))
            }
            Deed::Add(phones) => {
                let leads = phones.iter().map(|phone| lead(phone)).collect();
                ("POST", format!("{base}/leads/bulk"), Value::Array(leads))
            }
            Deed::Edit => (
                "PATCH",
                base,
                json!({ "priority": self.truth.now() % 10 + 1 }),
            ),
        }
    }

    /// An hour of the day that is half a day away.
    fn far_away(&self) -> (String, String) {
        let hour = self.truth.now().div_euclid(3_600_000_000).rem_euclid(24);
        let far = (hour + 12) % 24;
        (format!("{far:02}:00"), format!("{far:02}:59"))
    }

    /// Until it is done: the server is somewhere between two lives.
    pub(super) fn insist(&self, campaign: usize, deed: &Deed) {
        let mut last = None;
        let began = instant();
        while began.elapsed() < INSISTENCE {
            match self.answer(campaign, deed.clone()) {
                Ok(()) => return,
                Err(answer) => last = answer,
            }
            pause(100);
        }
        panic!("{deed:?} never succeeds: {last:?}");
    }

    /// How many deeds were asked for so far.
    pub(super) fn deeds(&self) -> usize {
        self.record.lock().unwrap().len()
    }

    /// The server no longer knows what was asked after so many deeds: nobody can rely on it.
    pub(super) fn forget_since(&self, deeds: usize) {
        for told in &mut self.record.lock().unwrap()[deeds..] {
            told.answered_at = None;
        }
    }

    /// Does what makes the server come to a transaction that only a user's deed brings about.
    pub(super) fn provoke(&self, transaction: Transaction, dice: &mut Dice) {
        let deeds = match transaction {
            Transaction::CampaignOrder => vec![Deed::Pause, Deed::Resume],
            Transaction::CampaignEdit => vec![Deed::Edit],
            Transaction::LeadAddition => vec![Deed::Add(self.numbers.fresh(1))],
            Transaction::ImportQueue | Transaction::ImportStep => {
                vec![Deed::Add(self.numbers.fresh(3))]
            }
            Transaction::LeadEdit => self
                .somebody(0, dice)
                .map(Deed::OptOut)
                .into_iter()
                .collect(),
            Transaction::LeadRemoval => self
                .somebody(0, dice)
                .map(Deed::Remove)
                .into_iter()
                .collect(),
            Transaction::Tick
            | Transaction::Facts
            | Transaction::Checks
            | Transaction::Recovery => Vec::new(),
        };
        for deed in deeds {
            self.ask(0, deed);
        }
    }

    /// A number that a campaign has, or had.
    pub(super) fn somebody(&self, campaign: usize, dice: &mut Dice) -> Option<String> {
        let record = self.record.lock().unwrap();
        let added: Vec<&Vec<String>> = record
            .iter()
            .filter(|told| told.campaign == campaign)
            .filter_map(|told| match &told.deed {
                Deed::Add(phones) => Some(phones),
                _ => None,
            })
            .collect();
        // The last added are those that are not called yet, most likely.
        let recent = &added[added.len().saturating_sub(4)..];
        if recent.is_empty() {
            return None;
        }
        let roll = dice.between(0, 9);
        Some(dice.pick(one_of(recent, roll)).clone())
    }
}

/// Mostly the newest list, at times an older one.
fn one_of<'a>(lists: &[&'a Vec<String>], roll: u64) -> &'a [String] {
    let back = usize::try_from(roll).unwrap_or(0) % (lists.len() * 2);
    let index = lists.len() - 1 - back.min(lists.len() - 1);
    lists[index]
}

fn windows((start, end): &(String, String)) -> Value {
    json!({ "windows": [{ "start_time": start, "end_time": end }] })
}

fn lead(phone: &str) -> Value {
    json!({ "phone_number": phone, "custom_fields": { "meant_for": phone } })
}

/// Answers about several leads are successes of the whole and tell of each.
fn each_succeeded(text: &str) -> bool {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let results = answer["results"].as_array();
    results.is_none_or(|results| results.iter().all(|result| result["success"] == true))
}

/// A user at work in a thread of its own.
pub(super) struct User {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl User {
    pub(super) fn start(desk: Desk, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            let mut dice = Dice::new(seed);
            while !stopped.load(Ordering::Relaxed) {
                act(&desk, &mut dice);
                pause(dice.between(20, 150));
            }
        };
        let thread = std::thread::Builder::new().name("user".to_owned());
        Self {
            stop,
            thread: Some(thread.spawn(work).unwrap()),
        }
    }

    /// Lets the user finish what is begun.
    pub(super) fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn act(desk: &Desk, dice: &mut Dice) {
    let last = desk.campaigns.len() as u64 - 1;
    let campaign = usize::try_from(dice.between(0, last)).unwrap();
    let somebody = desk.somebody(campaign, dice);
    match (dice.between(0, 9), somebody) {
        (0, _) if desk.narrows => {
            desk.ask(campaign, Deed::Narrow);
            pause(dice.between(10, 300));
            desk.ask(campaign, Deed::Widen);
        }
        (0..=2, _) => {
            desk.ask(campaign, Deed::Pause);
            pause(dice.between(10, 300));
            desk.ask(campaign, Deed::Resume);
        }
        (3..=4, Some(phone)) => {
            desk.ask(campaign, Deed::Remove(phone));
        }
        (5, Some(phone)) => {
            desk.ask(campaign, Deed::OptOut(phone));
        }
        (6, _) => {
            desk.ask(campaign, Deed::Edit);
        }
        (7, _) => {
            desk.ask(campaign, Deed::Add(desk.numbers.fresh(1)));
        }
        _ => {
            let many = usize::try_from(dice.between(2, 8)).unwrap();
            desk.ask(campaign, Deed::Add(desk.numbers.fresh(many)));
        }
    }
}
