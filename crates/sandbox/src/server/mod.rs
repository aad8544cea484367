//! A world behind HTTP on the real clock.
//!
//! [`serve`] answers requests from a listener and delivers callbacks until it is told to stop;
//! [`Sandbox`] does the same in process on a loopback port. Invariants: the world's lock is never
//! held across an await; one task moves all calls, so that a thousand calls cost no more than their
//! requests; after a stop nothing is sent any more. What it must not do: decide anything. Every
//! answer, delay and fault comes from the world.

mod deliver;
mod http;
mod logs;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    net::TcpListener,
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{Options, World};

/// A sandbox running in this process on a loopback port of its own. Dropping it stops it without
/// waiting.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    shutdown: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox on an ephemeral port of 127.0.0.1. Must be called within a Tokio runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task is owned by the handle, and stopped by it"
    )]
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options));
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(run(listener, Arc::clone(&shared), shutdown.clone()));
        Ok(Self {
            shared,
            address,
            shutdown,
            server: Some(server),
        })
    }

    /// `http://127.0.0.1:PORT`; append `/vapi` for the vendor's base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks into the world, or changes it, as of now. Everything else waits meanwhile.
    pub fn with_world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.world();
        world.advance(self.shared.clock.now());
        let result = visit(&mut world);
        self.shared.wake_if_earlier(&world);
        result
    }

    /// Stops: no further request is accepted, no further callback is sent. Returns when that is so,
    /// at the latest after three seconds.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        if let Some(server) = self.server.take() {
            // The task only fails by panicking, which the runtime has reported already.
            let _ = server.await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Serves a new world on `listener` until `shutdown` is cancelled; then returns within three
/// seconds.
pub async fn serve(listener: TcpListener, options: Options, shutdown: CancellationToken) {
    run(listener, Arc::new(Shared::new(options)), shutdown).await;
}

async fn run(listener: TcpListener, shared: Arc<Shared>, shutdown: CancellationToken) {
    tokio::join!(
        http::accept(listener, Arc::clone(&shared), shutdown.clone()),
        deliver::drive(shared, shutdown),
    );
}

/// What the tasks of one sandbox share.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    clock: Clock,
    /// Wakes the task that moves the calls.
    wake: Notify,
    /// When that task will wake by itself, in Unix microseconds.
    planned_wake: AtomicI64,
    /// Answers that wait for the first callback of a call.
    waiting: Mutex<HashMap<u64, oneshot::Sender<()>>>,
}

impl Shared {
    fn new(options: Options) -> Self {
        Self {
            world: Mutex::new(World::new(options)),
            clock: Clock::start(),
            wake: Notify::new(),
            planned_wake: AtomicI64::new(i64::MAX),
            waiting: Mutex::new(HashMap::new()),
        }
    }

    /// The world. A panic elsewhere does not make it unusable: each of its methods leaves it whole
    /// or panics on a bug that a test should see again.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the moving task if the world now has something to do before that task would look
    /// again. To be called with the lock held, so that the comparison is with a plan made from
    /// an older world.
    fn wake_if_earlier(&self, world: &World) {
        let next = world
            .next_due_at()
            .map_or(i64::MAX, Timestamp::as_microsecond);
        if next < self.planned_wake.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }
}

/// The real time, without its jumps: read once, then counted on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started_at: Timestamp,
    started: Instant,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the sandbox reads a clock; the world is given the time"
    )]
    fn start() -> Self {
        Self {
            started_at: Timestamp::now(),
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::ZERO);
        self.started_at
            .checked_add(elapsed)
            .unwrap_or(self.started_at)
    }

    /// How long until `at`; zero when it has passed.
    pub(crate) fn until(&self, at: Timestamp) -> Duration {
        crate::time::elapsed(self.now(), at)
    }
}
