//! The event loop: virtual time jumps from event to event.
//!
//! Each event holds at most one commit of the process, so a death between two events is a death
//! before or after every commit. Events of the process carry its life: those of a dead one are
//! dropped, as its memory was.

mod actions;
mod callbacks;
mod copies;
mod dial;
mod disturbances;
mod hold;
mod process;
mod read_out;
mod set_up;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dialer::{Moment, Ready};
use domain::TenantId;
use domain::ambient::Clock;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sandbox::World;
use store::{AttemptFact, Caller, Check, Dispatch, PoolContent, SendPermit, Store};

use crate::ambient::{SeededEntropy, VirtualClock};
use crate::history::{History, Violation};
use crate::judge;
use crate::plan::{ClockChange, Options, Plan, PlannedAction, When, later};
use crate::transport::SimulatedTransport;
use process::Process;

/// Events of one run, so that a loop that spins is found and not waited for.
const MAX_EVENTS: u64 = 600_000;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Seed that repeats it.
    pub seed: u64,
    /// Broken promises; empty when all held.
    pub violations: Vec<Violation>,
    /// Calls that the world accepted.
    pub rings: usize,
    /// Virtual days times campaigns.
    pub campaign_days: f64,
    /// How often each rare state was reached.
    pub reached: BTreeMap<&'static str, u64>,
    /// Hash of everything that happened: equal for equal seeds.
    pub trace: u64,
    /// Users' actions that were drawn, before cuts.
    pub actions: usize,
    /// Campaigns that were drawn.
    pub campaigns: usize,
}

enum Event {
    Tick,
    Prepare(Vec<Dispatch>, Moment),
    Pace(Box<Ready>),
    Send(Box<Ready>),
    Record(Vec<AttemptFact>, Option<SendPermit>),
    LookUp(Check),
    ScanChecks,
    Import,
    Erase,
    Hold,
    Callbacks,
    Act(PlannedAction),
    Clock(ClockChange),
    Freeze(SignedDuration),
    Outage(Option<Timestamp>),
    BackUp,
    PutBack,
    Restart,
    Quiet,
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Prepare(..) => "prepare",
            Self::Pace(_) => "pace",
            Self::Send(_) => "send",
            Self::Record(..) => "record",
            Self::LookUp(_) => "look-up",
            Self::ScanChecks => "scan",
            Self::Import => "import",
            Self::Erase => "erase",
            Self::Hold => "hold",
            Self::Callbacks => "callbacks",
            Self::Act(_) => "act",
            Self::Clock(_) => "clock",
            Self::Freeze(_) => "freeze",
            Self::Outage(_) => "outage",
            Self::BackUp => "back-up",
            Self::PutBack => "put-back",
            Self::Restart => "restart",
            Self::Quiet => "quiet",
        }
    }

    /// Whether it lives in the memory of the process.
    const fn is_of_process(&self) -> bool {
        matches!(
            self,
            Self::Tick
                | Self::Prepare(..)
                | Self::Pace(_)
                | Self::Send(_)
                | Self::Record(..)
                | Self::LookUp(_)
                | Self::ScanChecks
                | Self::Import
                | Self::Erase
                | Self::Hold
        )
    }

    /// Whether the process has a part in it, so that it waits while the process stands still.
    const fn needs_process(&self) -> bool {
        self.is_of_process() || matches!(self, Self::Act(_) | Self::Callbacks)
    }
}

/// Is the process there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Up,
    /// Told to stop: it finishes what it began.
    Stopping,
    Down,
}

pub(crate) struct Simulator {
    plan: Plan,
    rng: SmallRng,
    clock: Arc<VirtualClock>,
    world: Arc<Mutex<World>>,
    transport: Arc<SimulatedTransport>,
    entropy: Arc<SeededEntropy>,
    path: PathBuf,
    process: Process,
    presence: Presence,
    queue: BTreeMap<(Timestamp, u64), (u64, Event)>,
    sequence: u64,
    /// Counts processes: events of a dead one are dropped.
    life: u64,
    tenants: Vec<TenantId>,
    lines: Vec<set_up::MadeLine>,
    pools: Vec<(domain::PoolId, PoolContent)>,
    tokens: Vec<(domain::TokenId, bool)>,
    imports: Vec<(usize, domain::ImportId)>,
    /// Sources and copies, while leads may still have to be copied.
    copying: Vec<(usize, usize)>,
    /// A copy of the database that will be put back.
    backup: Option<hold::BackUp>,
    history: History,
    reached: BTreeMap<&'static str, u64>,
    quiet: bool,
    frozen_until: Timestamp,
    next_tick: Option<Timestamp>,
    reservations: u32,
    waiting_actions: Vec<PlannedAction>,
    events_by_name: BTreeMap<&'static str, u32>,
    deaths_left: u32,
    dies_in: Option<u32>,
    /// The next commit of the process fails with this chance; shared with its store.
    failing_commits: Arc<Mutex<process::FailingCommits>>,
}

