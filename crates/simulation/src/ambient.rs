//! Virtual time and seeded randomness.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ambient::{Clock, Entropy};
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

/// The clocks of the simulated machine. The world lives by the true time; the process sees a wall
/// clock that may be wrong, and a monotonic one that is not.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    started_at: i64,
    true_micros: AtomicI64,
    /// What the wall clock is ahead of the true time.
    ahead_micros: AtomicI64,
    /// How much further ahead it gets, per million.
    drift_ppm: AtomicI64,
}

impl VirtualClock {
    pub(crate) fn at(start: Timestamp) -> Self {
        Self {
            started_at: start.as_microsecond(),
            true_micros: AtomicI64::new(start.as_microsecond()),
            ahead_micros: AtomicI64::new(0),
            drift_ppm: AtomicI64::new(0),
        }
    }

    /// The world's time.
    pub(crate) fn true_now(&self) -> Timestamp {
        timestamp(self.true_micros.load(Ordering::Relaxed))
    }

    /// The true time never goes back.
    pub(crate) fn advance_to(&self, at: Timestamp) {
        let before = self
            .true_micros
            .fetch_max(at.as_microsecond(), Ordering::Relaxed);
        let passed = (at.as_microsecond() - before).max(0);
        let drifted = passed * self.drift_ppm.load(Ordering::Relaxed) / 1_000_000;
        self.ahead_micros.fetch_add(drifted, Ordering::Relaxed);
    }

    /// Steps the wall clock.
    pub(crate) fn step(&self, by_micros: i64) {
        self.ahead_micros.fetch_add(by_micros, Ordering::Relaxed);
    }

    /// Sets the wall clock right.
    pub(crate) fn correct(&self) {
        self.ahead_micros.store(0, Ordering::Relaxed);
        self.drift_ppm.store(0, Ordering::Relaxed);
    }

    pub(crate) fn set_drift(&self, ppm: i64) {
        self.drift_ppm.store(ppm, Ordering::Relaxed);
    }

    /// What the wall clock is ahead of the true time, microseconds.
    pub(crate) fn ahead_micros(&self) -> i64 {
        self.ahead_micros.load(Ordering::Relaxed)
    }
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        timestamp(self.true_micros.load(Ordering::Relaxed) + self.ahead_micros())
    }

    fn monotonic(&self) -> Duration {
        let passed = self.true_micros.load(Ordering::Relaxed) - self.started_at;
        Duration::from_micros(passed.unsigned_abs())
    }

    fn uptime(&self) -> Option<Duration> {
        Some(self.monotonic())
    }
}

/// Randomness that follows from a seed.
#[derive(Debug)]
pub(crate) struct SeededEntropy {
    rng: Mutex<SmallRng>,
}

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}
