//! Golden values (computed independently, tzdb 2026f) and the comparison with brute force.

mod brute_force;

use jiff::civil::date;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn second(text: &str) -> u32 {
    crate::settings::parse_time(text).unwrap()
}

fn range_on(days: Weekdays, start: &str, end: &str) -> DailyRange {
    DailyRange {
        days,
        start_second: second(start),
        end_second: second(end),
    }
}

fn daily(start: &str, end: &str) -> Hours {
    Hours {
        ranges: vec![range_on(Weekdays::ALL, start, end)],
        ..Hours::default()
    }
}

/// Open intervals that begin in `[from, to)`, walked with `next_open` and `next_close` alone.
fn intervals(hours: &Hours, zone_name: &str, from: &str, to: &str) -> Vec<(Timestamp, Timestamp)> {
    let zone = zone(zone_name);
    let calendar = Calendar::new(hours, &zone);
    let (mut from, to) = (at(from), at(to));
    let mut found = Vec::new();
    while let Some(opens) = calendar.next_open(from).filter(|opens| *opens < to) {
        let closes = calendar.next_close(opens).unwrap();
        found.push((opens, closes));
        from = closes;
    }
    found
}

fn expect(hours: &Hours, zone: &str, from: &str, to: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(open, close)| (at(open), at(close)))
        .collect();
    assert_eq!(intervals(hours, zone, from, to), expected, "{zone} {from}");
}

#[test]
fn t1_hours_follow_the_clock_over_the_spring_change() {
    expect(
        &daily("08:00", "21:00"),
        "America/New_York",
        "2026-03-07T06:00:00Z",
        "2026-03-09T06:00:00Z",
        &[
            ("2026-03-07T13:00:00Z", "2026-03-08T02:00:00Z"),
            ("2026-03-08T12:00:00Z", "2026-03-09T01:00:00Z"),
        ],
    );
}

#[test]
fn t2_hours_that_a_clock_change_skips_do_not_open() {
    expect(
        &daily("02:00", "03:00"),
        "America/New_York",
        "2026-03-07T05:00:00Z",
        "2026-03-10T04:00:00Z",
        &[
            ("2026-03-07T07:00:00Z", "2026-03-07T08:00:00Z"),
            ("2026-03-09T06:00:00Z", "2026-03-09T07:00:00Z"),
        ],
    );
}

#[test]
fn t3_hours_that_a_clock_change_cuts_open_for_what_is_left() {
    expect(
        &daily("02:30", "04:00"),
        "America/New_York",
        "2026-03-08T05:00:00Z",
        "2026-03-09T04:00:00Z",
        &[("2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z")],
    );
}

#[test]
fn t4_repeated_hours_open_twice() {
    expect(
        &daily("00:30", "01:30"),
        "America/New_York",
        "2026-11-01T04:00:00Z",
        "2026-11-02T05:00:00Z",
        &[
            ("2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"),
            ("2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"),
        ],
    );
}

#[test]
fn t5_a_fold_of_half_an_hour_opens_twice() {
    expect(
        &daily("01:15", "01:45"),
        "Australia/Lord_Howe",
        "2026-04-04T13:30:00Z",
        "2026-04-05T13:00:00Z",
        &[
            ("2026-04-04T14:15:00Z", "2026-04-04T14:45:00Z"),
            ("2026-04-04T15:00:00Z", "2026-04-04T15:15:00Z"),
        ],
    );
}

#[test]
fn t6_t7_t8_offsets_of_quarter_hours_are_exact() {
    expect(
        &daily("09:00", "21:00"),
        "Asia/Kathmandu",
        "2028-02-28T20:00:00Z",
        "2028-03-01T12:00:00Z",
        &[
            ("2028-02-29T03:15:00Z", "2028-02-29T15:15:00Z"),
            ("2028-03-01T03:15:00Z", "2028-03-01T15:15:00Z"),
        ],
    );
    expect(
        &daily("09:00", "20:00"),
        "Australia/Eucla",
        "2026-06-01T00:00:00Z",
        "2026-06-02T00:00:00Z",
        &[("2026-06-01T00:15:00Z", "2026-06-01T11:15:00Z")],
    );
    expect(
        &daily("09:00", "20:00"),
        "Pacific/Chatham",
        "2026-09-26T12:00:00Z",
        "2026-09-28T00:00:00Z",
        &[
            ("2026-09-26T19:15:00Z", "2026-09-27T06:15:00Z"),
            ("2026-09-27T19:15:00Z", "2026-09-28T06:15:00Z"),
        ],
    );
}

