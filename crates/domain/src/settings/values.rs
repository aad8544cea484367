//! Single values of settings, from the texts that users write: zones, dates, times of day.
//!
//! What cannot be read says why: a text of the wrong form, one that names nothing, and one that names
//! what would be misunderstood are mended in different ways.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::DAY_SECONDS;
use crate::fault::Fault;

/// Longest name of a zone, bytes.
const MAX_ZONE_BYTES: usize = 64;
/// First and last year of a date. The end is far from where instants end, so that no arithmetic on
/// days of a campaign does.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=9000;
/// Names of the database that have no summer time, though the places that people mean have it: name,
/// what they mean, and the same zone without the misunderstanding.
const MISLEADING: [(&str, &str, &str); 2] = [
    ("EST", "America/New_York", "America/Panama"),
    ("MST", "America/Denver", "America/Phoenix"),
];
/// Names that stand for "nobody has chosen one".
const UNCHOSEN: [&str; 2] = ["Factory", "Etc/Unknown"];

/// Why a text names no zone to call by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneFault {
    /// The database has no zone of this name.
    Unknown,
    /// The zone has no summer time, and is nearly always chosen by those who believe that it has:
    /// their calls would come an hour late for half of the year.
    WithoutSummerTime {
        /// The name as the database has it.
        name: &'static str,
        /// The place that is usually meant.
        meant: &'static str,
        /// The same zone, named by a place that really has no summer time.
        same: &'static str,
    },
}

impl ZoneFault {
    /// The fault of `field`.
    pub fn of(self, field: &str) -> Fault {
        let fault = |code, message: String| Fault::new(field, code, message);
        match self {
            Self::Unknown => fault(
                "unknown_timezone",
                format!(
                    "`{field}` must be a zone of the IANA time zone database, like `America/New_York`."
                ),
            ),
            Self::WithoutSummerTime { name, meant, same } => fault(
                "ambiguous_timezone",
                format!(
                    "`{name}` has no summer time: use `{meant}` for the clock of that place, or `{same}` for one that never changes."
                ),
            ),
        }
    }
}

/// A zone by its name in the IANA database, aliases and old names included; neither offsets nor POSIX
/// strings.
///
/// # Errors
/// There is no such zone, or its name misleads.
pub fn parse_zone(name: &str) -> Result<TimeZone, ZoneFault> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if let Some((name, meant, same)) = MISLEADING.into_iter().find(|(name, ..)| is(name)) {
        return Err(ZoneFault::WithoutSummerTime { name, meant, same });
    }
    if name.len() > MAX_ZONE_BYTES || UNCHOSEN.into_iter().any(is) {
        return Err(ZoneFault::Unknown);
    }
    TimeZone::get(name).map_err(|_| ZoneFault::Unknown)
}

/// Why a text is no date of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFault {
    /// It is not written `YYYY-MM-DD`.
    Form,
    /// The year has no such day.
    NoSuchDay,
    /// A date, but too early or too late.
    OutOfRange,
}

impl DateFault {
    /// The fault of `field`.
    pub fn of(self, field: &str) -> Fault {
        let fault = |code, message: String| Fault::new(field, code, message);
        match self {
            Self::Form => fault(
                "invalid_date",
                format!("`{field}` must be a date like `2026-01-31`."),
            ),
            Self::NoSuchDay => fault(
                "invalid_date",
                format!("`{field}` names a day that does not exist; send one like `2026-01-31`."),
            ),
            Self::OutOfRange => {
                let (first, last) = (YEARS.start(), YEARS.end());
                let endless = match field {
                    "end_date" => "; leave it out for a campaign without an end",
                    _ => "",
                };
                fault(
                    "out_of_range",
                    format!("`{field}` must be between {first}-01-01 and {last}-12-31{endless}."),
                )
            }
        }
    }
}

/// `YYYY-MM-DD`, exactly.
///
/// # Errors
/// It is not of this form, or there is no such day, or it is out of range.
pub fn parse_date(text: &str) -> Result<Date, DateFault> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|_| shaped).and_then(digits);
        digits
            .and_then(|number| i16::try_from(number).ok())
            .ok_or(DateFault::Form)
    };
    let small = |range| number(range).map(|number| i8::try_from(number).unwrap_or(i8::MAX));
    let (year, month, day) = (number(0..4)?, small(5..7)?, small(8..10)?);
    let date = Date::new(year, month, day).map_err(|_| DateFault::NoSuchDay)?;
    if YEARS.contains(&year) {
        Ok(date)
    } else {
        Err(DateFault::OutOfRange)
    }
}

/// `HH:MM` or `HH:MM:SS` as the second of the day; `24:00` is 86,400.
pub fn parse_time(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|part| part.len() != 2) {
        return None;
    }
    let mut numbers = parts.iter().map(|part| digits(part));
    let (hour, minute) = (numbers.next()??, numbers.next()??);
    let second = numbers.next().unwrap_or(Some(0))?;
    let total = hour * 3600 + minute * 60 + second;
    (hour <= 24 && minute < 60 && second < 60 && total <= DAY_SECONDS).then_some(total)
}

fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}
