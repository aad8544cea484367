//! Calendars: windows, dates and zones through clock changes, against a walk minute by minute.

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Unstructured};
use domain::calendar::{Calendar, CalendarStatus, DAY_SECONDS, DailyRange, Hours, Weekdays};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Zones with hard clock changes, and quiet ones.
const ZONES: [&str; 16] = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Nuuk",
    "Europe/London",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
];

/// How far the walk goes.
const WALK_MINUTES: i64 = 3 * 1_440;
/// 2005-01-01 and the days until 2037.
const FIRST_SECOND: i64 = 1_104_537_600;
const DAYS: u32 = 11_680;

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

#[derive(Debug, Arbitrary)]
struct Case {
    zone: u8,
    day: u16,
    /// Start near the clock change after the day, where there is one.
    at_change: bool,
    minute: i16,
    ranges: Vec<(u8, u16, u16)>,
    first: Option<u8>,
    last: Option<u8>,
    blackouts: Vec<u8>,
}

/// The calendar's next opening and closing are those that the walk finds.
pub fn calendar(data: &[u8]) {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let name = ZONES[usize::from(case.zone) % ZONES.len()];
    let Ok(zone) = TimeZone::get(name) else {
        panic!("{name} is not in the zone data")
    };
    let Some(start) = case.start(&zone) else {
        return;
    };
    let hours = case.hours(zone.to_datetime(start).date());
    let calendar = Calendar::new(&hours, &zone);
    let open_at = |minutes: i64| {
        let at = start + SignedDuration::from_mins(minutes);
        is_open_by_definition(&hours, &zone, at)
    };
    let walk = |wanted: bool| {
        let found = (0..WALK_MINUTES).find(|minutes| open_at(*minutes) == wanted);
        found.map(|minutes| start + SignedDuration::from_mins(minutes))
    };
    let end = start + SignedDuration::from_mins(WALK_MINUTES);
    let agree = |found: Option<Timestamp>, answer: Option<Timestamp>| match found {
        Some(_) => answer == found,
        None => answer.is_none_or(|answer| answer >= end),
    };
    let (opens, closes) = (calendar.next_open(start), calendar.next_close(start));
    assert!(
        agree(walk(true), opens),
        "{name} {start} {hours:?}: {opens:?}"
    );
    assert!(
        agree(walk(false), closes),
        "{name} {start} {hours:?}: {closes:?}"
    );
    match calendar.status(start) {
        CalendarStatus::Open { until } => assert!(open_at(0) && until == closes),
        CalendarStatus::Closed { opens_at, .. } => assert!(!open_at(0) && opens_at == opens),
    }
}

impl Case {
    /// A whole minute, at most a day away from a change if one is asked for.
    fn start(&self, zone: &TimeZone) -> Option<Timestamp> {
        let day = i64::from(u32::from(self.day) % DAYS);
        let base = Timestamp::from_second(FIRST_SECOND + day * i64::from(DAY_SECONDS)).ok()?;
        let change = zone.following(base).next().filter(|_| self.at_change);
        let base = change.map_or(base, |change| change.timestamp());
        let minutes = i64::from(self.minute) % 1_440;
        let second = (base.as_second() / 60 + minutes) * 60;
        Timestamp::from_second(second).ok()
    }

    fn hours(&self, today: Date) -> Hours {
        let day = |offset: u8| today.saturating_add((i64::from(offset % 8) - 3).days());
        let ranges = self.ranges.iter().take(4);
        Hours {
            ranges: ranges.map(|range| daily_range(*range)).collect(),
            first_date: self.first.map(day),
            last_date: self.last.map(day),
            blackout_dates: self
                .blackouts
                .iter()
                .take(3)
                .map(|offset| day(*offset))
                .collect::<BTreeSet<_>>(),
        }
    }
}

fn daily_range((days, start, end): (u8, u16, u16)) -> DailyRange {
    let chosen = WEEKDAYS
        .iter()
        .enumerate()
        .filter(|(index, _)| days & (1 << index) != 0);
    let mut set = chosen.fold(Weekdays::default(), |set, (_, day)| set.with(*day));
    if set.is_empty() {
        set = Weekdays::ALL;
    }
    let (start, end) = (u32::from(start % 1_440) * 60, u32::from(end % 1_441) * 60);
    DailyRange {
        days: set,
        start_second: start,
        // Equal ends are refused before a calendar is made of them.
        end_second: if end == start || end == 0 {
            DAY_SECONDS
        } else {
            end
        },
    }
}

/// The definition, naively: the local time is in a range of its day, or in one of yesterday that
/// crosses midnight.
fn is_open_by_definition(hours: &Hours, zone: &TimeZone, at: Timestamp) -> bool {
    let local = zone.to_datetime(at);
    let allowed = |date: Date| {
        hours.first_date.is_none_or(|first| first <= date)
            && hours.last_date.is_none_or(|last| date <= last)
            && !hours.blackout_dates.contains(&date)
    };
    let (date, time) = (local.date(), local.time());
    let second =
        (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60 + i64::from(time.second());
    allowed(date)
        && hours.ranges.iter().any(|range| {
            let (start, end) = (i64::from(range.start_second), i64::from(range.end_second));
            if start < end {
                return range.days.contains(date.weekday()) && start <= second && second < end;
            }
            let Ok(yesterday) = date.yesterday() else {
                return false;
            };
            (range.days.contains(date.weekday()) && start <= second)
                || (allowed(yesterday) && range.days.contains(yesterday.weekday()) && second < end)
        })
}