#[test]
fn t13_an_overnight_range_is_an_hour_shorter_in_spring_and_longer_in_autumn() {
    let hours = daily("22:00", "02:00");
    expect(
        &hours,
        "America/New_York",
        "2026-03-07T12:00:00Z",
        "2026-03-08T12:00:00Z",
        &[("2026-03-08T03:00:00Z", "2026-03-08T07:00:00Z")],
    );
    expect(
        &hours,
        "America/New_York",
        "2026-10-31T12:00:00Z",
        "2026-11-01T12:00:00Z",
        &[("2026-11-01T02:00:00Z", "2026-11-01T07:00:00Z")],
    );
}

#[test]
fn t14_an_overnight_range_belongs_to_the_day_on_which_it_begins() {
    let sunday = Weekdays::default().with(Weekday::Sunday);
    let hours = Hours {
        ranges: vec![range_on(sunday, "22:00", "02:00")],
        ..Hours::default()
    };
    expect(
        &hours,
        "Europe/London",
        "2026-06-05T00:00:00Z",
        "2026-06-15T00:00:00Z",
        &[
            ("2026-06-07T21:00:00Z", "2026-06-08T01:00:00Z"),
            ("2026-06-14T21:00:00Z", "2026-06-15T01:00:00Z"),
        ],
    );
}

#[test]
fn t15_a_blackout_on_a_day_that_begins_at_one_o_clock() {
    let mut hours = daily("00:00", "24:00");
    hours.blackout_dates.insert(date(2026, 4, 24));
    let cairo = zone("Africa/Cairo");
    let calendar = Calendar::new(&hours, &cairo);
    let closes = at("2026-04-23T22:00:00Z");
    let opens = at("2026-04-24T21:00:00Z");
    assert_eq!(
        calendar.next_close(at("2026-04-23T12:00:00Z")),
        Some(closes)
    );
    assert_eq!(
        calendar.status(closes),
        CalendarStatus::Closed {
            reason: Closed::BlackoutDate,
            opens_at: Some(opens)
        }
    );
    assert_eq!(calendar.next_close(opens), None);
}

#[test]
fn t16_vancouver_keeps_summer_time() {
    // The canary: older time zone data would place these calls an hour off.
    assert!(
        time_zone_data_version() >= "2026",
        "{}",
        time_zone_data_version()
    );
    expect(
        &daily("08:00", "21:00"),
        "America/Vancouver",
        "2026-10-31T12:00:00Z",
        "2026-11-01T18:00:00Z",
        &[
            ("2026-10-31T15:00:00Z", "2026-11-01T04:00:00Z"),
            ("2026-11-01T15:00:00Z", "2026-11-02T04:00:00Z"),
        ],
    );
}

#[test]
fn t21_a_leap_day_can_be_blacked_out() {
    let mut hours = daily("08:00", "21:00");
    hours.blackout_dates.insert(date(2028, 2, 29));
    expect(
        &hours,
        "America/New_York",
        "2028-02-28T12:00:00Z",
        "2028-03-01T20:00:00Z",
        &[
            ("2028-02-28T13:00:00Z", "2028-02-29T02:00:00Z"),
            ("2028-03-01T13:00:00Z", "2028-03-02T02:00:00Z"),
        ],
    );
}

#[test]
fn t22_a_date_that_a_zone_skipped_never_opens() {
    let apia = zone("Pacific/Apia");
    let only = Hours {
        first_date: Some(date(2011, 12, 30)),
        last_date: Some(date(2011, 12, 30)),
        ..daily("00:00", "24:00")
    };
    assert_eq!(
        Calendar::new(&only, &apia).next_open(at("2011-12-20T00:00:00Z")),
        None
    );
    let hours = daily("09:00", "10:00");
    let calendar = Calendar::new(&hours, &apia);
    let after_the_29th = at("2011-12-29T20:00:00Z");
    assert_eq!(
        calendar.next_open(after_the_29th),
        Some(at("2011-12-30T19:00:00Z"))
    );
    // The day after the 29th is the 31st; it begins when the 29th ends.
    assert_eq!(
        next_local_day(&apia, after_the_29th),
        at("2011-12-30T10:00:00Z")
    );
}

