//! How long lines and campaigns rest whose calls fail, the same on every back end. Pure.
//!
//! Pauses grow with each failure in a row and end by themselves: no fault ever ends a campaign.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// First pause of a failing line; doubles up to [`MAX_LINE_PAUSE`].
const LINE_PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// Longest pause of a failing line.
const MAX_LINE_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// First pause of a campaign whose calls fail by configuration; doubles up to [`MAX_CIRCUIT_PAUSE`].
const CIRCUIT_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// Longest pause of such a campaign.
const MAX_CIRCUIT_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// Lost answers in a row before the line rests: single ones happen to every network.
const TOLERATED_LOSSES: i64 = 3;

/// Failures of a line in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// With this one.
    pub failures: i64,
    /// Whether it had to rest for the ones before.
    pub on_trial: bool,
}

impl Failing {
    /// How long the line rests because its provider refuses.
    pub fn pause(self) -> SignedDuration {
        growing(LINE_PAUSE, MAX_LINE_PAUSE, self.failures)
    }

    /// How long the line rests after a transport failure, or an answer that proves nothing; `None`:
    /// not yet. A line on trial has used its patience up.
    pub fn pause_after_fault(self, never_sent: bool) -> Option<SignedDuration> {
        if never_sent {
            return Some(self.pause());
        }
        if !self.on_trial && self.failures < TOLERATED_LOSSES {
            return None;
        }
        let grown = self.failures - TOLERATED_LOSSES + 1;
        Some(growing(LINE_PAUSE, MAX_LINE_PAUSE, grown))
    }
}

/// How long a campaign waits after so many calls in a row that failed by configuration.
pub fn circuit_pause(failures: i64) -> SignedDuration {
    growing(CIRCUIT_PAUSE, MAX_CIRCUIT_PAUSE, failures)
}

/// Until when a caller number rests that may place no more calls today: the provider's next day, which
/// is taken as the next UTC day.
pub fn number_rests_until(now: Timestamp) -> Timestamp {
    domain::calendar::next_local_day(&TimeZone::UTC, now)
}

/// The end of a pause that begins now.
pub fn after(now: Timestamp, pause: SignedDuration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(now)
}

fn growing(first: SignedDuration, most: SignedDuration, failures: i64) -> SignedDuration {
    let doublings = u32::try_from(failures.clamp(1, 20) - 1).unwrap_or_default();
    first.saturating_mul(1 << doublings).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn failing(failures: i64) -> Failing {
        Failing {
            failures,
            on_trial: false,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |failures| failing(failures).pause().as_secs();
        assert_eq!([1, 2, 5, 6, 90].map(seconds), [2, 4, 32, 60, 60]);
        let seconds = |failures| circuit_pause(failures).as_secs();
        assert_eq!([1, 2, 6, 7, 90].map(seconds), [30, 60, 960, 1_800, 1_800]);
    }

    #[test]
    fn single_lost_answers_are_tolerated_unless_the_line_is_on_trial() {
        let pause = |failing: Failing| failing.pause_after_fault(false).map(|it| it.as_secs());
        assert_eq!(
            [1, 2, 3, 4].map(failing).map(pause),
            [None, None, Some(2), Some(4)]
        );
        let on_trial = Failing {
            failures: 2,
            on_trial: true,
        };
        assert_eq!(pause(on_trial), Some(2));
        assert_eq!(failing(1).pause_after_fault(true), Some(LINE_PAUSE));
    }
}
