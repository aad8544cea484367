//! Campaigns, always valid: hours, caps, gaps, limits, leads.

use domain::PhoneNumber;
use domain::campaign::CampaignType;
use domain::settings::{CampaignSettings, SettingsDraft, WindowDraft};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::SmallRng;

use super::{PlannedCampaign, PlannedLead, PlannedLine, later};

/// Zones with clock changes around the simulated weeks, and without.
const ZONES: [&str; 8] = [
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "UTC",
    "America/Los_Angeles",
    "Pacific/Chatham",
];
const DAYS: [&str; 7] = [
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
];
const RETRIED: [&str; 6] = [
    "VOICEMAIL",
    "NO_ANSWER",
    "BUSY",
    "REJECTED",
    "FAILED_TRANSIENT",
    "PRESUMED_PLACED",
];

/// The instant a seed begins: near a clock change of some zone, or anywhere.
pub(super) fn start(rng: &mut SmallRng) -> Timestamp {
    const NEAR: [i64; 5] = [
        1_772_928_000, // 2026-03-08, North America springs forward
        1_774_742_400, // 2026-03-29, Europe
        1_792_886_400, // 2026-10-25, Europe falls back
        1_793_491_200, // 2026-11-01, North America
        1_775_260_800, // 2026-04-04, Lord Howe and Chatham fall back
    ];
    let base = if rng.random_bool(0.7) {
        NEAR[rng.random_range(0..NEAR.len())]
    } else {
        rng.random_range(1_770_000_000..1_800_000_000)
    };
    Timestamp::from_second(base - rng.random_range(0..86_400)).unwrap_or_default()
}

/// One to five campaigns over the lines; at least one for the first.
pub(super) fn campaigns(
    rng: &mut SmallRng,
    start: Timestamp,
    lines: &[PlannedLine],
) -> Vec<PlannedCampaign> {
    let count = rng.random_range(1..=5);
    let most = if rng.random_bool(0.2) { 60 } else { 20 };
    (0..count)
        .map(|number| {
            let line = if number == 0 {
                0
            } else {
                rng.random_range(0..lines.len())
            };
            let uses_pool = rng.random_bool(0.4);
            let count = rng.random_range(3..=most);
            PlannedCampaign {
                line,
                uses_pool,
                draft: draft(rng, number, start, uses_pool),
                leads: leads(rng, number, count, start),
            }
        })
        .collect()
}

/// Two campaigns a tenant, always open, with more people than can be called in the time judged.
pub(super) fn saturated(rng: &mut SmallRng, start: Timestamp) -> Vec<PlannedCampaign> {
    let pairs = [[1, 2], [1, 4], [2, 3], [1, 1], [3, 10]];
    let priorities = pairs[rng.random_range(0..pairs.len())];
    let day = jiff::tz::TimeZone::UTC.to_datetime(start).date();
    let first = day.yesterday().unwrap_or(day);
    (0..4)
        .map(|number| {
            let draft = SettingsDraft {
                windows: Some(vec![window("00:00", "24:00")]),
                days_of_week: Some(DAYS.map(str::to_owned).to_vec()),
                timezone: Some("UTC".to_owned()),
                start_date: Some(first.to_string()),
                max_call_attempts: Some(1),
                max_daily_attempts: Some(1),
                min_gap_between_attempts: Some(3),
                priority: Some(priorities[number % 2]),
                ..base(number, false)
            };
            let leads = (0..150).filter_map(|lead| {
                Some(PlannedLead {
                    phone: PhoneNumber::parse(&format!("+1415{:03}{:04}", 300 + number, lead))?,
                    not_before: None,
                    zone: None,
                })
            });
            PlannedCampaign {
                line: number / 2,
                uses_pool: false,
                draft,
                leads: leads.collect(),
            }
        })
        .collect()
}

fn base(number: usize, uses_pool: bool) -> SettingsDraft {
    SettingsDraft {
        name: Some(format!("campaign {number}")),
        assistant_id: Some("asst_abc123".to_owned()),
        dialer_type: Some(if uses_pool { "POOL" } else { "SINGLE" }.to_owned()),
        phone_number_id: Some("pn_abc123".to_owned()),
        ..SettingsDraft::default()
    }
}

fn window(start_time: &str, end_time: &str) -> WindowDraft {
    WindowDraft {
        days_of_week: None,
        start_time: start_time.to_owned(),
        end_time: end_time.to_owned(),
    }
}

