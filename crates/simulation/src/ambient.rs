//! Virtual time and seeded randomness.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::ambient::{Clock, Entropy};
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

/// A clock that stands where it was put.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    micros: AtomicI64,
}

impl VirtualClock {
    pub(crate) fn at(start: Timestamp) -> Self {
        Self {
            micros: AtomicI64::new(start.as_microsecond()),
        }
    }

    /// Time never goes back.
    pub(crate) fn advance_to(&self, at: Timestamp) {
        self.micros
            .fetch_max(at.as_microsecond(), Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.micros.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed).unsigned_abs())
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
