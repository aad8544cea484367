//! Named moments at which a test can make the real process die or stand still.
//!
//! The code says where it is, `failpoint::reach(Failpoint::CallPermitted)`; a test arms one
//! moment, and the process is killed or stopped there and nowhere else. What must hold: a build
//! without debug assertions has none of it, unless the feature `armable` asks for it; a moment
//! that is not armed does nothing; at an armed one no further step of the thread that reached it
//! happens. What it must not do: return errors, change values or wait. A failpoint is a place
//! where the machine may fail, never a second way through the product.

mod armed;
mod names;

pub use armed::{ArmError, arm};
pub use names::{Failpoint, Transaction};

/// Whether this build has failpoints.
pub const ENABLED: bool = cfg!(any(debug_assertions, feature = "armable"));

/// Says that this moment is reached. Whoever armed it is obeyed.
#[inline]
pub fn reach(failpoint: Failpoint) {
    if ENABLED {
        armed::reach(failpoint);
    }
}

/// Whether this moment is armed: for a place that must prepare it, as half a request.
#[inline]
pub fn is_armed(failpoint: Failpoint) -> bool {
    ENABLED && armed::is_armed(failpoint)
}
