//! The whole dialer in one thread under a virtual clock, with faults, judged from the outside.
//!
//! The real planner, the real dialer core and the real SQLite statements run against the sandbox's
//! world; time jumps from event to event. A seed decides everything: tenants, lines, campaigns,
//! leads, what users do and when, and which faults strike at which step. What happened is judged
//! from the world's own log of phones and from what users were told, with calendar arithmetic of
//! its own: never from the database, save for what is promised of the records themselves.
//!
//! Invariants of the simulator itself: same seed, same trace; no real time, no thread, no socket;
//! what a cut leaves keeps its instants and dice; a rare state that many seeds never reach is a
//! failure of the simulation, and is told as one.

mod ambient;
mod cuts;
mod faults;
mod history;
mod judge;
mod plan;
#[cfg(feature = "planted")]
pub mod planted;
mod shrink;
mod simulator;
mod summary;
mod transport;

pub use cuts::Cuts;
pub use faults::{FaultKind, FaultSet};
pub use history::Violation;
pub use plan::{DEFAULT_CAMPAIGN_DAYS, Options};
pub use shrink::{Shrunk, shrink};
pub use simulator::{Report, run};
pub use summary::{ENOUGH_SEEDS, Summary};
