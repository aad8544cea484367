//! The clock of this machine held against the one of the database's server.
//!
//! Processes that share a database plan by instants that others wrote. One whose clock differs by
//! more than [`MAX_OFFSET`] would call before a window opens, or after it has closed, and would undo
//! the pauses between calls; so it places none, says so, and leaves the calls to the others. It
//! dials again by itself when its clock is back within [`BACK_WITHIN`].
//!
//! The database's clock is read to be compared, and decides nothing else. It is known only as
//! exactly as a round trip is short: its answer was made somewhere between question and arrival. Of
//! several round trips the shortest counts, and a process is judged by what is certain: it stops
//! when the clocks are apart by more than the limit wherever in the round trip the answer was made.
//!
//! Between two measurements this machine's clock is held against the one that nobody can set. When
//! it was set, calls that are reserved do not leave, and it is measured anew before the next plan.
//!
//! An installation without another clock (an embedded database) has nothing to compare.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ambient::Clock;
use jiff::{SignedDuration, Timestamp};
use store::{Store, StoreError, StoreResult};

use crate::trouble::Trouble;

/// Beyond this a process places no call.
pub const MAX_OFFSET: SignedDuration = SignedDuration::from_secs(2);
/// Within this, one that placed none for its clock does again: a clock at the limit must not make it
/// begin and stop in turns.
const BACK_WITHIN: SignedDuration = SignedDuration::from_secs(1);
/// How often it is measured.
const PERIOD: Duration = Duration::from_secs(10);
/// A clock that went differently by more than this since it was measured was set.
const SET_BY: SignedDuration = SignedDuration::from_millis(250);
/// Round trips of one measurement, at most.
const MAX_ROUND_TRIPS: u32 = 5;
/// A round trip that is as short as this tells enough.
const SHORT_ROUND_TRIP: Duration = Duration::from_millis(50);

/// How far this machine's clock is ahead of the database's, as far as that can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    least: SignedDuration,
    most: SignedDuration,
}

impl ClockOffset {
    /// From one round trip: what this machine's clock said before the question, what the database's
    /// clock answered, and how long both took together.
    fn of_round_trip(before: Timestamp, database: Timestamp, took: Duration) -> Self {
        let least = before.duration_since(database);
        let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
        Self {
            least,
            most: least.saturating_add(took),
        }
    }

    /// How far it is ahead, most likely; negative when it is behind.
    pub fn ahead(self) -> SignedDuration {
        self.least.saturating_add(self.uncertainty())
    }

    /// How much [`Self::ahead`] may be wrong, either way.
    pub fn uncertainty(self) -> SignedDuration {
        self.most.saturating_sub(self.least) / 2
    }

    /// Whether the clocks are certainly further apart than a process may be that dials.
    pub fn is_too_far(self) -> bool {
        self.least > MAX_OFFSET || self.most < -MAX_OFFSET
    }

    /// Whether they are certainly near enough to dial again.
    fn is_near(self) -> bool {
        self.least >= -BACK_WITHIN && self.most <= BACK_WITHIN
    }

    /// The same after this machine's clock was set by so much.
    fn after_setting(self, by: SignedDuration) -> Self {
        Self {
            least: self.least.saturating_add(by),
            most: self.most.saturating_add(by),
        }
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead = self.ahead().as_secs_f64();
        let side = if ahead < 0.0 { "behind" } else { "ahead of" };
        let (ahead, uncertain) = (ahead.abs(), self.uncertainty().as_secs_f64());
        write!(
            f,
            "{ahead:.3} s {side} the database server's (±{uncertain:.3} s)"
        )
    }
}

/// Measures how far the clock of this machine is ahead of the database's; `None`: the database has no
/// other clock.
///
/// # Errors
/// The database does not answer.
pub async fn measure_clock_offset(
    store: &dyn Store,
    clock: &dyn Clock,
) -> StoreResult<Option<ClockOffset>> {
    measure(clock, || store.database_clock()).await
}

async fn measure<Answer>(
    clock: &dyn Clock,
    ask: impl Fn() -> Answer,
) -> StoreResult<Option<ClockOffset>>
where
    Answer: Future<Output = StoreResult<Option<Timestamp>>>,
{
    let mut best: Option<(Duration, ClockOffset)> = None;
    for _ in 0..MAX_ROUND_TRIPS {
        // In this order: a pause between the two makes the round trip longer, never the answer wrong.
        let began = steady(clock);
        let before = clock.now();
        let Some(database) = ask().await? else {
            return Ok(None);
        };
        let took = steady(clock).saturating_sub(began);
        let offset = ClockOffset::of_round_trip(before, database, took);
        if best.is_none_or(|(shortest, _)| took < shortest) {
            best = Some((took, offset));
        }
        if took <= SHORT_ROUND_TRIP {
            break;
        }
    }
    Ok(best.map(|(_, offset)| offset))
}

/// A clock that nobody can set.
fn steady(clock: &dyn Clock) -> Duration {
    clock.uptime().unwrap_or_else(|| clock.monotonic())
}

/// What this process knows of the two clocks.
pub(crate) struct ClockAgreement(Mutex<Known>);

