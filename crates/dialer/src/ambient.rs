//! The real clock and the real randomness: the only place that reads either.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use domain::ambient::{Clock, Entropy};
use jiff::{SignedDuration, Timestamp};
use rand::TryRngCore;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

fn system_now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the wall clock"
    )]
    let now = Timestamp::now();
    // Everything stored has microseconds; comparing what was stored with what was not would
    // otherwise differ by the rest.
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

fn monotonic_now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the monotonic clock"
    )]
    Instant::now()
}

/// Since the first question of this process.
fn monotonic_since_start() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = monotonic_now();
    now.saturating_duration_since(*START.get_or_init(|| now))
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        system_now()
    }

    fn monotonic(&self) -> Duration {
        monotonic_since_start()
    }

    fn uptime(&self) -> Option<Duration> {
        Some(uptime())
    }
}

/// Time since the machine started, sleep included: a laptop that wakes up has not had its clock
/// set.
#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Elsewhere the monotonic clock, which may stand still while the machine sleeps: waking up then
/// looks like a step of the clock, which is the safe way to be wrong.
#[cfg(not(target_os = "linux"))]
fn uptime() -> Duration {
    monotonic_since_start()
}

/// A clock that starts at the present and runs faster, for demonstrations.
#[derive(Debug, Clone, Copy)]
pub struct ScaledClock {
    started_at: Timestamp,
    started: Instant,
    scale: f64,
}

impl ScaledClock {
    /// A clock `scale` times as fast as the real one, at least 1.
    pub fn new(scale: f64) -> Self {
        Self {
            started_at: system_now(),
            started: monotonic_now(),
            scale: scale.max(1.0),
        }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let real = monotonic_now().saturating_duration_since(self.started);
        let micros = real.mul_f64(self.scale).as_micros();
        let elapsed = SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        self.started_at
            .saturating_add(elapsed)
            .unwrap_or(self.started_at)
    }

    fn monotonic(&self) -> Duration {
        monotonic_since_start()
    }
}

/// The system's cryptographically strong randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "a system without randomness cannot make secrets; going on would be worse"
        )]
        rand::rngs::OsRng
            .try_fill_bytes(bytes)
            .expect("the system gives no randomness");
    }
}
