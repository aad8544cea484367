//! Arithmetic and text forms of instants.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, fmt::temporal::DateTimePrinter};

const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
const MICROSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// `instant + wait`, held at the end of time.
pub(crate) fn later(instant: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    instant.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// How long from `start` to `end`; zero when `end` is earlier.
pub(crate) fn elapsed(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or(Duration::ZERO)
}

/// Seconds as a duration; negative, infinite or absurd values become zero or 100 years.
pub(crate) fn seconds(value: f64) -> Duration {
    const CENTURY_SECONDS: f64 = 100.0 * 366.0 * 86_400.0;
    if value.is_nan() {
        Duration::ZERO
    } else {
        Duration::from_secs_f64(value.clamp(0.0, CENTURY_SECONDS))
    }
}

/// The vendor's precision: an instant cut to milliseconds, so that comparing with a printed one is
/// exact.
pub(crate) fn to_millisecond(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}

/// RFC 3339 in UTC with milliseconds, as the vendor prints it.
pub(crate) fn with_milliseconds(instant: Timestamp) -> String {
    let mut text = String::with_capacity(24);
    // Writing to a string cannot fail; an empty string would be caught by every reader.
    let _ = MILLISECONDS.print_timestamp(&instant, &mut text);
    text
}

/// RFC 3339 in UTC with microseconds, as the control endpoints print it.
pub(crate) fn with_microseconds(instant: Timestamp) -> String {
    let mut text = String::with_capacity(27);
    let _ = MICROSECONDS.print_timestamp(&instant, &mut text);
    text
}
