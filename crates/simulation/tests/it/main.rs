//! Seeds of the deterministic simulation, at the size of every test run.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[cfg(feature = "planted")]
mod planted;
mod seeds;