struct Known {
    last: Last,
    trouble: Trouble,
}

/// The last that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing yet.
    Nothing,
    /// There is no other clock.
    NoOther,
    /// See [`Measured`].
    Measured(Measured),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    offset: ClockOffset,
    /// When, on the clock that nobody can set.
    at: Duration,
    /// What the other said when this one was zero.
    zero: Timestamp,
    /// Whether no call is placed for it.
    is_off: bool,
}

impl Measured {
    /// The verdict on a measurement, which depends on the one before.
    fn new(offset: ClockOffset, (now, steady): (Timestamp, Duration), before: Last) -> Self {
        let was_off = matches!(before, Last::Measured(Measured { is_off: true, .. }));
        Self {
            offset,
            at: steady,
            zero: zero(now, steady),
            is_off: offset.is_too_far() || was_off && !offset.is_near(),
        }
    }

    /// By how much the clock was set since.
    fn set_by(&self, now: Timestamp, steady: Duration) -> SignedDuration {
        zero(now, steady).duration_since(self.zero)
    }

    /// Whether it is to be measured again.
    fn is_over(&self, now: Timestamp, steady: Duration) -> bool {
        steady.saturating_sub(self.at) >= PERIOD || self.set_by(now, steady).abs() > SET_BY
    }

    /// Whether no call may leave now.
    fn forbids(&self, now: Timestamp, steady: Duration) -> bool {
        let offset = self.offset.after_setting(self.set_by(now, steady));
        self.is_off || offset.is_too_far()
    }
}

fn zero(now: Timestamp, steady: Duration) -> Timestamp {
    let steady = SignedDuration::try_from(steady).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(steady).unwrap_or(Timestamp::MIN)
}

