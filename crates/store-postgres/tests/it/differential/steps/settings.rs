//! Settings of campaigns.

use domain::settings::{SettingsDraft, WindowDraft};
use domain::{LineId, PoolId};
use store::conformance::fixture;

use super::Dice;

/// Settings of a new campaign.
pub(super) fn draft(dice: &mut Dice<'_>, line_id: LineId, pool_id: PoolId) -> SettingsDraft {
    let mut draft = fixture::draft(line_id);
    draft.phone_number_pool_id = Some(pool_id.raw());
    if dice.one_in(2) {
        draft.dialer_type = Some("POOL".to_owned());
    }
    for _ in 0..dice.below(4) {
        edit(dice, &mut draft, line_id, pool_id);
    }
    draft
}

/// One setting becomes another.
pub(super) fn edit(
    dice: &mut Dice<'_>,
    draft: &mut SettingsDraft,
    line_id: LineId,
    pool_id: PoolId,
) {
    match dice.below(22) {
        0 => put(
            &mut draft.name,
            dice,
            &["Outreach", "spring", "Ärzte", "50%_off", "a\\b", "SPRING"],
        ),
        1 => draft.max_call_attempts = dice.of(&[Some(3), Some(1), Some(2), Some(5)]),
        2 => draft.max_daily_attempts = dice.of(&[Some(2), Some(1), Some(5)]),
        3 => draft.min_gap_between_attempts = dice.of(&[Some(3), Some(5), Some(60)]),
        4 => draft.max_concurrent_calls = dice.of(&[None, Some(1), Some(2)]),
        5 => draft.max_calls_per_minute = dice.of(&[None, Some(1), Some(30)]),
        6 => draft.priority = dice.of(&[None, Some(1), Some(10)]),
        7 => put(
            &mut draft.end_date,
            dice,
            &["2026-03-02", "2026-03-03", "2026-03-09", "2026-02-01"],
        ),
        8 => put(
            &mut draft.start_date,
            dice,
            &["2026-01-01", "2026-03-03", "2026-03-02"],
        ),
        9 => put(
            &mut draft.timezone,
            dice,
            &["America/New_York", "Europe/Berlin", "Pacific/Apia"],
        ),
        10 => put(&mut draft.lead_timezone, dice, &["CAMPAIGN", "LEAD"]),
        11 => draft.consider_voicemail_as_answered = dice.of(&[None, Some(true), Some(false)]),
        12 => draft.complete_when_done = dice.of(&[None, Some(true), Some(false)]),
        13 => draft.retry_gaps_minutes = dice.of(&[None, Some(vec![3, 10]), Some(vec![5])]),
        14 => draft.retry_outcomes = retried(dice),
        15 => draft.windows = Some(vec![window(dice)]),
        16 => put(&mut draft.dialer_type, dice, &["POOL", "SINGLE"]),
        17 => draft.phone_number_id = dice.of(&[None, Some("pn_2".to_owned())]),
        18 => draft.blackout_dates = dice.of(&[None, Some(vec!["2026-03-03".to_owned()])]),
        19 => draft.metadata = dice.of(&[None, Some([("z".to_owned(), "ü".to_owned())].into())]),
        20 => draft.tenant_voice_provider_id = Some(line_id.raw()),
        _ => draft.phone_number_pool_id = dice.of(&[Some(pool_id.raw()), None]),
    }
}

fn put(setting: &mut Option<String>, dice: &mut Dice<'_>, all: &[&str]) {
    *setting = Some(dice.of(all).to_owned());
}

fn retried(dice: &mut Dice<'_>) -> Option<Vec<String>> {
    let outcomes = dice.of(&[
        None,
        Some(["NO_ANSWER", "BUSY"]),
        Some(["VOICEMAIL", "CANCELED"]),
    ]);
    outcomes.map(|outcomes| outcomes.map(str::to_owned).to_vec())
}

fn window(dice: &mut Dice<'_>) -> WindowDraft {
    let (start, end) = dice.of(&[
        ("00:00", "24:00"),
        ("10:00", "10:05"),
        ("22:00", "02:00"),
        ("09:30", "18:00"),
    ]);
    WindowDraft {
        days_of_week: None,
        start_time: start.to_owned(),
        end_time: end.to_owned(),
    }
}
