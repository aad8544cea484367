//! Starting the loops, and the one that ticks and sends. They end when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::ambient::Clock;
use failpoint::Failpoint;
use jiff::Timestamp;
use store::StoreError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock_offset::ClockAgreement;
use crate::core::{Core, Moment, Parts, Ready};
use crate::facts_queue::{self, Told};
use crate::trouble::Trouble;
use crate::{chores, hold, look_back, look_up_loop};

/// Usual [`crate::Options::scan_period`].
pub const SCAN_PERIOD: Duration = Duration::from_secs(1);
/// Pause after a tick that the store refused.
const REFUSED_PAUSE: Duration = Duration::from_millis(500);
/// Pause between attempts to reach a store that has not been reached yet.
const UNREACHED_PAUSE: Duration = Duration::from_secs(1);
/// Requests to place calls at the same time.
const MAX_SENDING: usize = 8_192;
/// Pause while that many are under way.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Facts that wait for the store. When it does not keep up, requests and look-ups that are answered
/// wait with theirs, and so hold back new ones: nothing here grows without a bound.
const MAX_WAITING_FACTS: usize = 1_024;
/// Who comes so late to a turn in a line's pace has missed it. Timers have a grain of a millisecond.
const LATE_FOR_TURN: Duration = Duration::from_millis(10);
/// How long a stop waits for requests that are under way.
const DRAIN_PATIENCE: Duration = Duration::from_secs(8);
/// Beyond this silence the loop counts as dead.
const HEARTBEAT_LIMIT: jiff::SignedDuration = jiff::SignedDuration::from_secs(15);

/// Why the dialer ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store refused what a start needs.
    #[error("the dialer cannot start: {0}")]
    Recovery(#[from] store::StoreError),
    /// A loop ended that must not.
    #[error("the dialer's {0} loop ended unexpectedly")]
    LoopEnded(&'static str),
}

/// Whether the dialer's loop is alive, for health checks.
pub struct Heartbeat {
    clock: Arc<dyn Clock>,
    scale: f64,
    last_micros: AtomicI64,
    agreement: Arc<ClockAgreement>,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heartbeat")
    }
}

impl Heartbeat {
    fn beat(&self) {
        self.last_micros
            .store(self.clock.now().as_microsecond(), Ordering::Relaxed);
    }

    /// # Errors
    /// A sentence, when the loop has been silent for too long.
    pub fn check(&self) -> Result<(), String> {
        let last = Timestamp::from_microsecond(self.last_micros.load(Ordering::Relaxed))
            .unwrap_or_default();
        let silent = self.clock.now().duration_since(last).as_secs_f64() / self.scale;
        if silent > HEARTBEAT_LIMIT.as_secs_f64() {
            return Err(format!("the dialer has been silent for {silent:.0} s"));
        }
        Ok(())
    }

    /// Why this process places no call although its loop turns: its clock is not the database's.
    pub fn withheld(&self) -> Option<String> {
        self.agreement.withheld()
    }
}

/// The running dialer.
#[derive(Debug)]
pub struct Dialer {
    core: Core,
    heartbeat: Arc<Heartbeat>,
}

impl Dialer {
    /// A dialer over these parts; nothing runs yet.
    pub fn new(parts: Parts) -> Self {
        let scale = parts.options.time_scale.max(1.0);
        let clock = Arc::clone(&parts.clock);
        let core = Core::new(parts);
        let heartbeat = Heartbeat {
            clock,
            scale,
            last_micros: AtomicI64::new(0),
            agreement: Arc::clone(&core.agreement),
        };
        heartbeat.beat();
        Self {
            core,
            heartbeat: Arc::new(heartbeat),
        }
    }

    /// Tells whether the loop is alive.
    pub fn heartbeat(&self) -> Arc<Heartbeat> {
        Arc::clone(&self.heartbeat)
    }

    /// Runs until `shutdown`: then no new call begins, requests under way are awaited for a few
    /// seconds, and what was reserved but not begun is released.
    ///
    /// # Errors
    /// When it could not start, or a loop died.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let core = self.core;
        let Some(recovered) = recover(&core, &self.heartbeat, &shutdown).await? else {
            return Ok(());
        };
        if recovered > 0 {
            tracing::warn!(
                calls = recovered,
                "calls were being placed when the server stopped; they are looked up, not sent again"
            );
        }
        let tasks = TaskTracker::new();
        let (facts, incoming) = mpsc::channel(MAX_WAITING_FACTS);
        let recorder = tasks.spawn(facts_queue::run(core.clone(), incoming));
        let helpers = CancellationToken::new();
        let lookups = tasks.spawn(look_up_loop::run(
            core.clone(),
            facts.clone(),
            helpers.clone(),
        ));
        let chores = tasks.spawn(chores::run(core.clone(), helpers.clone()));
        let hold = tasks.spawn(hold::run(core.clone(), helpers.clone()));
        let sending = TaskTracker::new();
        let ended = tokio::select! {
            () = hush(&core, &shutdown) => Ok(()),
            // Ends only between ticks, so that every reservation finds its way back.
            () = dial(&core, &facts, &sending, &self.heartbeat, &shutdown) => Ok(()),
            _ = lookups => Err(RunError::LoopEnded("look-up")),
            _ = chores => Err(RunError::LoopEnded("chore")),
            _ = hold => Err(RunError::LoopEnded("hold")),
            _ = recorder => Err(RunError::LoopEnded("fact")),
        };
        withdraw_all(&core);
        helpers.cancel();
        drop(facts);
        sending.close();
        tasks.close();
        let drained = tokio::time::timeout(DRAIN_PATIENCE, async {
            sending.wait().await;
            tasks.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!(
                "requests were still under way at the end; their calls are looked up at the next start"
            );
        }
        ended
    }
}

