//! The dialer from outside, over a real store and a network that is made up, in virtual time; on
//! PostgreSQL in real time, where another clock and other processes are.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod clocks;
mod database_clock;
mod gate;
mod hints;
mod look_ups;
mod outages;
mod pacing;
mod scene;
