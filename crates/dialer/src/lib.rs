//! The impure shell around the planner: it reads the clock, spawns tasks and talks to providers.
//!
//! ```text
//! wake ─▶ tick (plan + reserve, durable) ─▶ one task per call: guard, send once, classify ─▶ facts
//!                                check loop: look up what is unknown or overdue ─────────▶ facts
//! ```
//! On hold (the database went back, or the clock did) a further loop asks every line's provider for
//! calls that the database does not know, and has them adopted: `hold`, `reconcile`, `clock_hold`. A
//! process that is not on hold asks the same once, briefly, before its first tick: `look_back`.
//! A process whose clock differs from the database server's plans and sends nothing: `clock_offset`.
//!
//! [`Core`] has the steps, each of which can be driven alone (the simulation does); [`Dialer`]
//! runs them until it is told to stop. Events only shorten the wait: both loops scan by time.
//!
//! Invariants: a request to place a call is sent at most once, after its reservation is durable,
//! with the send board's permit and before its deadline; every reserved call gets a fact, even if
//! its task dies; facts that cannot be stored are kept and tried again, never dropped.

mod ambient;
mod chores;
mod clock_hold;
mod clock_offset;
mod clock_watch;
mod core;
mod facts_queue;
mod gate;
mod hold;
mod look_back;
mod look_up;
mod look_up_loop;
mod one_body;
mod pool;
mod reconcile;
mod resolver;
mod run;
mod transport;
mod trial;
mod trouble;
mod window;

pub use ambient::{ScaledClock, SystemClock, SystemEntropy};
pub use clock_offset::{ClockOffset, MAX_OFFSET, measure_clock_offset};
pub use core::{Core, LIST_RETRY_PAUSES, Moment, Options, Parts, Ready};
pub use run::{Dialer, Heartbeat, RunError, SCAN_PERIOD};
pub use transport::{HttpTransport, TransportOptions};
