//! A second calendar, written differently: it looks at the civil time of an instant and at the
//! user's own words, text against text, and shares no code with the product.

use domain::settings::{SettingsDraft, WindowDraft};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const NAMES: [&str; 7] = [
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
];

fn named(zone: &str) -> TimeZone {
    TimeZone::get(zone).unwrap_or(TimeZone::UTC)
}

/// The campaign's own zone.
pub(super) fn campaign_zone(draft: &SettingsDraft) -> TimeZone {
    draft.timezone.as_deref().map_or(TimeZone::UTC, named)
}

/// The zone whose clock the window of this lead is read on.
pub(super) fn zone_for(draft: &SettingsDraft, lead_zone: Option<&str>) -> TimeZone {
    match (draft.lead_timezone.as_deref(), lead_zone) {
        (Some("LEAD"), Some(zone)) => named(zone),
        _ => campaign_zone(draft),
    }
}

/// The local date of an instant.
pub(super) fn date_of(zone: &TimeZone, at: Timestamp) -> Date {
    zone.to_datetime(at).date()
}

/// Whether a call may be placed at `at` on the clock of `zone`.
pub(super) fn is_open(draft: &SettingsDraft, zone: &TimeZone, at: Timestamp) -> bool {
    let local = zone.to_datetime(at);
    let time = format!(
        "{:02}:{:02}:{:02}",
        local.hour(),
        local.minute(),
        local.second()
    );
    let date = local.date();
    if !is_dated(draft, date) {
        return false;
    }
    let yesterday = date.yesterday().unwrap_or(date);
    windows(draft).iter().any(|window| {
        let (start, end) = (in_full(&window.start_time), in_full(&window.end_time));
        let days = window.days_of_week.as_ref().or(draft.days_of_week.as_ref());
        let on = |date: Date| {
            days.is_some_and(|days| days.iter().any(|day| *day == weekday(date)))
                && is_dated(draft, date)
        };
        if end <= start {
            (time >= start && on(date)) || (time < end && on(yesterday))
        } else {
            time >= start && time < end && on(date)
        }
    })
}

fn windows(draft: &SettingsDraft) -> Vec<WindowDraft> {
    let pair = || WindowDraft {
        days_of_week: None,
        start_time: draft.daily_start_time.clone().unwrap_or_default(),
        end_time: draft.daily_end_time.clone().unwrap_or_default(),
    };
    draft.windows.clone().unwrap_or_else(|| vec![pair()])
}

/// `HH:MM` as `HH:MM:SS`, so that texts compare as times do.
fn in_full(time: &str) -> String {
    if time.len() == 5 {
        format!("{time}:00")
    } else {
        time.to_owned()
    }
}

fn weekday(date: Date) -> &'static str {
    NAMES[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default()]
}

fn is_dated(draft: &SettingsDraft, date: Date) -> bool {
    let text = date.to_string();
    draft.start_date.as_ref().is_none_or(|first| *first <= text)
        && draft.end_date.as_ref().is_none_or(|last| text <= *last)
        && !draft
            .blackout_dates
            .iter()
            .flatten()
            .any(|black| *black == text)
}

/// Whether the instant lies in an hour that its zone has twice.
pub(super) fn is_repeated_hour(draft: &SettingsDraft, at: Timestamp) -> bool {
    let zone = campaign_zone(draft);
    let local: DateTime = zone.to_datetime(at);
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let shifted = [
        ambiguous.earlier(),
        zone.to_ambiguous_timestamp(local).later(),
    ];
    let [Ok(first), Ok(second)] = shifted else {
        return false;
    };
    second.duration_since(first) > SignedDuration::ZERO && zone.to_datetime(first) == local
}
