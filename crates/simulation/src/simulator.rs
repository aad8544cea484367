//! The event loop: virtual time jumps from event to event.

mod actions;
mod set_up;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dialer::{Core, Options, Parts, Ready};
use domain::ambient::Clock;
use domain::campaign::LeadStatus;
use domain::{CampaignId, TenantId};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sandbox::{Scenario, SecondsRange, World};
use store::{AttemptFact, Caller, Check, LeadFilter, PageRequest, SendPermit, Store, Vault};
use store_sqlite::{Access, SqliteStore};

use crate::ambient::{SeededEntropy, VirtualClock};
use crate::judge::{self, UserLog, Violation};
use crate::transport::SimulatedTransport;
use crate::workload::{self, Action, Planned};

/// Virtual hours with users' actions and faults.
const BUSY_HOURS: i64 = 30;
/// Virtual hours after that, without faults: everything must come to its end.
const QUIET_HOURS: i64 = 24 * 9;
/// Events of one run, so that a loop that spins is found and not waited for.
const MAX_EVENTS: u64 = 400_000;

/// Which faults a run may have. Each run draws a random part of them.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Lost answers, errors, garbage, lost and doubled callbacks.
    pub provider: bool,
    /// Death of the process at any step.
    pub crashes: bool,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Seed that repeats it.
    pub seed: u64,
    /// Broken promises; empty when all held.
    pub violations: Vec<Violation>,
    /// Phones that rang.
    pub rings: usize,
    /// How often each rare state was reached.
    pub reached: BTreeMap<&'static str, u64>,
    /// Hash of everything that happened: equal for equal seeds.
    pub trace: u64,
}

enum Event {
    Tick,
    Send(Box<Ready>),
    Record(Vec<AttemptFact>, Option<SendPermit>),
    LookUp(Check),
    ScanChecks,
    Callbacks,
    Act(Action),
    Quiet,
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Send(_) => "send",
            Self::Record(..) => "record",
            Self::LookUp(_) => "look-up",
            Self::ScanChecks => "scan",
            Self::Callbacks => "callbacks",
            Self::Act(_) => "act",
            Self::Quiet => "quiet",
        }
    }
}

struct Process {
    store: Arc<SqliteStore>,
    core: Core,
}

struct Simulator {
    rng: SmallRng,
    clock: Arc<VirtualClock>,
    world: Arc<Mutex<World>>,
    transport: Arc<SimulatedTransport>,
    entropy: Arc<SeededEntropy>,
    path: PathBuf,
    process: Process,
    queue: BTreeMap<(Timestamp, u64), (u64, Event)>,
    sequence: u64,
    /// Counts processes: events of a dead one are dropped.
    life: u64,
    crash_rate: f64,
    caller: Caller,
    campaigns: Vec<Planned>,
    log: UserLog,
    reached: BTreeMap<&'static str, u64>,
    quiet: bool,
    next_tick: Option<Timestamp>,
    end: Timestamp,
}

/// Runs one seed.
///
/// # Errors
/// A sentence, when the machine (not the product) failed: no temporary directory, no runtime.
pub fn run(seed: u64, faults: Faults) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let directory = tempfile::Builder::new()
        .prefix("campanile-simulation")
        .tempdir_in(scratch());
    let directory = directory.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut simulator =
            Simulator::new(seed, faults, directory.path().join("simulated.db")).await?;
        simulator.run().await;
        Ok(simulator.report(seed).await)
    })
}

/// Memory-backed when there is such a place: a simulated process dies, the machine does not.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

