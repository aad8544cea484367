//! The simulated world: phones, accounts, calls, and the two logs.
//!
//! A [`World`] is a value. It reads no clock and opens no socket; time only passes when a method is
//! given a later one. Drive it like this:
//!
//! 1. [`World::handle`] for every request, with the time of its arrival.
//! 2. [`World::next_due_at`] to learn when something will happen by itself.
//! 3. [`World::due_callbacks`] at that time, delivering what it returns; [`World::callback_failed`]
//!    for those that could not be delivered.
//!
//! Invariants: time never goes back (an earlier `now` counts as the latest one); events take effect
//! at their own time, not at the time of the call that noticed them; equal inputs give equal
//! outputs.

mod account;
mod call;
mod callback;
mod control;
mod create;
mod life;
mod log;
mod read;
mod records;
mod resources;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::Method;
use jiff::Timestamp;

use self::{
    account::Account,
    call::CallBook,
    callback::Outbox,
    life::Step,
    log::Log,
    records::{MAX_REQUESTS, MAX_RINGS},
};
pub(crate) use self::{
    account::ResourceKind,
    call::{Call, CallStatus, Wants},
    control::{NDJSON, log_start},
};
pub use self::{
    callback::{BackoffPlan, Callback, CallbackTarget},
    records::{LogKind, RequestRecord, Ring},
};
use crate::{
    Options,
    dice::Dice,
    scenario::{Scenario, ScenarioError},
    time,
    vapi::errors,
    wire::{Answer, MAX_BODY_BYTES, Reply, Request},
};

/// At most this many API keys are told apart.
const MAX_ACCOUNTS: usize = 10_000;
/// At most this many numbers are remembered.
const MAX_PHONES: usize = 2_000_000;
/// Vendors that are named in the contract and not simulated yet.
const OTHER_VENDORS: [&str; 7] = [
    "retell",
    "elevenlabs",
    "bland",
    "bolna",
    "ultravox",
    "synthflow",
    "twilio",
];

/// How often a phone was asked for and called.
#[derive(Clone, Copy, Debug, Default)]
struct PhoneCounters {
    /// Create requests for it, accepted or not.
    requests: u64,
    /// Calls made, blocked ones included.
    placed: u64,
    /// Calls made that were not blocked.
    calls: u64,
}

/// The simulated world; see the module's documentation for how to drive it.
#[derive(Debug)]
pub struct World {
    initial: Options,
    options: Options,
    now: Timestamp,
    accounts: HashMap<Arc<str>, Account>,
    phones: HashMap<Arc<str>, PhoneCounters>,
    origins: HashMap<Box<str>, Arc<str>>,
    calls: CallBook,
    rings: Log<Ring>,
    requests: Log<RequestRecord>,
    agenda: BTreeMap<(Timestamp, u64), (u64, Step)>,
    next_step: u64,
    outbox: Outbox,
    live_calls: u64,
    /// How often the world was reset.
    epoch: u64,
}

