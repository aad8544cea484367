//! The life of one attempt, as a reducer over facts.
//!
//! ```text
//! DISPATCHING ─ placed ─▶ PLACED ▶ RINGING ▶ IN_PROGRESS ▶ ENDED(outcome)
//!      ├ refused ─▶ REJECTED   ├ provably unsent ─▶ RELEASED      (neither counts)
//!      └ anything else ─▶ UNKNOWN ─▶ PLACED | ABSENT | ENDED(PRESUMED_PLACED)
//! ```
//!
//! Invariants: facts may come doubled, late and in any order; progress never goes backwards; an
//! UNKNOWN attempt is never sent again; a terminal state changes only when proof of a call
//! arrives after we had given it up (or a mailbox is recognised late), and that is reported as a
//! correction; every live state has a next look-up, and the look-ups end.

mod facts;
mod look_up;
mod reducer;
mod state;

pub use facts::{Change, Effect, EndFault, Fact, Patience, Refusal};
pub use look_up::{next_check, overdue_at};
pub use reducer::apply;
pub use state::{AttemptState, StateName};

#[cfg(test)]
mod tests;
