//! The back end for several processes: one PostgreSQL database, from version 14 on.
//!
//! - Every write is one transaction of one tenant that locks the tenant's row first: a tenant's
//!   writes have one order over all nodes, and its feed no gaps. Different tenants never wait for
//!   each other. See `work.rs` for isolation and lock order.
//! - Facts that come at the same time for one tenant are one transaction, see `together.rs`.
//! - Reads are REPEATABLE READ, READ ONLY transactions: one snapshot for each operation.
//! - Nodes are equal. The planner claims lines under their tenant's row, with SKIP LOCKED; a node is
//!   known by a number that it holds as an advisory lock, see `node.rs`.
//! - `synchronous_commit=on`: an acknowledged write survives the server's crash. What becomes of a
//!   COMMIT whose answer is lost is asked, and else answered as unknown (`commit.rs`); a call whose
//!   reservation is in doubt is never sent, but looked up.
//! - Statements that need not wait for each other are under way together (`tx.rs`), and tables that
//!   have outgrown the server's statistics are looked at again (`statistics.rs`).
//!
//! Invariants: every statement names its tenant, but for those of the server itself; row-level
//! security is the second wall behind that. Statements are constants, and prepared once a
//! connection; no text of a user is ever formatted into SQL. The database's clock is read to be compared
//! with the process's (`ops/clock.rs`), and decides nothing about campaigns.
//!
//! What it must not do: retry a write by itself, hold a transaction across anything but the
//! database, or make anything depend on a notification: `hints.rs` only shortens waits.

mod address;
mod code;
mod commit;
mod connect;
mod dial;
mod error;
mod events;
mod hints;
mod holding;
mod ids;
mod line_reads;
mod marker;
mod migrate;
mod node;
mod open_error;
mod ops;
mod planning;
mod query;
mod recovery;
mod relocation;
mod room;
mod settings_cache;
mod settle;
mod shared;
mod statistics;
mod store_impl;
mod tenants;
mod tls;
mod together;
mod turns;
mod tx;
mod work;

pub use address::{Address, AddressError};
pub use connect::{Options, inspect_database, migrate_database};
pub use migrate::{Inspection, MigrateError, SCHEMA_VERSION};
pub use open_error::OpenError;
pub use relocation::{Arrival, Holding, Target, TargetError};
pub use store_impl::PostgresStore;