fn open(path: &std::path::Path) -> Result<Arc<SqliteStore>, String> {
    let options = store_sqlite::Options {
        access: Access::Simulated,
        readers: 1,
        patience_of: lines::patience_of,
        on_failed_sync: |_| {},
    };
    SqliteStore::open(path, options)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

fn scenario(rng: &mut SmallRng, faults: Faults) -> Scenario {
    let mut scenario = Scenario {
        concurrency: 50,
        calls_per_second: 100.0,
        ..Scenario::default()
    };
    scenario.ring_seconds = SecondsRange {
        low: 1.0,
        high: 40.0,
    };
    scenario.talk_seconds = SecondsRange {
        low: 1.0,
        high: 600.0,
    };
    if !faults.provider {
        return scenario;
    }
    let mut rate = |most: f64| {
        if rng.random_bool(0.5) {
            rng.random_range(0.0..most)
        } else {
            0.0
        }
    };
    let wrong = &mut scenario.faults;
    wrong.create_timeout = rate(0.1);
    wrong.create_timeout_after_accept = rate(0.2);
    wrong.create_500 = rate(0.1);
    wrong.create_500_after_accept = rate(0.2);
    wrong.create_429 = rate(0.1);
    wrong.create_garbage = rate(0.1);
    wrong.webhook_loss = rate(0.6);
    wrong.webhook_duplicate = rate(0.5);
    wrong.webhook_reorder = rate(0.3);
    wrong.webhook_before_response = rate(0.5);
    wrong.get_500 = rate(0.3);
    wrong.webhook_delay_seconds = SecondsRange {
        low: 0.0,
        high: rate(600.0),
    };
    wrong.list_lag_seconds = SecondsRange {
        low: 0.0,
        high: rate(20.0),
    };
    scenario
}

impl Simulator {
    async fn new(seed: u64, faults: Faults, path: PathBuf) -> Result<Self, String> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let start = workload::start(&mut rng);
        let clock = Arc::new(VirtualClock::at(start));
        let options = sandbox::Options {
            seed,
            time_scale: 1.0,
            scenario: scenario(&mut rng, faults),
        };
        let world = Arc::new(Mutex::new(World::new(options)));
        let transport = Arc::new(SimulatedTransport::new(
            Arc::clone(&world),
            Arc::clone(&clock),
        ));
        let entropy = Arc::new(SeededEntropy::new(seed ^ 0x5eed));
        let process = start_process(&path, &clock, &transport, &entropy)?;
        let tenant = process
            .store
            .ensure_tenant("default", start)
            .await
            .map_err(|error| error.to_string())?;
        let caller = Caller {
            tenant_id: tenant.tenant_id,
            token_id: None,
            now: start,
        };
        let end = later(start, SignedDuration::from_hours(BUSY_HOURS + QUIET_HOURS));
        let crash_rate = if faults.crashes && rng.random_bool(0.6) {
            rng.random_range(0.0..0.01)
        } else {
            0.0
        };
        Ok(Self {
            rng,
            clock,
            world,
            transport,
            entropy,
            path,
            process,
            queue: BTreeMap::new(),
            sequence: 0,
            life: 0,
            crash_rate,
            caller,
            campaigns: Vec::new(),
            log: UserLog::default(),
            reached: BTreeMap::new(),
            quiet: false,
            next_tick: None,
            end,
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        // The clock has microseconds; an event must not be before what it waits for.
        let at =
            Timestamp::from_microsecond(at.as_microsecond().saturating_add(1)).map_or(at, |next| {
                if at.subsec_nanosecond() % 1_000 == 0 {
                    at
                } else {
                    next
                }
            });
        self.queue.insert((at, self.sequence), (self.life, event));
    }

    fn note(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    fn broken(&mut self, invariant: &'static str, what: String) {
        self.log.violations.push(Violation { invariant, what });
    }

    async fn run(&mut self) {
        let now = self.clock.now();
        if let Err(error) = self.set_up(now).await {
            self.broken("SETUP", error);
            return;
        }
        self.push(now, Event::Tick);
        self.push(now, Event::ScanChecks);
        self.push(
            later(now, SignedDuration::from_hours(BUSY_HOURS)),
            Event::Quiet,
        );
        let mut events = 0_u64;
        while let Some(((at, _), (life, event))) = self.queue.pop_first() {
            if at > self.end {
                break;
            }
            self.clock.advance_to(at);
            let of_process = !matches!(event, Event::Act(_) | Event::Callbacks | Event::Quiet);
            if of_process && life != self.life {
                continue;
            }
            self.handle(event).await;
            self.after_event().await;
            events += 1;
            if events > MAX_EVENTS {
                let pending: Vec<_> = self
                    .queue
                    .iter()
                    .take(5)
                    .map(|((at, _), (_, event))| format!("{at} {}", event.name()))
                    .collect();
                self.broken(
                    "V0",
                    format!("more than {MAX_EVENTS} events, something spins: {pending:?}"),
                );
                return;
            }
        }
    }

    async fn handle(&mut self, event: Event) {
        let now = self.clock.now();
        match event {
            Event::Tick => self.tick(now).await,
            Event::Send(ready) => self.send(now, &ready).await,
            Event::Record(facts, permit) => {
                if let Err(error) = self.process.core.record(facts).await {
                    self.broken("STORE", error.to_string());
                }
                drop(permit);
            }
            Event::ScanChecks => self.scan_checks(now).await,
            Event::LookUp(check) => {
                self.note("look_up");
                let facts = self.process.core.look_up(&check).await;
                let took = self.transport.last_took();
                self.push(plus(now, took), Event::Record(facts, None));
            }
            Event::Callbacks => self.deliver(now).await,
            Event::Act(action) => self.act(now, action).await,
            Event::Quiet => {
                self.quiet = true;
                let mut world = self.world();
                let calm = Scenario {
                    faults: sandbox::Faults::default(),
                    ..world.scenario().clone()
                };
                world.set_scenario(calm);
            }
        }
    }

    /// What follows every event: maybe a crash, then the next tick and the next callbacks.
    async fn after_event(&mut self) {
        let now = self.clock.now();
        if !self.quiet && self.crash_rate > 0.0 && self.rng.random_bool(self.crash_rate) {
            self.crash(now).await;
        }
        let woken = self.process.store.wake_signal();
        if woken.notified().now_or_never().is_some() {
            // A few milliseconds, as between a commit and the loop's next turn.
            let at = later(
                now,
                SignedDuration::from_millis(self.rng.random_range(0..20)),
            );
            self.schedule_tick(at);
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

    async fn tick(&mut self, now: Timestamp) {
        if self.next_tick.is_some_and(|planned| planned > now) {
            return; // An earlier wake-up replaced this one, or it was planned twice.
        }
        self.next_tick = None;
        let ticked = match self.process.core.tick().await {
            Ok(ticked) => ticked,
            Err(error) => return self.broken("STORE", error.to_string()),
        };
        if let Some(at) = ticked.next_wake_at {
            self.schedule_tick(at.max(later(now, SignedDuration::from_millis(1))));
        }
        for dispatch in &ticked.dispatches {
            let reserved = (dispatch.campaign_id, dispatch.phone.clone());
            self.log
                .attempts
                .insert(dispatch.attempt_key.clone(), reserved);
        }
        for ready in self.process.core.prepare(ticked.dispatches).await {
            // Sometimes the sender is slow, up to beyond the deadline.
            let slow = if self.rng.random_bool(0.05) {
                self.rng.random_range(0..4_000)
            } else {
                self.rng.random_range(0..30)
            };
            let at = later(
                ready.dispatch.send_at.max(now),
                SignedDuration::from_millis(slow),
            );
            self.push(at, Event::Send(Box::new(ready)));
        }
    }

    async fn send(&mut self, now: Timestamp, ready: &Ready) {
        let (facts, permit) = self.process.core.send(ready).await;
        let took = if permit.is_some() {
            self.transport.last_took()
        } else {
            std::time::Duration::ZERO
        };
        if permit.is_none() {
            self.note("released");
        }
        if facts
            .iter()
            .any(|fact| fact.fact == domain::attempt::Fact::AnswerLost)
        {
            self.note("answer_lost");
        }
        let network = SignedDuration::from_millis(self.rng.random_range(1..200));
        self.push(
            later(plus(now, took), network),
            Event::Record(facts, permit),
        );
    }

    async fn scan_checks(&mut self, now: Timestamp) {
        match self.process.core.due_checks().await {
            Ok(checks) => {
                for check in checks {
                    self.push(now, Event::LookUp(check));
                }
            }
            Err(error) => self.broken("STORE", error.to_string()),
        }
        let next = self.process.store.next_check_at().await.ok().flatten();
        let soon = later(now, SignedDuration::from_secs(1));
        let idle = later(now, SignedDuration::from_secs(30));
        self.push(
            next.map_or(idle, |at| at.clamp(soon, idle)),
            Event::ScanChecks,
        );
    }

    async fn deliver(&mut self, now: Timestamp) {
        let due = self.world().due_callbacks(now);
        for callback in due {
            self.note("callback");
            let url = callback.target.url.clone();
            if self.ingest(now, &url, &callback).await.is_none() {
                self.world().callback_failed(now, &callback, Some(500));
            }
        }
    }

    /// The callback's way through the API, without HTTP.
    async fn ingest(
        &mut self,
        now: Timestamp,
        url: &str,
        callback: &sandbox::Callback,
    ) -> Option<()> {
        let line_key = url.split("/hooks/sandbox/").nth(1)?.split('/').next()?;
        let line = self.process.store.line_by_key(line_key).await.ok()??;
        let adapter = providers::ProviderKind::Sandbox.adapter();
        let mut headers = http::HeaderMap::new();
        for (name, value) in &callback.target.headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
            headers.insert(name, http::HeaderValue::from_str(value).ok()?);
        }
        let raw = providers::RawCallback {
            headers: &headers,
            body: &callback.body,
        };
        let verified = adapter.verify_callback(raw, "whsec").ok()?;
        let events = adapter.read_callback(&verified).ok()?;
        let facts: Vec<_> = events
            .into_iter()
            .flat_map(|event| lines::echo_facts(line.line_id, event))
            .collect();
        self.process.store.apply_facts(now, facts).await.ok()?;
        Some(())
    }

    /// The process dies: its memory is gone, the file and the world stay.
    async fn crash(&mut self, now: Timestamp) {
        self.note("crash");
        self.life += 1;
        self.next_tick = None;
        let path = self.path.clone();
        self.queue.retain(|_, (_, event)| {
            matches!(event, Event::Act(_) | Event::Callbacks | Event::Quiet)
        });
        let started = restart(
            &mut self.process,
            &path,
            &self.clock,
            &self.transport,
            &self.entropy,
        );
        if let Err(error) = started {
            return self.broken("RESTART", error);
        }
        match self.process.store.recover(now).await {
            Ok(unknown) if unknown > 0 => self.note("recovered_unknown"),
            Ok(_) => {}
            Err(error) => self.broken("RESTART", error.to_string()),
        }
        self.push(now, Event::Tick);
        self.push(now, Event::ScanChecks);
    }

    async fn report(&mut self, seed: u64) -> Report {
        if self.log.violations.is_empty() {
            self.check_liveness().await;
        }
        let rings: Vec<_> = self.world().rings(0).cloned().collect();
        let mut violations = std::mem::take(&mut self.log.violations);
        violations.extend(judge::judge(&self.log, &rings));
        let mut hasher = DefaultHasher::new();
        for ring in &rings {
            (
                ring.received_at,
                ring.ended_at,
                &ring.to,
                &ring.attempt_key,
                &ring.outcome,
            )
                .hash(&mut hasher);
        }
        self.reached
            .iter()
            .for_each(|entry| entry.hash(&mut hasher));
        Report {
            seed,
            violations,
            rings: rings.len(),
            reached: std::mem::take(&mut self.reached),
            trace: hasher.finish(),
        }
    }

    /// After the quiet days nothing may hang: no attempt unresolved, no due lead forgotten.
    async fn check_liveness(&mut self) {
        let now = self.clock.now();
        let tenant_id: TenantId = self.caller.tenant_id;
        let ids: Vec<CampaignId> = self
            .campaigns
            .iter()
            .map(|planned| planned.campaign_id)
            .collect();
        for campaign_id in ids {
            let page = PageRequest {
                limit: 200,
                before: None,
            };
            let leads = self
                .process
                .store
                .list_leads(tenant_id, campaign_id, LeadFilter::default(), page, now)
                .await;
            let Ok(leads) = leads else {
                return self.broken("STORE", "leads cannot be listed".to_owned());
            };
            for lead in leads.items {
                let long_ago = later(now, SignedDuration::from_hours(-6));
                let started = lead.last_attempt_at.unwrap_or(now);
                let hangs = matches!(lead.status, LeadStatus::InCall | LeadStatus::Unresolved)
                    && started < long_ago;
                if hangs {
                    self.broken("V1", format!("a lead is {} since {started}", lead.status));
                }
                if lead.status == LeadStatus::Ready && lead.due_at.is_none() {
                    self.broken("V3", "a READY lead is in no queue".to_owned());
                }
            }
        }
    }
}

fn start_process(
    path: &std::path::Path,
    clock: &Arc<VirtualClock>,
    transport: &Arc<SimulatedTransport>,
    entropy: &Arc<SeededEntropy>,
) -> Result<Process, String> {
    let store = open(path)?;
    let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(clock);
    let parts = Parts {
        store: Arc::<SqliteStore>::clone(&store),
        vault: Vault::new(&[7; 32]),
        transport: Arc::<SimulatedTransport>::clone(transport),
        clock,
        entropy: Arc::<SeededEntropy>::clone(entropy),
        options: Options {
            public_url: Some("http://127.0.0.1:9".to_owned()),
            sandbox_base_url: None,
            time_scale: 1.0,
        },
    };
    Ok(Process {
        store,
        core: Core::new(parts),
    })
}

/// Replaces a dead process. The old store must be closed before the new one can take its lock, so
/// the field holds a store on a scratch file for that instant.
fn restart(
    process: &mut Process,
    path: &std::path::Path,
    clock: &Arc<VirtualClock>,
    transport: &Arc<SimulatedTransport>,
    entropy: &Arc<SeededEntropy>,
) -> Result<(), String> {
    let stand_in = start_process(&path.with_extension("standin"), clock, transport, entropy)?;
    drop(std::mem::replace(process, stand_in));
    *process = start_process(path, clock, transport, entropy)?;
    Ok(())
}

fn later(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(at)
}

fn plus(at: Timestamp, pause: std::time::Duration) -> Timestamp {
    later(at, SignedDuration::try_from(pause).unwrap_or_default())
}
