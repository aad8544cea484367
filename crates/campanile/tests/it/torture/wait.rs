//! Waiting, in a test of processes that cannot be asked to tell when they are done.

use std::time::{Duration, Instant};

/// The monotonic clock of the machine.
pub(crate) fn instant() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test against real processes runs in real time"
    )]
    Instant::now()
}

/// Lets time pass where the moment itself is the test.
pub(crate) fn pause(milliseconds: u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the moment of a sudden death has no event to wait for"
    )]
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Polls until the condition is met; false when that took too long.
pub(crate) fn met_within(limit: Duration, mut met: impl FnMut() -> bool) -> bool {
    let began = instant();
    while !met() {
        if began.elapsed() > limit {
            return false;
        }
        pause(20);
    }
    true
}

/// The same where the test cannot go on without it.
pub(crate) fn wait_until(limit: Duration, met: impl FnMut() -> bool) {
    assert!(
        met_within(limit, met),
        "the condition was not met in {limit:?}"
    );
}
