//! The binary from outside, as a user meets it, and the shape of the workspace.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod cli;
mod clocks;
mod demo;
mod disk_full;
mod doctor;
mod echoing_vendor;
mod failed_fsync;
mod hold;
mod installation;
mod layering;
mod outage;
mod postgres;
mod postgres_bad_days;
mod pressure;
mod program;
mod readme;
mod relocation;
mod schemathesis;
mod secrets;
mod serve;
mod sigkill;
mod simulate;
mod test_call;
mod token;
mod torture;
