//! The SQLite back end on real files: the suite of every back end, and what only this one promises.

mod bench;
mod conformance;
