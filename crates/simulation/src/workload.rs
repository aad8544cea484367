//! What users set up and do, drawn from the seed.

use domain::campaign::{CampaignCommand, CampaignType};
use domain::settings::{CampaignSettings, SettingsDraft, WindowDraft};
use domain::{CampaignId, LineId, PhoneNumber, PoolId};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::SmallRng;

/// A user's action at an instant.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Start, pause, resume, stop.
    Order(usize, CampaignCommand),
    /// New daily hours and caps.
    Edit(usize),
    /// Opt a lead out, everywhere.
    OptOut(usize, usize),
    /// Remove a lead.
    Remove(usize, usize),
    /// Put an answered or exhausted lead back.
    Requeue(usize, usize),
    /// Add a lead again (an upsert).
    AddAgain(usize, usize),
}

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

/// The instant a seed begins: near a clock change of some zone, or anywhere.
pub(crate) fn start(rng: &mut SmallRng) -> Timestamp {
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

/// Settings of a campaign, always valid.
pub(crate) fn draft(
    rng: &mut SmallRng,
    number: usize,
    start: Timestamp,
    line: LineId,
    pool: Option<PoolId>,
) -> SettingsDraft {
    let first = jiff::tz::TimeZone::UTC.to_datetime(start).date();
    let opens = rng.random_range(0..20_u32);
    let closes = rng.random_range(opens + 1..=24);
    let mut draft = SettingsDraft {
        name: Some(format!("campaign {number}")),
        assistant_id: Some("asst_abc123".to_owned()),
        tenant_voice_provider_id: Some(line.raw()),
        dialer_type: Some(if pool.is_some() { "POOL" } else { "SINGLE" }.to_owned()),
        phone_number_id: Some("pn_abc123".to_owned()),
        phone_number_pool_id: pool.map(PoolId::raw),
        start_date: Some(first.yesterday().unwrap_or(first).to_string()),
        timezone: Some(ZONES[rng.random_range(0..ZONES.len())].to_owned()),
        days_of_week: Some(days(rng)),
        daily_start_time: Some(format!("{opens:02}:00")),
        daily_end_time: Some(if closes == 24 {
            "24:00".to_owned()
        } else {
            format!("{closes:02}:30")
        }),
        max_call_attempts: Some(rng.random_range(1..=3)),
        max_daily_attempts: Some(rng.random_range(1..=2)),
        min_gap_between_attempts: Some(rng.random_range(3..=120)),
        consider_voicemail_as_answered: Some(rng.random_bool(0.5)),
        priority: Some(rng.random_range(1..=10)),
        ..SettingsDraft::default()
    };
    if rng.random_bool(0.3) {
        draft.windows = Some(vec![WindowDraft {
            days_of_week: None,
            start_time: "22:00".to_owned(),
            end_time: "02:00".to_owned(),
        }]);
    }
    if rng.random_bool(0.4) {
        draft.max_concurrent_calls = Some(rng.random_range(1..=3));
    }
    if rng.random_bool(0.3) {
        draft.max_calls_per_minute = Some(rng.random_range(2..=30));
    }
    if rng.random_bool(0.3) {
        draft.blackout_dates = Some(vec![first.tomorrow().unwrap_or(first).to_string()]);
    }
    draft
}

fn days(rng: &mut SmallRng) -> Vec<String> {
    let mut days: Vec<String> = DAYS
        .iter()
        .filter(|_| rng.random_bool(0.8))
        .map(ToString::to_string)
        .collect();
    if days.is_empty() {
        days.push("MONDAY".to_owned());
    }
    days
}

/// An edit: other hours, caps and gaps.
pub(crate) fn edit(rng: &mut SmallRng, draft: &SettingsDraft) -> SettingsDraft {
    let opens = rng.random_range(0..20_u32);
    let mut edited = draft.clone();
    edited.daily_start_time = Some(format!("{opens:02}:00"));
    edited.daily_end_time = Some(format!("{:02}:00", rng.random_range(opens + 1..24)));
    edited.windows = None;
    if rng.random_bool(0.5) {
        edited.max_daily_attempts = Some(rng.random_range(1..=2));
        edited.min_gap_between_attempts = Some(rng.random_range(3..=240));
    }
    if rng.random_bool(0.3) {
        edited.max_concurrent_calls = Some(rng.random_range(1..=2));
    }
    edited
}

/// The parsed form; the drafts above are valid by construction.
pub(crate) fn parse(draft: &SettingsDraft) -> Option<CampaignSettings> {
    CampaignSettings::parse(CampaignType::Outbound, draft).ok()
}

/// Numbers of a campaign's leads; campaigns share some on purpose.
pub(crate) fn phones(rng: &mut SmallRng, campaign: usize, leads: usize) -> Vec<PhoneNumber> {
    let numbers = (0..leads).map(|lead| {
        let shared = rng.random_bool(0.2);
        let owner = if shared { 0 } else { campaign };
        PhoneNumber::parse(&format!("+1415{:03}{:04}", 200 + owner, lead))
    });
    let mut numbers: Vec<_> = numbers.flatten().collect();
    numbers.sort();
    numbers.dedup();
    numbers
}

/// Actions over the first part of the run, at random instants.
pub(crate) fn actions(
    rng: &mut SmallRng,
    campaigns: usize,
    leads: usize,
    start: Timestamp,
    hours: i64,
) -> Vec<(Timestamp, Action)> {
    let count = rng.random_range(0..=campaigns * 6);
    let mut actions: Vec<_> = (0..count)
        .map(|_| {
            let campaign = rng.random_range(0..campaigns);
            let lead = rng.random_range(0..leads);
            let action = match rng.random_range(0..9) {
                0 | 1 => Action::Order(campaign, CampaignCommand::Pause),
                2 | 3 => Action::Order(campaign, CampaignCommand::Resume),
                4 => Action::Edit(campaign),
                5 => Action::OptOut(campaign, lead),
                6 => Action::Remove(campaign, lead),
                7 => Action::Requeue(campaign, lead),
                _ => Action::AddAgain(campaign, lead),
            };
            let after = SignedDuration::from_millis(rng.random_range(0..hours * 3_600_000));
            (start.saturating_add(after).unwrap_or(start), action)
        })
        .collect();
    actions.sort_by_key(|(at, _)| *at);
    actions
}

/// A campaign as the simulator keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) campaign_id: CampaignId,
    pub(crate) draft: SettingsDraft,
    pub(crate) phones: Vec<PhoneNumber>,
}
