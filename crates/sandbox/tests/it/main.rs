//! Tests of the sandbox from outside: the world in virtual time, and the server over HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod bench;
mod calls;
mod control;
mod determinism;
mod faults;
mod limits;
mod load;
mod reads;
mod sdk;
mod server;
mod web;
