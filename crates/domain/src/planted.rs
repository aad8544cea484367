//! Bugs on purpose, in builds with the feature `planted` only.
//!
//! A proof that cannot fail proves nothing: the simulation plants known bugs, one at a time, and
//! shows that its judge sees each. `planted!("name", right, wrong)` is `right` in every product
//! build, where neither the switch nor the wrong expression exists.

#[cfg(feature = "planted")]
use std::cell::Cell;

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Plants a bug in this thread, or digs it out again.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<&'static str>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted in this thread.
#[cfg(feature = "planted")]
pub fn is_planted(bug: &str) -> bool {
    PLANTED.get() == Some(bug)
}

/// The right expression; in a build with planted bugs, the wrong one where its bug is planted.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! planted {
    ($bug:literal, $right:expr, $wrong:expr $(,)?) => {
        if $crate::planted::is_planted($bug) {
            $wrong
        } else {
            $right
        }
    };
}

/// Nothing but its argument: a name for the right expression, so that a binding may be renewed.
#[doc(hidden)]
#[cfg(not(feature = "planted"))]
pub const fn right<T>(value: T) -> T {
    value
}

/// The right expression; in a build with planted bugs, the wrong one where its bug is planted.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! planted {
    ($bug:literal, $right:expr, $wrong:expr $(,)?) => {
        $crate::planted::right($right)
    };
}