#[test]
fn t30_hours_that_never_open_say_so() {
    let berlin = zone("Europe/Berlin");
    let now = at("2026-08-26T12:00:00Z");
    let never = |hours: &Hours| Calendar::new(hours, &berlin).next_open(now);
    assert_eq!(never(&Hours::default()), None);
    let saturday = Some(date(2026, 8, 29));
    let monday = Weekdays::default().with(Weekday::Monday);
    let mismatch = Hours {
        ranges: vec![range_on(monday, "09:00", "18:00")],
        first_date: saturday,
        last_date: saturday,
        ..Hours::default()
    };
    assert_eq!(never(&mismatch), None);
    let over = Hours {
        last_date: Some(date(2026, 8, 25)),
        ..daily("09:00", "18:00")
    };
    assert_eq!(never(&over), None);
    let days = date(2026, 8, 26).series(1.day());
    let blacked_out = Hours {
        last_date: Some(date(2026, 9, 30)),
        blackout_dates: days.take(60).collect(),
        ..daily("09:00", "18:00")
    };
    assert_eq!(never(&blacked_out), None);
}

#[test]
fn the_reason_is_the_widest_that_holds() {
    let utc = TimeZone::UTC;
    let hours = Hours {
        first_date: Some(date(2026, 3, 2)),
        last_date: Some(date(2026, 3, 6)),
        blackout_dates: [date(2026, 3, 4)].into(),
        ..daily("09:00", "18:00")
    };
    let calendar = Calendar::new(&hours, &utc);
    let closed = |reason, opens_at: &str| CalendarStatus::Closed {
        reason,
        opens_at: (!opens_at.is_empty()).then(|| at(opens_at)),
    };
    let status = |text: &str| calendar.status(at(text));
    assert_eq!(
        status("2026-02-01T12:00:00Z"),
        closed(Closed::BeforeStartDate, "2026-03-02T09:00:00Z")
    );
    assert_eq!(
        status("2026-03-03T18:00:00Z"),
        closed(Closed::OutsideWindow, "2026-03-05T09:00:00Z")
    );
    assert_eq!(
        status("2026-03-04T12:00:00Z"),
        closed(Closed::BlackoutDate, "2026-03-05T09:00:00Z")
    );
    assert_eq!(
        status("2026-03-06T18:00:00Z"),
        closed(Closed::OutsideWindow, "")
    );
    assert_eq!(
        status("2026-03-07T12:00:00Z"),
        closed(Closed::AfterEndDate, "")
    );
    assert_eq!(
        status("2026-03-03T12:00:00Z"),
        CalendarStatus::Open {
            until: Some(at("2026-03-03T18:00:00Z"))
        }
    );
}

#[test]
fn the_morning_of_an_overnight_range_needs_both_its_days() {
    let hours = Hours {
        first_date: Some(date(2026, 3, 2)),
        last_date: Some(date(2026, 3, 5)),
        blackout_dates: [date(2026, 3, 4)].into(),
        ..daily("22:00", "02:00")
    };
    // Not the morning of the first date, nothing of the 4th, not the morning of the 5th, and the
    // last evening ends with its date.
    expect(
        &hours,
        "UTC",
        "2026-03-01T00:00:00Z",
        "2026-03-10T00:00:00Z",
        &[
            ("2026-03-02T22:00:00Z", "2026-03-03T02:00:00Z"),
            ("2026-03-03T22:00:00Z", "2026-03-04T00:00:00Z"),
            ("2026-03-05T22:00:00Z", "2026-03-06T00:00:00Z"),
        ],
    );
}

#[test]
fn a_calendar_that_is_always_open_closes_only_by_date() {
    let always = daily("00:00", "24:00");
    let new_york = zone("America/New_York");
    let now = at("2026-08-26T12:00:00Z");
    assert_eq!(
        Calendar::new(&always, &new_york).status(now),
        CalendarStatus::Open { until: None }
    );
    let ends = Hours {
        last_date: Some(date(2036, 1, 1)),
        ..always.clone()
    };
    let closes = Calendar::new(&ends, &new_york).next_close(now);
    assert_eq!(closes, Some(at("2036-01-02T05:00:00Z")));
    let last_day = at("2036-01-02T04:59:59Z");
    assert_eq!(Calendar::new(&ends, &new_york).next_close(last_day), closes);
    let pause = Hours {
        blackout_dates: [date(2034, 5, 1)].into(),
        ..ends
    };
    let closes = Calendar::new(&pause, &new_york).next_close(now);
    assert_eq!(closes, Some(at("2034-05-01T04:00:00Z")));
}

