//! The dialer from outside, over a real store and a network that is made up, in virtual time.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod clocks;
mod gate;
mod look_ups;
mod outages;
mod pacing;
mod scene;
