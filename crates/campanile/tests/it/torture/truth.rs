//! The one clock by which everything is judged: the sandbox's own, which counts on from its start
//! and follows no step of the machine's clock.
//!
//! It is read from afar, so it is known within half a round trip only. Whoever writes down an
//! instant of their own says in which direction the doubt goes: nobody may be blamed for it.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::http::request;
use super::wait::instant;

/// Microseconds of the sandbox's clock since 1970.
pub(super) type Micros = i64;

/// Questions to the sandbox; the quickest tells most exactly.
const QUESTIONS: usize = 40;

#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    since: Instant,
    /// The sandbox's time at that instant, at the earliest and at the latest.
    earliest: Micros,
    latest: Micros,
}

impl Truth {
    /// Asks the sandbox some times at once; both clocks are monotonic, so that once is enough.
    pub(super) fn of(sandbox: &str) -> Self {
        let questions = (0..QUESTIONS).map(|_| Self::ask(sandbox));
        let quickest = questions.min_by_key(|truth| truth.latest - truth.earliest);
        quickest.expect("there are questions")
    }

    fn ask(sandbox: &str) -> Self {
        let since = instant();
        request(sandbox, "truth", "GET", "/vapi/call?limit=1", None).expect("the sandbox answers");
        let trip = i64::try_from(since.elapsed().as_micros()).unwrap();
        let (_, log) = request(sandbox, "", "GET", "/control/requests", None).unwrap();
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        let read_at = micros(&last["time"]).unwrap();
        // It was read somewhere on the way there and back.
        Self {
            since,
            earliest: read_at - trip,
            latest: read_at,
        }
    }

    /// What may have happened before this has.
    pub(super) fn at_latest(&self) -> Micros {
        self.latest + self.elapsed()
    }

    /// The same of an instant of this process's own clock.
    pub(super) fn at_latest_of(&self, moment: Instant) -> Micros {
        let since = moment.saturating_duration_since(self.since);
        self.latest + i64::try_from(since.as_micros()).unwrap()
    }

    /// What may have happened after this has.
    pub(super) fn at_earliest(&self) -> Micros {
        self.earliest + self.elapsed()
    }

    /// In the middle of the doubt.
    pub(super) fn now(&self) -> Micros {
        i64::midpoint(self.earliest, self.latest) + self.elapsed()
    }

    fn elapsed(&self) -> Micros {
        i64::try_from(self.since.elapsed().as_micros()).unwrap()
    }
}

/// An instant of the sandbox's logs.
pub(super) fn micros(text: &Value) -> Option<Micros> {
    let at: Timestamp = text.as_str()?.parse().ok()?;
    Some(at.as_microsecond())
}
