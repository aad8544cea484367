//! `next_open` and `next_close` against a walk minute by minute (T37).
//!
//! The walk reads local times from tables that are computed once per zone and place, so that
//! many cases are cheap; the tables know nothing of ranges, edges or transitions.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const ZONES: [&str; 32] = [
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Vancouver",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Asuncion",
    "America/Santiago",
    "America/Nuuk",
    "Atlantic/Azores",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Berlin",
    "Europe/Chisinau",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Australia/Eucla",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
];

const DAY_MINUTES: usize = 1_440;
/// Days of one table; starts lie around the end of the third.
const TABLE_DAYS: usize = 9;

/// The local date and minute of the day at each minute of some days in a zone.
struct Table {
    zone: TimeZone,
    start: Timestamp,
    minutes: Vec<(Date, u16)>,
}

impl Table {
    fn around(zone: &TimeZone, centre: Timestamp) -> Self {
        let start = centre.as_second() / 60 * 60 - 3 * 86_400;
        let minute = |index: usize| {
            let instant = start + i64::try_from(index).unwrap() * 60;
            let civil = zone.to_datetime(Timestamp::from_second(instant).unwrap());
            assert_eq!(civil.second(), 0, "an offset that is not of whole minutes");
            let minute = second_of_day(civil.time()) / 60;
            (civil.date(), u16::try_from(minute).unwrap())
        };
        Self {
            zone: zone.clone(),
            start: Timestamp::from_second(start).unwrap(),
            minutes: (0..TABLE_DAYS * DAY_MINUTES).map(minute).collect(),
        }
    }

    fn instant(&self, minute: usize) -> Timestamp {
        self.start + SignedDuration::from_mins(i64::try_from(minute).unwrap())
    }
}

/// Tables of one zone: around clock changes, and away from them.
struct Place {
    changes: Vec<Table>,
    calm: Table,
}

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let place = |name: &&str| {
        let zone = TimeZone::get(name).unwrap();
        let first_after = |text, count| zone.following(at(text)).take(count);
        let recent = first_after("2026-01-01T00:00:00Z", 2);
        let old = first_after("2006-09-01T00:00:00Z", 1);
        let skipped_day = first_after("2011-12-30T09:59:59Z", 1).filter(|_| name.contains("Apia"));
        let changes = recent.chain(old).chain(skipped_day);
        Place {
            changes: changes
                .map(|change| Table::around(&zone, change.timestamp()))
                .collect(),
            calm: Table::around(&zone, at("2026-06-17T07:23:00Z")),
        }
    };
    ZONES.iter().map(place).collect()
});

/// The definition, written down a second time and naively.
fn open_by_definition(hours: &Hours, (date, minute): (Date, u16)) -> bool {
    let allowed = |date: Date| {
        hours.first_date.is_none_or(|first| first <= date)
            && hours.last_date.is_none_or(|last| date <= last)
            && !hours.blackout_dates.contains(&date)
    };
    let second = u32::from(minute) * 60;
    allowed(date)
        && hours.ranges.iter().any(|range| {
            let (start, end) = (range.start_second, range.end_second);
            if start < end {
                return range.days.contains(date.weekday()) && start <= second && second < end;
            }
            let yesterday = date.yesterday().unwrap();
            (range.days.contains(date.weekday()) && start <= second)
                || (allowed(yesterday) && range.days.contains(yesterday.weekday()) && second < end)
        })
}

#[derive(Debug, Clone)]
struct Case {
    zone: &'static str,
    place: usize,
    change: Option<Index>,
    start_minute: usize,
    start_second: u8,
    hours: Hours,
}

fn ranges() -> impl Strategy<Value = DailyRange> {
    // Whole hours and minutes near them, so that edges meet midnights and clock changes.
    let minute = || {
        let near = (0u32..24, select(vec![0u32, 0, 0, 1, 15, 30, 45, 59]));
        prop_oneof![3 => near.prop_map(|(hour, minute)| hour * 60 + minute), 1 => 0u32..1_440]
    };
    let days = prop_oneof![1 => Just(0b111_1111u8), 2 => 1u8..=0b111_1111];
    (days, minute(), minute()).prop_map(|(days, start, end)| DailyRange {
        days: Weekdays(days),
        start_second: start * 60,
        end_second: if end == 0 || end == start {
            DAY_SECONDS
        } else {
            end * 60
        },
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let dates = (
        prop::option::weighted(0.25, 0i64..6),
        prop::option::weighted(0.25, 2i64..9),
        vec(0i64..9, 0..3),
    );
    // Within 18 hours of the middle of the table.
    let start_minute = 3 * DAY_MINUTES - 18 * 60..3 * DAY_MINUTES + 18 * 60;
    let place = (0..ZONES.len(), prop::option::of(any::<Index>()));
    (place, start_minute, 0u8..60, vec(ranges(), 0..5), dates).prop_map(
        |((place, change), start_minute, start_second, ranges, (first, last, blackouts))| {
            let hours = Hours {
                ranges,
                ..Hours::default()
            };
            let zone = ZONES[place];
            let mut case = Case {
                zone,
                place,
                change,
                start_minute,
                start_second,
                hours,
            };
            let first_day = case.table().minutes[0].0;
            let day = |offset: i64| first_day.saturating_add(offset.days());
            case.hours.first_date = first.map(day);
            case.hours.last_date = last.map(day);
            case.hours.blackout_dates = blackouts.into_iter().map(day).collect();
            case
        },
    )
}

impl Case {
    fn table(&self) -> &'static Table {
        let Place { changes, calm } = &PLACES[self.place];
        match self.change.filter(|_| !changes.is_empty()) {
            Some(change) => change.get(changes),
            None => calm,
        }
    }

    fn start(&self) -> Timestamp {
        let whole = self.table().instant(self.start_minute);
        whole + SignedDuration::from_secs(i64::from(self.start_second))
    }

    /// The first instant at or after the start where openness is `wanted`, if the table has it.
    fn walk(&self, wanted: bool) -> Option<Timestamp> {
        let table = self.table();
        let is_wanted =
            |minute: usize| open_by_definition(&self.hours, table.minutes[minute]) == wanted;
        if is_wanted(self.start_minute) {
            return Some(self.start());
        }
        let mut later = self.start_minute + 1..table.minutes.len();
        later
            .find(|minute| is_wanted(*minute))
            .map(|minute| table.instant(minute))
    }
}

fn agrees(case: &Case, wanted: bool, answer: Option<Timestamp>) -> Result<(), TestCaseError> {
    if let Some(expected) = case.walk(wanted) {
        prop_assert_eq!(answer, Some(expected), "in {}", case.zone);
    } else {
        let end = case.table().instant(case.table().minutes.len());
        prop_assert!(
            answer.is_none_or(|answer| answer >= end),
            "{answer:?} is too early"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, ..ProptestConfig::default() })]

    #[test]
    fn next_open_and_next_close_are_what_a_walk_finds(case in cases()) {
        let table = case.table();
        let calendar = Calendar::new(&case.hours, &table.zone);
        agrees(&case, true, calendar.next_open(case.start()))?;
        agrees(&case, false, calendar.next_close(case.start()))?;
    }
}