/// Runs one seed.
///
/// # Errors
/// A sentence, when the machine (not the product) failed: no temporary directory, no runtime.
pub fn run(seed: u64, options: &Options) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let directory = tempfile::Builder::new()
        .prefix("campanile-simulation")
        .tempdir_in(process::scratch());
    let directory = directory.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let path = directory.path().join("simulated.db");
        let mut simulator = Simulator::new(seed, options, path).await?;
        simulator.run().await;
        Ok(simulator.report(seed).await)
    })
}

impl Simulator {
    async fn new(seed: u64, options: &Options, path: PathBuf) -> Result<Self, String> {
        let plan = Plan::draw(seed, options);
        let clock = Arc::new(VirtualClock::at(plan.start));
        let world = Arc::new(Mutex::new(World::new(sandbox::Options {
            seed,
            time_scale: 1.0,
            scenario: plan.weather.scenario.clone(),
        })));
        let transport = Arc::new(SimulatedTransport::new(
            Arc::clone(&world),
            Arc::clone(&clock),
            SmallRng::seed_from_u64(seed ^ 0x57a1e),
            plan.weather.stale_reads,
        ));
        let entropy = Arc::new(SeededEntropy::new(seed ^ 0x5eed));
        let failing_commits = Arc::new(Mutex::new(process::FailingCommits::new(seed)));
        let process = process::start(&path, &clock, &transport, &entropy, &failing_commits)?;
        let mut tenants = Vec::new();
        for tenant in 0..plan.tenants {
            let name = format!("tenant {tenant}");
            let made = process.store.ensure_tenant(&name, plan.start).await;
            tenants.push(made.map_err(|error| error.to_string())?.tenant_id);
        }
        Ok(Self {
            rng: SmallRng::seed_from_u64(seed),
            clock,
            world,
            transport,
            entropy,
            path,
            process,
            presence: Presence::Up,
            queue: BTreeMap::new(),
            sequence: 0,
            life: 0,
            tenants,
            lines: Vec::new(),
            pools: Vec::new(),
            tokens: Vec::new(),
            imports: Vec::new(),
            copying: Vec::new(),
            backup: None,
            history: History::default(),
            reached: BTreeMap::new(),
            quiet: false,
            frozen_until: plan.start,
            next_tick: None,
            reservations: 0,
            waiting_actions: Vec::new(),
            events_by_name: BTreeMap::new(),
            deaths_left: plan.weather.crashes.most,
            dies_in: None,
            failing_commits,
            plan,
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user of the tenant, by the process's clock.
    fn caller(&self, tenant: usize) -> Caller {
        Caller {
            tenant_id: self.tenants[tenant],
            token_id: None,
            now: self.clock.now(),
        }
    }

    fn push(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.queue
            .insert((whole_micros(at), self.sequence), (self.life, event));
    }

    fn note(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    fn broken(&mut self, invariant: &'static str, what: String) {
        self.history.broken(invariant, what);
    }

    async fn run(&mut self) {
        if let Err(error) = self.set_up().await {
            self.broken("SETUP", error);
            return;
        }
        self.begin();
        let mut events = 0_u64;
        while let Some(((at, _), (life, event))) = self.queue.pop_first() {
            if at > self.plan.end {
                break;
            }
            self.clock.advance_to(at);
            if event.is_of_process() && life != self.life {
                continue;
            }
            if event.needs_process() && at < self.frozen_until {
                let thaw = self.frozen_until;
                self.push(thaw, event);
                continue;
            }
            let name = event.name();
            self.handle(event).await;
            self.after_event(name);
            events += 1;
            if events > MAX_EVENTS {
                self.tell_spinning();
                return;
            }
        }
    }

    fn begin(&mut self) {
        let now = self.clock.true_now();
        for event in [Event::Tick, Event::ScanChecks, Event::Import, Event::Hold] {
            self.push(now, event);
        }
        self.push(self.plan.quiet_from, Event::Quiet);
        for action in std::mem::take(&mut self.plan.actions) {
            match action.when {
                When::At(at) => self.push(at, Event::Act(action)),
                When::AfterReservation(..) => self.waiting_actions.push(action),
            }
        }
        let weather = self.plan.weather.clone();
        for (at, change) in weather.clock {
            self.push(at, Event::Clock(change));
        }
        for (at, long) in weather.freezes {
            self.push(at, Event::Freeze(long));
        }
        for (at, until) in weather.outages {
            self.push(at, Event::Outage(Some(until)));
        }
        for (copied_at, put_back_at) in weather.restores {
            self.push(copied_at, Event::BackUp);
            self.push(put_back_at, Event::PutBack);
        }
        self.failing(weather.failing_commits);
    }

    fn tell_spinning(&mut self) {
        let pending: Vec<_> = self
            .queue
            .iter()
            .take(5)
            .map(|((at, _), (_, event))| format!("{at} {}", event.name()))
            .collect();
        let by_name = &self.events_by_name;
        let what =
            format!("more than {MAX_EVENTS} events, something spins: {pending:?} {by_name:?}");
        self.broken("V0", what);
    }

    async fn handle(&mut self, event: Event) {
        let now = self.clock.true_now();
        match event {
            Event::Tick => self.tick(now).await,
            Event::Prepare(dispatches, planned) => self.prepare(now, dispatches, planned).await,
            Event::Pace(ready) => self.pace(now, ready),
            Event::Send(ready) => self.send(now, &ready).await,
            Event::Record(facts, permit) => self.record(now, facts, permit).await,
            Event::ScanChecks => self.scan_checks(now).await,
            Event::LookUp(check) => self.look_up(now, &check).await,
            Event::Import => self.import(now).await,
            Event::Erase => self.erase(now).await,
            Event::Hold => self.tend_hold(now).await,
            Event::BackUp => self.back_up(now),
            Event::PutBack => self.put_back(now),
            Event::Callbacks => self.deliver(now).await,
            Event::Act(action) => self.act(now, action).await,
            Event::Clock(change) => self.change_clock(now, change),
            Event::Freeze(long) => self.freeze(now, long),
            Event::Outage(until) => self.outage(now, until),
            Event::Restart => self.restart(now).await,
            Event::Quiet => self.calm_down(now),
        }
    }

    /// What follows every event: maybe a death, then the next tick and the next callbacks.
    fn after_event(&mut self, name: &'static str) {
        let now = self.clock.true_now();
        self.sample_clock(now);
        self.maybe_die(now, name);
        if self.presence == Presence::Up {
            let woken = self.process.store.wake_signal();
            if woken.notified().now_or_never().is_some() {
                // A few milliseconds, as between a commit and the loop's next turn.
                let pause = SignedDuration::from_millis(self.rng.random_range(0..20));
                self.schedule_tick(later(now, pause));
            }
        }
        let due = self.world().next_due_at();
        if let Some(at) = due {
            self.push_callbacks(at.max(now));
        }
    }

    fn schedule_tick(&mut self, at: Timestamp) {
        if self.next_tick.is_none_or(|planned| at < planned) {
            self.next_tick = Some(at);
            self.push(at, Event::Tick);
        }
    }

    fn push_callbacks(&mut self, at: Timestamp) {
        let planned = self
            .queue
            .range((Timestamp::MIN, 0)..=(at, u64::MAX))
            .any(|(_, (_, event))| matches!(event, Event::Callbacks));
        if !planned {
            self.push(at, Event::Callbacks);
        }
    }

    async fn report(&mut self, seed: u64) -> Report {
        let now = self.clock.true_now();
        let mut violations = std::mem::take(&mut self.history.violations);
        let rings: Vec<_> = self.world().rings(0).cloned().collect();
        let requests: Vec<_> = self.world().requests(0).cloned().collect();
        let view = judge::Seen {
            plan: &self.plan,
            history: &self.history,
            rings: &rings,
            requests: &requests,
        };
        violations.extend(judge::people(&view));
        violations.extend(judge::capacity(&view));
        violations.extend(judge::liveness(&view));
        let mut reached = judge::reached(&view);
        match self.read_records().await {
            Ok(records) => {
                violations.extend(judge::records(&view, &records, now));
                judge::reached_on_record(&records, &mut reached);
            }
            Err(error) => violations.push(Violation {
                invariant: "STORE",
                what: error.to_string(),
            }),
        }
        reached.append(&mut self.reached.clone());
        reached.insert("commit_failed", self.failed_commits());
        reached.insert("saturated", u64::from(self.plan.saturated));
        reached.insert("stale_read", self.transport.stale_reads());
        reached.retain(|_, count| *count > 0);
        let days = now.duration_since(self.plan.start).as_secs_f64() / 86_400.0;
        let campaigns = u32::try_from(self.plan.campaigns.len()).unwrap_or(u32::MAX);
        Report {
            seed,
            trace: judge::trace(&rings, &requests, &reached),
            violations,
            rings: rings.len(),
            campaign_days: days * f64::from(campaigns),
            reached,
            actions: self.plan.drawn_actions,
            campaigns: self.plan.campaigns.len(),
        }
    }
}

/// The clocks have microseconds; an event must not be before what it waits for.
fn whole_micros(at: Timestamp) -> Timestamp {
    if at.subsec_nanosecond() % 1_000 == 0 {
        return at;
    }
    Timestamp::from_microsecond(at.as_microsecond().saturating_add(1)).unwrap_or(at)
}
