//! The wall clock held against one that nobody can set.
//!
//! Calls are placed by the wall clock: windows, days and pauses are instants on it. When it is set
//! by more than a minute, either its old or its new reading was wrong, and nobody here can know
//! which; nothing may dial until it is known. Small corrections are taken as they come, but only a
//! little at a time, so that many small ones cannot add up unseen.
//!
//! Pure: who asks brings both readings.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A difference that is no correction any more.
const MAX_STEP: SignedDuration = SignedDuration::from_secs(60);
/// So close, the clock is back where it should be.
const BACK_WITHIN: SignedDuration = SignedDuration::from_secs(2);
/// How much of a difference is taken as right, per second: far more than a clock drifts, and a
/// correction of half a minute within half an hour.
const TAKEN_PER_SECOND: f64 = 1.0 / 60.0;

/// What the clock did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockState {
    /// It goes as it should.
    Steady,
    /// It is this far from where it should be.
    Stepped(SignedDuration),
}

/// Watches one clock.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Where the clock should be when the uptime is zero.
    zero: Timestamp,
    /// Uptime at the last look.
    uptime: Duration,
    stepped: bool,
}

impl ClockWatch {
    /// Looks at both clocks.
    pub(crate) fn look(&mut self, now: Timestamp, uptime: Duration) -> ClockState {
        let Some(zero) = zero(now, uptime) else {
            return ClockState::Steady;
        };
        let seen = self.seen.get_or_insert(Seen {
            zero,
            uptime,
            stepped: false,
        });
        let apart = zero.duration_since(seen.zero);
        let limit = if seen.stepped { BACK_WITHIN } else { MAX_STEP };
        if apart.abs() > limit {
            seen.stepped = true;
            return ClockState::Stepped(apart);
        }
        seen.stepped = false;
        let passed = uptime.saturating_sub(seen.uptime).as_secs_f64();
        let most = passed * TAKEN_PER_SECOND;
        let taken = apart.as_secs_f64().clamp(-most, most);
        if let Ok(taken) = SignedDuration::try_from_secs_f64(taken) {
            seen.zero = seen.zero.saturating_add(taken).unwrap_or(seen.zero);
        }
        seen.uptime = uptime;
        ClockState::Steady
    }

    /// Takes the clock as right as it is now.
    pub(crate) fn accept(&mut self) {
        self.seen = None;
    }
}

fn zero(now: Timestamp, uptime: Duration) -> Option<Timestamp> {
    now.checked_sub(SignedDuration::try_from(uptime).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_772_463_600;

    struct Machine {
        watch: ClockWatch,
        uptime: u64,
        /// How far the wall clock is from right.
        off: i64,
    }

    impl Machine {
        fn new() -> Self {
            let mut machine = Self {
                watch: ClockWatch::default(),
                uptime: 1_000,
                off: 0,
            };
            assert_eq!(machine.after(0), ClockState::Steady);
            machine
        }

        fn after(&mut self, seconds: u64) -> ClockState {
            self.uptime += seconds;
            let right = START + i64::try_from(self.uptime).unwrap();
            let now = Timestamp::from_second(right + self.off).unwrap();
            self.watch.look(now, Duration::from_secs(self.uptime))
        }

        fn step(&mut self, by: i64) -> ClockState {
            self.off += by;
            self.after(1)
        }
    }

    fn stepped(by: i64) -> ClockState {
        ClockState::Stepped(SignedDuration::from_secs(by))
    }

    #[test]
    fn time_that_passes_is_no_step_however_long_nobody_looked() {
        let mut machine = Machine::new();
        for seconds in [1, 60, 3_600, 1_000_000] {
            assert_eq!(machine.after(seconds), ClockState::Steady);
        }
    }

    #[test]
    fn a_step_is_noticed_either_way_until_the_clock_is_back() {
        for by in [61, -61, 86_400, -86_400] {
            let mut machine = Machine::new();
            assert_eq!(machine.step(by), stepped(by));
            assert_eq!(machine.after(3_600), stepped(by), "it does not wear off");
            assert_eq!(
                machine.step(-by + 3),
                stepped(3),
                "not yet where it should be"
            );
            assert_eq!(machine.step(-1), ClockState::Steady);
            assert_eq!(
                machine.step(by),
                stepped(by),
                "the next one is noticed as well"
            );
        }
    }

    #[test]
    fn a_correction_is_no_step_and_becomes_right_in_time() {
        let mut machine = Machine::new();
        assert_eq!(machine.step(30), ClockState::Steady);
        assert_eq!(machine.after(1_800), ClockState::Steady);
        assert_eq!(machine.step(45), ClockState::Steady);
    }

    #[test]
    fn many_small_steps_add_up() {
        let mut machine = Machine::new();
        assert_eq!(machine.step(40), ClockState::Steady);
        assert!(matches!(machine.step(40), ClockState::Stepped(_)));
    }

    #[test]
    fn a_step_that_was_accepted_is_the_new_truth() {
        let mut machine = Machine::new();
        assert_eq!(machine.step(86_400), stepped(86_400));
        machine.watch.accept();
        assert_eq!(machine.after(1), ClockState::Steady);
        assert!(matches!(machine.step(-86_400), ClockState::Stepped(_)));
    }
}