fn draft(rng: &mut SmallRng, number: usize, start: Timestamp, uses_pool: bool) -> SettingsDraft {
    let today = jiff::tz::TimeZone::UTC.to_datetime(start).date();
    let (opens, closes) = hours(rng);
    let first = if rng.random_bool(0.15) {
        today.tomorrow().unwrap_or(today)
    } else {
        today.yesterday().unwrap_or(today)
    };
    let mut draft = SettingsDraft {
        start_date: Some(first.to_string()),
        timezone: Some(ZONES[rng.random_range(0..ZONES.len())].to_owned()),
        days_of_week: Some(days(rng)),
        daily_start_time: Some(opens),
        daily_end_time: Some(closes),
        max_call_attempts: Some(rng.random_range(1..=4)),
        max_daily_attempts: Some(rng.random_range(1..=2)),
        min_gap_between_attempts: Some(if rng.random_bool(0.5) {
            rng.random_range(3..=15)
        } else {
            rng.random_range(3..=120)
        }),
        consider_voicemail_as_answered: Some(rng.random_bool(0.5)),
        priority: Some(rng.random_range(1..=10)),
        ..base(number, uses_pool)
    };
    if rng.random_bool(0.3) {
        let ranges = [
            window("22:00", "02:00"),
            window("06:30", "09:00"),
            window("23:30", "00:30"),
        ];
        let some: Vec<_> = ranges
            .into_iter()
            .filter(|_| rng.random_bool(0.6))
            .collect();
        draft.windows = (!some.is_empty()).then_some(some);
    }
    if rng.random_bool(0.4) {
        draft.max_concurrent_calls = Some(rng.random_range(1..=3));
    }
    if rng.random_bool(0.3) {
        draft.max_calls_per_minute = Some(rng.random_range(2..=30));
    }
    if rng.random_bool(0.3) {
        draft.blackout_dates = Some(vec![today.tomorrow().unwrap_or(today).to_string()]);
    }
    if rng.random_bool(0.3) {
        draft.retry_gaps_minutes = Some(vec![130, 180, 240]);
    }
    if rng.random_bool(0.3) {
        let some = RETRIED.iter().filter(|_| rng.random_bool(0.7));
        draft.retry_outcomes = Some(some.map(ToString::to_string).collect());
    }
    if rng.random_bool(0.25) {
        draft.lead_timezone = Some("LEAD".to_owned());
    }
    if rng.random_bool(0.1) {
        let last = today
            .checked_add(jiff::Span::new().days(3))
            .unwrap_or(today);
        draft.end_date = Some(last.to_string());
    }
    draft
}

fn hours(rng: &mut SmallRng) -> (String, String) {
    let opens = rng.random_range(0..20_u32);
    let closes = rng.random_range(opens + 1..=24);
    let closes = if closes == 24 {
        "24:00".to_owned()
    } else {
        format!("{closes:02}:30")
    };
    (format!("{opens:02}:00"), closes)
}

fn days(rng: &mut SmallRng) -> Vec<String> {
    let mut days: Vec<String> = DAYS
        .iter()
        .filter(|_| rng.random_bool(0.85))
        .map(ToString::to_string)
        .collect();
    if days.is_empty() {
        days.push("MONDAY".to_owned());
    }
    days
}

/// Numbers of a campaign's leads; campaigns share some on purpose.
fn leads(rng: &mut SmallRng, campaign: usize, count: usize, start: Timestamp) -> Vec<PlannedLead> {
    let mut leads: Vec<PlannedLead> = (0..count)
        .filter_map(|lead| {
            let shared = rng.random_bool(0.2);
            let owner = if shared { 0 } else { campaign };
            let pause = SignedDuration::from_mins(rng.random_range(0..1_200));
            Some(PlannedLead {
                phone: PhoneNumber::parse(&format!("+1415{:03}{:04}", 200 + owner, lead))?,
                not_before: rng.random_bool(0.15).then(|| later(start, pause)),
                zone: rng
                    .random_bool(0.4)
                    .then(|| ZONES[rng.random_range(0..ZONES.len())]),
            })
        })
        .collect();
    leads.sort_by(|left, right| left.phone.cmp(&right.phone));
    leads.dedup_by(|left, right| left.phone == right.phone);
    leads
}

/// An edit: other hours, caps, gaps, limits, another assistant, or none of these.
pub(crate) fn edit(rng: &mut SmallRng, draft: &SettingsDraft) -> SettingsDraft {
    let mut edited = draft.clone();
    if rng.random_bool(0.6) {
        let (opens, closes) = hours(rng);
        edited.daily_start_time = Some(opens);
        edited.daily_end_time = Some(closes);
        edited.windows = None;
    }
    if rng.random_bool(0.4) {
        edited.max_call_attempts = Some(rng.random_range(1..=4));
        edited.max_daily_attempts = Some(rng.random_range(1..=2));
    }
    if rng.random_bool(0.4) {
        edited.min_gap_between_attempts = Some(rng.random_range(3..=120));
    }
    if rng.random_bool(0.3) {
        edited.max_concurrent_calls = rng.random_bool(0.8).then(|| rng.random_range(1..=2));
    }
    if rng.random_bool(0.3) {
        edited.max_calls_per_minute = rng.random_bool(0.8).then(|| rng.random_range(2..=30));
    }
    if rng.random_bool(0.2) {
        let other = if rng.random_bool(0.5) {
            "asst_abc123"
        } else {
            "asst_xyz456"
        };
        edited.assistant_id = Some(other.to_owned());
    }
    if rng.random_bool(0.2) {
        edited.days_of_week = Some(days(rng));
    }
    if rng.random_bool(0.2) {
        edited.priority = Some(rng.random_range(1..=10));
    }
    edited
}

/// The same settings with a window that closes `seconds` after `now`, if that is still today where
/// the campaign is.
pub(crate) fn closing(
    draft: &SettingsDraft,
    now: Timestamp,
    seconds: u32,
) -> Option<SettingsDraft> {
    let zone = jiff::tz::TimeZone::get(draft.timezone.as_deref()?).ok()?;
    let closes = zone.to_datetime(later(now, SignedDuration::from_secs(seconds.into())));
    let is_today = closes.date() == zone.to_datetime(now).date();
    let closes = closes.strftime("%H:%M:%S").to_string();
    let opens = draft.daily_start_time.clone().unwrap_or_default();
    let opens = if opens < closes {
        opens
    } else {
        "00:00".to_owned()
    };
    is_today.then(|| SettingsDraft {
        daily_start_time: Some(opens),
        daily_end_time: Some(closes),
        windows: None,
        ..draft.clone()
    })
}

/// The parsed form; the drafts above are valid by construction, save for edits whose gaps and
/// retry gaps do not fit together, which a user would be told.
pub(crate) fn parse(draft: &SettingsDraft) -> Option<CampaignSettings> {
    CampaignSettings::parse(CampaignType::Outbound, draft).ok()
}
