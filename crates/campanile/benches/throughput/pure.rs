//! The calendar and the gate, which are asked for every call.

use std::hint::black_box;
use std::time::Instant;

use domain::calendar::{Calendar, CalendarStatus, DailyRange, Hours, Weekdays};
use domain::campaign::{CampaignStatus, LeadStatus};
use domain::gate::{CampaignFacts, CapacityFacts, LeadFacts, judge};
use domain::policy::{AttemptPolicy, CountedAttempt};
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::Figure;

fn per_run(runs: u32, mut body: impl FnMut(u32)) -> f64 {
    let began = Instant::now();
    for run in 0..runs {
        body(run);
    }
    began.elapsed().as_secs_f64() / f64::from(runs) * 1e9
}

pub(crate) fn measure() -> Vec<Figure> {
    let zone = TimeZone::get("America/New_York").unwrap();
    let days = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
    ];
    let days = days.into_iter().fold(Weekdays::default(), Weekdays::with);
    let hours = Hours {
        ranges: vec![DailyRange {
            days,
            start_second: 9 * 3600,
            end_second: 17 * 3600,
        }],
        ..Hours::default()
    };
    let calendar = Calendar::new(&hours, &zone);
    let bare = per_run(200_000, |run| {
        black_box(zone.to_datetime(at(run)));
    });
    let is_open = per_run(200_000, |run| {
        black_box(calendar.is_open(at(run)));
    });
    let next_open = per_run(20_000, |run| {
        black_box(calendar.next_open(at(run)));
    });
    let gate = measure_gate(&zone);
    let figure = |name, nanos: f64, target, most: Option<f64>| Figure {
        name,
        measured: format!("{nanos:.0} ns"),
        beside: format!("one conversion of an instant to civil time: {bare:.0} ns"),
        ratio: Some(nanos / bare),
        target,
        met: most.map(|most| nanos <= most),
    };
    vec![
        figure("gate, two attempts on record", gate, "≤ 1 µs", Some(1e3)),
        figure("is_open", is_open, "", None),
        figure(
            "next_open, mean over a week",
            next_open,
            "≤ 10 µs",
            Some(1e4),
        ),
    ]
}

/// Instants spread over a week.
fn at(run: u32) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + i64::from(run % 10_000) * 61).unwrap()
}

/// Nanoseconds of one verdict.
fn measure_gate(zone: &TimeZone) -> f64 {
    let start = at(0);
    let policy = AttemptPolicy {
        max_call_attempts: 5,
        max_daily_attempts: 2,
        min_gap_minutes: 60,
        retry_gaps_minutes: vec![60, 120],
        retry_outcomes: domain::Outcome::RETRIED_BY_DEFAULT.to_vec(),
        voicemail_is_answered: false,
    };
    let history = [CountedAttempt {
        started_at: start,
        ended_at: start,
    }; 2];
    per_run(200_000, |run| {
        let campaign = CampaignFacts {
            status: CampaignStatus::Running,
            policy: &policy,
            zone,
            calendar: CalendarStatus::Open { until: None },
        };
        let lead = LeadFacts {
            status: LeadStatus::Ready,
            not_before: None,
            history: &history,
            suppressed: false,
            phone_in_call: false,
        };
        black_box(judge(at(run), &campaign, &lead, &CapacityFacts::default()));
    })
}
