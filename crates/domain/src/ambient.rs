//! Time and randomness as things that are passed in.
//!
//! Only traits: the one place that reads the real clock and the system's entropy implements them,
//! tests and the simulation bring their own.

use std::time::Duration;

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, truncated to microseconds, the precision of everything stored.
    fn now(&self) -> Timestamp;

    /// Real time since a fixed instant of the past, on a clock that nobody can set. For deadlines
    /// and distances that must hold when the wall clock is stepped; never scaled.
    fn monotonic(&self) -> Duration;

    /// Time since some fixed instant on a clock that nobody can set and that goes on while the
    /// machine sleeps; `None` for a clock of which [`Clock::now`] cannot be set either.
    fn uptime(&self) -> Option<Duration> {
        None
    }
}

/// Gives randomness.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`. For secrets: the real one is cryptographically strong.
    fn fill(&self, bytes: &mut [u8]);
}

/// Alphabet of [`random_key`]: no letters that look like digits.
const KEY_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// `prefix` and 26 characters of 130 bits, for keys that must not be guessed.
pub fn random_key(entropy: &dyn Entropy, prefix: &str) -> String {
    let mut bytes = [0_u8; 26];
    entropy.fill(&mut bytes);
    let mut key = String::with_capacity(prefix.len() + bytes.len());
    key.push_str(prefix);
    key.extend(
        bytes
            .iter()
            .map(|byte| char::from(KEY_ALPHABET[usize::from(byte % 32)])),
    );
    key
}