impl ClockAgreement {
    /// Nothing is known yet: no call may leave, unless the clock cannot be compared with another.
    pub(crate) fn new(is_comparable: bool) -> Self {
        Self(Mutex::new(Known {
            last: if is_comparable {
                Last::Nothing
            } else {
                Last::NoOther
            },
            trouble: Trouble::none("no call is placed by this process"),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change is one step: a panic elsewhere leaves it true.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures if it is time to. Answers whether calls may be planned by this clock.
    ///
    /// # Errors
    /// The database does not answer; then nothing may be planned either.
    pub(crate) async fn check(&self, store: &dyn Store, clock: &dyn Clock) -> StoreResult<bool> {
        let last = self.lock().last;
        let is_due = match last {
            Last::Nothing => true,
            Last::NoOther => false,
            Last::Measured(measured) => measured.is_over(clock.now(), steady(clock)),
        };
        if is_due {
            // Before the reading: if the clock is set during it, that is noticed afterwards.
            let moment = (clock.now(), steady(clock));
            let offset = measure_clock_offset(store, clock).await?;
            self.learn(offset, moment, clock);
        }
        Ok(self.permits(clock))
    }

    fn learn(&self, offset: Option<ClockOffset>, moment: (Timestamp, Duration), clock: &dyn Clock) {
        let mut known = self.lock();
        let Some(offset) = offset else {
            known.last = Last::NoOther;
            return;
        };
        let measured = Measured::new(offset, moment, known.last);
        known.last = Last::Measured(measured);
        if measured.is_off {
            let why = StoreError::Held(sentence(offset));
            known.trouble.failed(clock, &why);
        } else {
            known.trouble.is_over();
        }
        metrics::gauge!("campanile_clock_offset_seconds").set(offset.ahead().as_secs_f64());
        let held = if measured.is_off { 1.0 } else { 0.0 };
        metrics::gauge!("campanile_held_by_clock").set(held);
    }

    /// Whether a call may leave now, as far as the clock is concerned.
    pub(crate) fn permits(&self, clock: &dyn Clock) -> bool {
        match self.lock().last {
            Last::Nothing => false,
            Last::NoOther => true,
            Last::Measured(measured) => !measured.forbids(clock.now(), steady(clock)),
        }
    }

    /// Why this process places no call, if that is for its clock.
    pub(crate) fn withheld(&self) -> Option<String> {
        match self.lock().last {
            Last::Measured(measured) if measured.is_off => Some(sentence(measured.offset)),
            Last::Nothing | Last::NoOther | Last::Measured(_) => None,
        }
    }
}

fn sentence(offset: ClockOffset) -> String {
    let (most, near) = (MAX_OFFSET.as_secs(), BACK_WITHIN.as_secs());
    format!(
        "the clock of this machine is {offset}; set it right: beyond {most} s it places no call, and within {near} s it does again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_772_463_600;

    fn at(seconds: i64, millis: i64) -> Timestamp {
        Timestamp::from_millisecond((START + seconds) * 1_000 + millis).unwrap()
    }

    /// Ahead by so many milliseconds, give or take.
    fn ahead(millis: i64, uncertain: i64) -> ClockOffset {
        ClockOffset {
            least: SignedDuration::from_millis(millis - uncertain),
            most: SignedDuration::from_millis(millis + uncertain),
        }
    }

    #[test]
    fn a_round_trip_tells_the_offset_as_exactly_as_it_is_short() {
        let offset = ClockOffset::of_round_trip(at(3, 0), at(0, 50), Duration::from_millis(100));
        assert_eq!(offset, ahead(3_000, 50));
        assert_eq!(offset.ahead(), SignedDuration::from_secs(3));
        assert_eq!(offset.uncertainty(), SignedDuration::from_millis(50));
        let behind = ClockOffset::of_round_trip(at(0, 0), at(3, 50), Duration::from_millis(100));
        assert_eq!(
            behind.to_string(),
            "3.000 s behind the database server's (±0.050 s)"
        );
    }

    /// A machine whose clock is right, three seconds after the database's.
    #[derive(Default)]
    struct Machine(Mutex<Duration>);

    impl Machine {
        fn pass(&self, millis: u64) {
            *self.0.lock().unwrap() += Duration::from_millis(millis);
        }

        fn passed(&self) -> SignedDuration {
            SignedDuration::try_from(*self.0.lock().unwrap()).unwrap()
        }
    }

    impl Clock for Machine {
        fn now(&self) -> Timestamp {
            at(3, 0) + self.passed()
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    /// What is measured over round trips of so many milliseconds each way, and how many there were.
    fn over(round_trips: &[(u64, u64)]) -> (ClockOffset, usize) {
        let (machine, asked) = (Machine::default(), Mutex::new(0));
        let ask = || {
            let mut asked = asked.lock().unwrap();
            let (there, back) = round_trips[*asked];
            *asked += 1;
            machine.pass(there);
            let answer = at(0, 0) + machine.passed();
            machine.pass(back);
            std::future::ready(Ok(Some(answer)))
        };
        let mut measured = std::pin::pin!(measure(&machine, ask));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(offset) = measured.as_mut().poll(&mut context) else {
            panic!("nothing waits");
        };
        let asked = *asked.lock().unwrap();
        (offset.unwrap().unwrap(), asked)
    }

    #[test]
    fn of_several_round_trips_the_shortest_counts() {
        // The way back takes all the time: the worst case, still within what is told.
        let (offset, asked) = over(&[(0, 900), (100, 100), (0, 4_000), (0, 1_000), (300, 0)]);
        assert_eq!((offset, asked), (ahead(3_000, 100), 5));
        let (offset, asked) = over(&[(900, 0), (0, 50)]);
        assert_eq!(
            (offset, asked),
            (ahead(3_025, 25), 2),
            "a short one is enough"
        );
        let (offset, asked) = over(&[(4_000, 0); 5]);
        assert_eq!((offset, asked), (ahead(1_000, 2_000), 5));
        assert!(!offset.is_too_far(), "nothing is certain");
    }

    #[test]
    fn only_what_is_certain_counts() {
        for (millis, uncertain, far) in [
            (0, 0, false),
            (2_000, 0, false),
            (2_001, 0, true),
            (-2_001, 0, true),
            (2_400, 400, false),
            (2_401, 400, true),
            (-2_401, 400, true),
            (60_000, 60_000, false),
            (86_400_000, 1_000, true),
        ] {
            assert_eq!(
                ahead(millis, uncertain).is_too_far(),
                far,
                "{millis} ± {uncertain}"
            );
        }
    }

    fn judged(offset: ClockOffset, before: Last) -> Last {
        Last::Measured(Measured::new(
            offset,
            (at(0, 0), Duration::from_secs(9)),
            before,
        ))
    }

    fn is_off(last: Last) -> bool {
        matches!(last, Last::Measured(Measured { is_off: true, .. }))
    }

    #[test]
    fn a_clock_that_was_off_must_come_nearer_than_the_limit() {
        let mut last = Last::Nothing;
        for (millis, off) in [
            (1_900, false),
            (2_100, true),
            (1_900, true),
            (1_001, true),
            (1_000, false),
            (1_900, false),
            (-2_100, true),
            (-1_500, true),
            (-900, false),
        ] {
            last = judged(ahead(millis, 0), last);
            assert_eq!(is_off(last), off, "at {millis} ms");
        }
        let off = judged(ahead(3_000, 0), Last::Nothing);
        assert!(is_off(judged(ahead(900, 200), off)), "not certainly near");
    }

    #[test]
    fn a_clock_that_is_set_after_the_measurement_is_noticed_without_another() {
        let Last::Measured(measured) = judged(ahead(1_500, 0), Last::Nothing) else {
            panic!("it was measured");
        };
        let later = Duration::from_secs(14);
        assert!(!measured.is_over(at(5, 0), later) && !measured.forbids(at(5, 0), later));
        assert!(measured.is_over(at(5, 300), later), "it was set a little");
        assert!(!measured.forbids(at(5, 300), later));
        assert!(measured.forbids(at(5, 600), later), "2.1 s are too far");
        assert!(
            !measured.forbids(at(2, 0), later),
            "set back, it is 1.5 s behind"
        );
        assert!(measured.forbids(at(1, 400), later));
        assert!(measured.is_over(at(10, 0), Duration::from_secs(19)));
    }
}