/// A request to a vendor's interface on its way through the world.
pub(crate) struct Visit<'a> {
    pub(crate) request: &'a Request,
    pub(crate) account: Arc<str>,
    pub(crate) record: RequestRecord,
}

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(options: Options) -> Self {
        Self {
            initial: options.clone(),
            options,
            now: Timestamp::MIN,
            accounts: HashMap::new(),
            phones: HashMap::new(),
            origins: HashMap::new(),
            calls: CallBook::new(),
            rings: Log::new(MAX_RINGS),
            requests: Log::new(MAX_REQUESTS),
            agenda: BTreeMap::new(),
            next_step: 0,
            outbox: Outbox::default(),
            live_calls: 0,
            epoch: 0,
        }
    }

    /// Takes one request that arrived at `now` and says what becomes of it.
    pub fn handle(&mut self, now: Timestamp, request: &Request) -> Reply {
        self.advance(now);
        let mut segments = request.path.trim_matches('/').split('/');
        match segments.next() {
            Some("control") => Reply::now(self.control(request)),
            Some("") | None => Reply::now(self.about()),
            Some(vendor) => {
                let rest: Vec<&str> = segments.collect();
                self.handle_vendor(vendor, &rest, request)
            }
        }
    }

    /// When a request came: never later than now.
    fn received_at(&self, request: &Request) -> Timestamp {
        request.received_at.map_or(self.now, |at| at.min(self.now))
    }

    /// Lets time pass up to `now`, so that everything due by then has happened.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (at, (call, step)) = (entry.key().0, entry.remove());
            self.now = self.now.max(at);
            self.take_step(at, call, step);
        }
        self.now = self.now.max(now);
    }

    /// Lets time pass up to `now` and returns the callbacks due by then, in the order in which to
    /// send them.
    pub fn due_callbacks(&mut self, now: Timestamp) -> Vec<Callback> {
        self.due_callbacks_up_to(now, usize::MAX)
    }

    /// As [`World::due_callbacks`], but at most `limit` of them; the others stay due.
    pub fn due_callbacks_up_to(&mut self, now: Timestamp, limit: usize) -> Vec<Callback> {
        self.advance(now);
        let mut due = Vec::new();
        while due.len() < limit {
            let Some(callback) = self.outbox.pop_due(self.now) else {
                break;
            };
            due.push(callback);
        }
        due
    }

    /// Takes note that a callback was not answered with 2xx: `status` is what came instead, if
    /// anything. It is tried again if the call's `server.backoffPlan` says so.
    pub fn callback_failed(&mut self, now: Timestamp, callback: &Callback, status: Option<u16>) {
        self.advance(now);
        if callback.epoch == self.epoch {
            self.outbox.push_retry(self.now, callback, status);
        }
    }

    /// When the next thing happens without a request: a step of a call or a callback.
    pub fn next_due_at(&self) -> Option<Timestamp> {
        let step_at = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [step_at, self.outbox.next_due_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Calls that were accepted and have not ended, over all accounts.
    pub fn live_calls(&self) -> u64 {
        self.live_calls
    }

    /// The ring log from line `from` on, as of the latest time this world was given.
    pub fn rings(&self, from: u64) -> impl DoubleEndedIterator<Item = &Ring> {
        self.rings.iter_from(from)
    }

    /// The request log from line `from` on.
    pub fn requests(&self, from: u64) -> impl DoubleEndedIterator<Item = &RequestRecord> {
        self.requests.iter_from(from)
    }

    /// The seed in force.
    pub fn seed(&self) -> u64 {
        self.options.seed
    }

    /// The scenario in force.
    pub fn scenario(&self) -> &Scenario {
        &self.options.scenario
    }

    /// Puts another scenario in force; calls under way keep their course.
    pub fn set_scenario(&mut self, scenario: Scenario) {
        self.options.scenario = scenario;
    }

    /// Changes the scenario by a document in the form of `PUT /control/scenario`.
    pub fn change_scenario(&mut self, document: &serde_json::Value) -> Result<(), ScenarioError> {
        self.options.scenario = self.options.scenario.changed_by(document)?;
        Ok(())
    }

    /// Forgets everything that happened and returns to the options it started from, with another
    /// seed if given. The new seed also holds for later resets.
    pub fn reset(&mut self, seed: Option<u64>) {
        let (now, epoch) = (self.now, self.epoch + 1);
        if let Some(seed) = seed {
            self.initial.seed = seed;
        }
        *self = Self {
            now,
            epoch,
            ..Self::new(self.initial.clone())
        };
    }

    fn handle_vendor(&mut self, vendor: &str, rest: &[&str], request: &Request) -> Reply {
        let account: Arc<str> = Arc::from(request.bearer_key().unwrap_or(""));
        let record = RequestRecord {
            number: self.requests.next_number(),
            received_at: self.received_at(request),
            method: request.method.clone(),
            path: Box::from(clip(&request.path, 500)),
            account: (!account.is_empty()).then(|| Arc::clone(&account)),
            status: None,
            is_withheld: false,
            attempt_key: None,
            provider_call: None,
            fault: None,
        };
        let mut visit = Visit {
            request,
            account,
            record,
        };
        let reply = match vendor {
            _ if request.body.len() > MAX_BODY_BYTES => Reply::now(errors::too_large()),
            "vapi" => self.vapi(&mut visit, rest),
            other if OTHER_VENDORS.contains(&other) => Reply::now(errors::not_simulated(other)),
            _ => Reply::now(errors::no_route(&request.method, &request.path)),
        };
        visit.record.status = reply.status();
        visit.record.is_withheld = visit.record.status.is_none();
        self.requests.push(visit.record);
        reply
    }

    /// Vapi's interface below `/vapi`.
    fn vapi(&mut self, visit: &mut Visit<'_>, rest: &[&str]) -> Reply {
        let is_create = visit.request.method == Method::POST && rest == ["call"];
        // A create draws for its phone, so that its fate does not depend on requests about other
        // phones.
        if is_create {
            return self.create_call(visit);
        }
        if let Some(reply) = self.strike_down(visit, "", None) {
            return reply;
        }
        // The control address stands for itself: whoever was given it may use it.
        if let ["call", id, "control"] = rest {
            return Reply::now(self.control_call(visit, id));
        }
        if let Err(answer) = self.enter(&visit.account) {
            return Reply::now(answer);
        }
        match (visit.request.method.as_str(), rest) {
            ("GET", _) => Reply::now(self.read(visit, rest)),
            ("PATCH", ["call", id]) => Reply::now(self.rename_call(visit, id)),
            ("DELETE", ["call", id]) => Reply::now(self.delete_call(visit, id)),
            _ => Reply::now(self.change_resources(visit, rest)),
        }
    }

    /// Lets a key in and makes its account, or says why not.
    fn enter(&mut self, key: &Arc<str>) -> Result<(), Answer> {
        if key.is_empty() || key.starts_with("bad") {
            return Err(errors::unauthorized(key.is_empty()));
        }
        if !self.accounts.contains_key(key) {
            if self.accounts.len() >= MAX_ACCOUNTS {
                return Err(errors::full("accounts"));
            }
            self.accounts
                .insert(Arc::clone(key), Account::new(self.options.seed, key));
        }
        Ok(())
    }

    /// The fault `down`, drawn for `phone`'s request number `index`, or else for the account's next
    /// one.
    fn strike_down(
        &mut self,
        visit: &mut Visit<'_>,
        phone: &str,
        index: Option<u64>,
    ) -> Option<Reply> {
        let rate = self.options.scenario.faults.down;
        if rate <= 0.0 {
            return None;
        }
        let index = index.unwrap_or_else(|| self.next_draw(&visit.account));
        let key = if phone.is_empty() {
            &*visit.account
        } else {
            phone
        };
        let mut dice = Dice::new(self.options.seed, "down", key, index);
        if !dice.strikes(rate) {
            return None;
        }
        visit.record.fault = Some("down");
        Some(if dice.strikes(0.5) {
            Reply::now(errors::unavailable())
        } else {
            Reply::withheld(std::time::Duration::ZERO)
        })
    }

    fn next_draw(&mut self, account: &str) -> u64 {
        // Requests without an account share the world's request count.
        let requests = self.requests.next_number();
        self.accounts
            .get_mut(account)
            .map_or(requests, Account::next_draw)
    }

    /// `http://host` as the sender reached us, kept once however many calls share it.
    fn origin(&mut self, request: &Request) -> Arc<str> {
        const MAX_ORIGINS: usize = 1_000;
        let host = request.header(http::header::HOST).unwrap_or("localhost");
        if let Some(origin) = self.origins.get(host) {
            return Arc::clone(origin);
        }
        let origin: Arc<str> = Arc::from(format!("http://{host}"));
        if self.origins.len() < MAX_ORIGINS {
            self.origins.insert(Box::from(host), Arc::clone(&origin));
        }
        origin
    }

    /// Scenario seconds as real time.
    fn scaled(&self, seconds: f64) -> std::time::Duration {
        time::seconds(seconds / self.options.time_scale.max(1e-6))
    }
}

/// The first `limit` bytes of a text, or a little less to end at a character.
pub(crate) fn clip(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or(0);
    &text[..end]
}
