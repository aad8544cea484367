//! The PostgreSQL back end on a real server: the suite of every back end, and what only this one
//! promises.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod bench;
mod commits;
mod conformance;
mod connecting;
mod differential;
mod failing;
mod hints;
mod hold;
mod migrations;
mod nodes;
mod plans;
mod relocation;
mod statements;
mod statistics;
mod ticks;
mod together;
mod walls;
