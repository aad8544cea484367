//! The kinds of torture. Each has an installation of its own, so that they run side by side and
//! mostly wait.

pub(super) mod clock;
pub(super) mod deaths;
pub(super) mod disk;
pub(super) mod input_output;
pub(super) mod limits;
pub(super) mod restarts;
pub(super) mod restores;
pub(super) mod stops;

use std::time::Duration;

/// Beyond this the leads of a campaign must be final: a call in doubt is looked up for about two
/// minutes until its absence is certain, twice when the second try is lost as well.
pub(super) const BOUND: Duration = Duration::from_secs(420);
