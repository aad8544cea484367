//! The one clock by which everything is judged: the sandbox's own, which counts on from its start
//! and follows no step of the machine's clock.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::http::request;
use super::wait::instant;

/// Microseconds of the sandbox's clock since 1970.
pub(super) type Micros = i64;

#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    since: Instant,
    /// The sandbox's time at that instant, within half a round trip on loopback.
    micros: Micros,
}

impl Truth {
    /// Asks the sandbox once; both clocks are monotonic, so that once is enough.
    pub(super) fn of(sandbox: &str) -> Self {
        let since = instant();
        request(sandbox, "truth", "GET", "/vapi/call?limit=1", None).expect("the sandbox answers");
        let trip = since.elapsed();
        let (_, log) = request(sandbox, "", "GET", "/control/requests", None).unwrap();
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        let half = i64::try_from(trip.as_micros() / 2).unwrap();
        Self {
            since,
            micros: micros(&last["time"]).unwrap() - half,
        }
    }

    pub(super) fn now(&self) -> Micros {
        self.micros + i64::try_from(self.since.elapsed().as_micros()).unwrap()
    }
}

/// An instant of the sandbox's logs.
pub(super) fn micros(text: &Value) -> Option<Micros> {
    let at: Timestamp = text.as_str()?.parse().ok()?;
    Some(at.as_microsecond())
}