#[test]
fn a_clock_set_back_across_midnight_repeats_the_evening() {
    // St John's, 2006-10-29: at 00:01 the clock went back to 23:01 of the 28th.
    let saturday = Weekdays::default().with(Weekday::Saturday);
    let hours = Hours {
        ranges: vec![range_on(saturday, "20:00", "24:00")],
        ..Hours::default()
    };
    expect(
        &hours,
        "America/St_Johns",
        "2006-10-28T12:00:00Z",
        "2006-10-30T12:00:00Z",
        &[
            ("2006-10-28T22:30:00Z", "2006-10-29T02:30:00Z"),
            ("2006-10-29T02:31:00Z", "2006-10-29T03:30:00Z"),
        ],
    );
    let repeated = at("2006-10-29T03:00:00Z");
    assert_eq!(
        next_local_day(&zone("America/St_Johns"), repeated),
        at("2006-10-29T03:30:00Z")
    );
}

#[test]
fn answers_hold_to_the_second_and_below() {
    let utc = TimeZone::UTC;
    let hours = daily("09:00", "18:00:30");
    let calendar = Calendar::new(&hours, &utc);
    assert!(!calendar.is_open(at("2026-03-02T08:59:59.999999999Z")));
    assert!(calendar.is_open(at("2026-03-02T09:00:00Z")));
    assert!(calendar.is_open(at("2026-03-02T18:00:29.999999999Z")));
    assert!(!calendar.is_open(at("2026-03-02T18:00:30Z")));
    let just_before = at("2026-03-02T08:59:59.5Z");
    assert_eq!(
        calendar.next_open(just_before),
        Some(at("2026-03-02T09:00:00Z"))
    );
}

#[test]
fn a_day_that_is_named_twice_is_in_the_set_once() {
    let monday = Weekdays::default().with(Weekday::Monday);
    assert_eq!(monday.with(Weekday::Monday), monday);
    assert_eq!(Weekdays::ALL.with(Weekday::Sunday), Weekdays::ALL);
    assert!(Weekdays::default().is_empty());
    assert!(!monday.is_empty());
}

#[test]
fn ranges_that_cover_a_day_twice_still_close_on_a_far_date() {
    let sunday = Weekdays::default().with(Weekday::Sunday);
    let hours = Hours {
        ranges: vec![
            range_on(Weekdays::ALL, "00:00", "24:00"),
            range_on(sunday, "00:00", "24:00"),
        ],
        last_date: Some(date(2036, 1, 1)),
        ..Hours::default()
    };
    let new_york = zone("America/New_York");
    let closes = Calendar::new(&hours, &new_york).next_close(at("2026-08-26T12:00:00Z"));
    assert_eq!(closes, Some(at("2036-01-02T05:00:00Z")));
}

#[test]
fn a_first_date_opens_however_far_away_it_is() {
    let berlin = zone("Europe/Berlin");
    let starting = |first| Hours {
        first_date: Some(first),
        ..daily("09:00", "18:00")
    };
    let opens = |first, now| Calendar::new(&starting(first), &berlin).next_open(at(now));
    // Further ahead than openings are looked for day by day.
    assert_eq!(
        opens(date(2036, 1, 2), "2026-08-26T12:00:00Z"),
        Some(at("2036-01-02T08:00:00Z"))
    );
    // As long ago, in the evening: the next morning is as near as it was on the first day.
    assert_eq!(
        opens(date(2016, 1, 2), "2026-08-26T18:00:00Z"),
        Some(at("2026-08-27T07:00:00Z"))
    );
    assert_eq!(
        opens(date(2026, 8, 26), "2026-08-26T06:00:00Z"),
        Some(at("2026-08-26T07:00:00Z"))
    );
}

/// With older data, calls to Vancouver would be an hour off (T16).
#[test]
fn t20_the_release_of_the_time_zone_data_is_told_and_new_enough() {
    let version = time_zone_data_version();
    let (year, letter) = version.split_at(4);
    let year: u32 = year.parse().unwrap();
    assert_eq!(letter.len(), 1, "{version}");
    assert!(letter.starts_with(|letter: char| letter.is_ascii_lowercase()));
    assert!(year > 2026 || (year == 2026 && letter >= "f"), "{version}");
}