/// From the moment of the stop nothing begins that was reserved before, however long the tick takes
/// that is under way. Never ends.
async fn hush(core: &Core, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    withdraw_all(core);
    std::future::pending::<()>().await;
}

fn withdraw_all(core: &Core) {
    let board = core.parts().store.send_board();
    board.revoke(&store::Scope::Everything);
}

/// What a start does first; a store that cannot be reached is waited for. `None`: told to stop.
async fn recover(
    core: &Core,
    heartbeat: &Heartbeat,
    shutdown: &CancellationToken,
) -> Result<Option<u64>, RunError> {
    let (store, clock) = (&core.parts().store, core.parts().clock.as_ref());
    let mut trouble = Trouble::none("no call is placed");
    loop {
        heartbeat.beat();
        match store.recover(clock.now()).await {
            Ok(recovered) => {
                trouble.is_over();
                return Ok(Some(recovered));
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::CommitUnknown(_))) => {
                trouble.failed(clock, &error);
            }
            Err(error) => return Err(error.into()),
        }
        let stopped = tokio::time::timeout(UNREACHED_PAUSE, shutdown.cancelled());
        if stopped.await.is_ok() {
            return Ok(None);
        }
    }
}

/// Looks back, then ticks.
async fn dial(
    core: &Core,
    facts: &mpsc::Sender<Told>,
    sending: &TaskTracker,
    heartbeat: &Heartbeat,
    shutdown: &CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = look_back::run(core) => {}
    }
    tick_loop(core, facts, sending, heartbeat, shutdown).await;
}

async fn tick_loop(
    core: &Core,
    facts: &mpsc::Sender<Told>,
    sending: &TaskTracker,
    heartbeat: &Heartbeat,
    shutdown: &CancellationToken,
) {
    let wake = core.parts().store.wake_signal();
    let mut trouble = Trouble::none("no call is placed");
    while !shutdown.is_cancelled() {
        heartbeat.beat();
        // Registered before the tick, so that a wake-up during it is not lost.
        let woken = wake.notified();
        let wait = if sending.len() >= MAX_SENDING {
            // Requests that hang must not pile up; the loop itself goes on beating.
            BUSY_PAUSE
        } else {
            tick(core, facts, sending, &mut trouble, shutdown).await
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = woken => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One tick and the start of its sends. Answers how long there is nothing to do.
async fn tick(
    core: &Core,
    facts: &mpsc::Sender<Told>,
    sending: &TaskTracker,
    trouble: &mut Trouble,
    shutdown: &CancellationToken,
) -> Duration {
    match core.tick().await {
        Ok((ticked, planned)) => {
            trouble.is_over();
            if shutdown.is_cancelled() {
                // They are given back, as those that were reserved before.
                withdraw_all(core);
            }
            let next_wake_at = ticked.next_wake_at;
            send_all(core, (ticked.dispatches, planned), facts, sending).await;
            wait_until(core, next_wake_at)
        }
        Err(error) => {
            trouble.failed(core.parts().clock.as_ref(), &error);
            REFUSED_PAUSE
        }
    }
}

/// Real time until `at`, at most one scan period.
pub(crate) fn wait_until(core: &Core, at: Option<Timestamp>) -> Duration {
    let longest = core.parts().options.scan_period;
    let Some(at) = at else { return longest };
    let left = at.duration_since(core.parts().clock.now());
    let left = Duration::try_from(left).unwrap_or_default();
    left.div_f64(core.parts().options.time_scale.max(1.0))
        .min(longest)
}

async fn send_all(
    core: &Core,
    (dispatches, planned): (Vec<store::Dispatch>, Moment),
    facts: &mpsc::Sender<Told>,
    sending: &TaskTracker,
) {
    if dispatches.is_empty() {
        return;
    }
    failpoint::reach(Failpoint::CallsReserved);
    for ready in core.prepare(dispatches, planned).await {
        let (core, facts) = (core.clone(), facts.clone());
        sending.spawn(async move { send_one(&core, &ready, &facts).await });
    }
}

async fn send_one(core: &Core, ready: &Ready, facts: &mpsc::Sender<Told>) {
    let early = wait_for(core, ready.dispatch.send_at);
    if !early.is_zero() {
        tokio::time::sleep(early).await;
    }
    keep_pace(core, ready).await;
    failpoint::reach(Failpoint::CallDue);
    // The receiver outlives every sender; if it is gone, so is the process.
    let _ = facts.send(core.send(ready).await).await;
}

/// Waits for a turn in the line's pace. Whoever comes late to it, as all do who waited while the process
/// stood still, waits for another: they would leave at once, however well their turns were spaced.
async fn keep_pace(core: &Core, ready: &Ready) {
    let monotonic = || core.parts().clock.monotonic();
    loop {
        let apart = core.pace(ready);
        // One that is too late for good is withheld when it is to be sent.
        if apart.is_zero() || ready.is_overdue(monotonic()) {
            return;
        }
        let turn = monotonic().saturating_add(apart);
        tokio::time::sleep(apart).await;
        if monotonic().saturating_sub(turn) <= LATE_FOR_TURN {
            return;
        }
    }
}

fn wait_for(core: &Core, at: Timestamp) -> Duration {
    let left = Duration::try_from(at.duration_since(core.parts().clock.now())).unwrap_or_default();
    left.div_f64(core.parts().options.time_scale.max(1.0))
}
