//! The SQLite back end on real files: the suite of every back end, and what only this one promises.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod bench;
mod conformance;
mod events;
mod marker;
mod violations;
