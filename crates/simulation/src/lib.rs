//! The whole dialer in one thread under a virtual clock, with faults, judged from the outside.
//!
//! The real planner, the real dialer core and the real SQLite statements run against the sandbox's
//! world; time jumps from event to event. A seed decides everything: the campaigns, the leads, what
//! users do and when, which answers are lost, which callbacks come twice, and at which step the
//! process dies. What happened is judged by [`judge`] from the world's own log of phones and the
//! log of what users were told, with calendar arithmetic of its own: never from the database.
//!
//! Invariants of the simulator itself: same seed, same trace; no real time, no thread, no socket.

mod ambient;
mod judge;
mod simulator;
mod transport;
mod workload;

pub use judge::Violation;
pub use simulator::{Faults, Report, run};
