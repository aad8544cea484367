//! The verdict, from the world's own log of phones and from what users were told.
//!
//! The calendar here is written a second time and differently: it looks at the civil time of the
//! instant and at the user's words, and shares no code with the product.

use std::collections::HashMap;

use domain::settings::{SettingsDraft, WindowDraft};
use domain::{CampaignId, PhoneNumber};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sandbox::Ring;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name in `docs/reliability.md`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a user was told, once the answer was given.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Settings(Box<SettingsDraft>),
    Running(bool),
    Added(PhoneNumber),
    Removed(PhoneNumber),
    OptedOut(PhoneNumber),
    Requeued(PhoneNumber),
}

/// The log of everything users were told.
#[derive(Debug, Default)]
pub(crate) struct UserLog {
    pub(crate) entries: Vec<(Timestamp, CampaignId, Told)>,
    pub(crate) line_limit: u32,
    pub(crate) line_rate: u32,
    pub(crate) attempts: HashMap<String, (CampaignId, PhoneNumber)>,
    pub(crate) violations: Vec<Violation>,
}

impl UserLog {
    pub(crate) fn told(&mut self, at: Timestamp, campaign_id: CampaignId, told: Told) {
        self.entries.push((at, campaign_id, told));
    }
}

/// A call as the world saw it.
struct Call<'a> {
    campaign_id: CampaignId,
    ring: &'a Ring,
}

/// Judges a finished run.
pub(crate) fn judge(log: &UserLog, rings: &[Ring]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut by_key: HashMap<&str, u32> = HashMap::new();
    for ring in rings {
        *by_key
            .entry(ring.attempt_key.as_deref().unwrap_or_default())
            .or_default() += 1;
    }
    for (key, count) in by_key {
        if count > 1 || key.is_empty() {
            violations.push(Violation {
                invariant: "P1",
                what: format!("{count} calls of attempt {key}"),
            });
        }
    }
    let calls: Vec<_> = rings
        .iter()
        .filter_map(|ring| {
            Some(Call {
                campaign_id: campaign_of(log, ring)?,
                ring,
            })
        })
        .collect();
    if calls.len() != rings.len() {
        violations.push(Violation {
            invariant: "P10",
            what: "a call to a number that nobody asked for".to_owned(),
        });
    }
    for (index, call) in calls.iter().enumerate() {
        let mut broken = |invariant, what: &str| {
            let what = format!("{what}: {} at {}", call.ring.to, call.ring.received_at);
            violations.push(Violation { invariant, what });
        };
        judge_overlap(log, &calls[..index], call, &mut broken);
        judge_user(log, call, &mut broken);
        judge_history(log, &calls[..index], call, &mut broken);
    }
    violations
}

/// The campaign for which the attempt was reserved, if the call went to the number it was for.
fn campaign_of(log: &UserLog, ring: &Ring) -> Option<CampaignId> {
    let (campaign_id, phone) = log.attempts.get(ring.attempt_key.as_deref()?)?;
    (phone.as_str() == &*ring.to).then_some(*campaign_id)
}

fn live_at(call: &Call<'_>, at: Timestamp) -> bool {
    call.ring.received_at <= at && call.ring.ended_at.is_none_or(|ended| ended > at)
}

fn judge_overlap(
    log: &UserLog,
    earlier: &[Call<'_>],
    call: &Call<'_>,
    broken: &mut impl FnMut(&'static str, &str),
) {
    let at = call.ring.received_at;
    let live: Vec<_> = earlier.iter().filter(|other| live_at(other, at)).collect();
    if live.iter().any(|other| other.ring.to == call.ring.to) {
        broken("P2", "two live calls to one number");
    }
    if u32::try_from(live.len()).unwrap_or(u32::MAX) >= log.line_limit {
        broken("A1", "more live calls than the line allows");
    }
    let settings = log.settings_at(call.campaign_id, at);
    let own = live
        .iter()
        .filter(|other| other.campaign_id == call.campaign_id)
        .count();
    let most = settings
        .iter()
        .filter_map(|draft| draft.max_concurrent_calls)
        .max();
    if most.is_some_and(|most| i64::try_from(own).unwrap_or(i64::MAX) >= most)
        && settings
            .iter()
            .all(|draft| draft.max_concurrent_calls.is_some())
    {
        broken("A1", "more live calls than the campaign allows");
    }
}

fn judge_user(log: &UserLog, call: &Call<'_>, broken: &mut impl FnMut(&'static str, &str)) {
    let at = call.ring.received_at;
    if !log
        .settings_at(call.campaign_id, at)
        .iter()
        .any(|draft| is_open(draft, at))
    {
        broken("P3", "outside the calling window");
    }
    let before = |entry: &&(Timestamp, CampaignId, Told)| entry.0 < at;
    let mine = log
        .entries
        .iter()
        .filter(before)
        .filter(|entry| entry.1 == call.campaign_id);
    let running = mine.clone().filter_map(|entry| match entry.2 {
        Told::Running(running) => Some(running),
        _ => None,
    });
    // An order at the same instant may be on either side.
    let same_instant = log.entries.iter().any(|entry| {
        entry.0 == at && entry.1 == call.campaign_id && matches!(entry.2, Told::Running(true))
    });
    if running.clone().next_back() != Some(true) && !same_instant {
        broken("P5", "while the campaign was not running");
    }
    let number = &*call.ring.to;
    let opted_out = log
        .entries
        .iter()
        .filter(before)
        .any(|entry| matches!(&entry.2, Told::OptedOut(phone) if phone.as_str() == number));
    if opted_out {
        broken("P4", "after an opt-out was answered");
    }
    let present = mine.filter_map(|entry| match &entry.2 {
        Told::Added(phone) if phone.as_str() == number => Some(true),
        Told::Removed(phone) if phone.as_str() == number => Some(false),
        _ => None,
    });
    let added_now = log.entries.iter().any(|entry| {
        entry.0 == at && entry.1 == call.campaign_id && matches!(entry.2, Told::Added(_))
    });
    if present.clone().next_back() == Some(false) && !added_now {
        broken("P4", "after the lead's removal was answered");
    }
}

fn judge_history(
    log: &UserLog,
    earlier: &[Call<'_>],
    call: &Call<'_>,
    broken: &mut impl FnMut(&'static str, &str),
) {
    let at = call.ring.received_at;
    let requeued = log
        .entries
        .iter()
        .filter(|entry| entry.0 <= at && entry.1 == call.campaign_id);
    let requeued = requeued.filter(
        |entry| matches!(&entry.2, Told::Requeued(phone) if phone.as_str() == &*call.ring.to),
    );
    let since = requeued
        .map(|entry| entry.0)
        .max()
        .unwrap_or(Timestamp::MIN);
    let same = earlier
        .iter()
        .filter(|other| other.campaign_id == call.campaign_id && other.ring.to == call.ring.to);
    let history: Vec<_> = same
        .filter(|other| other.ring.received_at >= since)
        .collect();
    let drafts = log.settings_at(call.campaign_id, at);
    let most = |pick: fn(&SettingsDraft) -> Option<i64>| {
        drafts
            .iter()
            .filter_map(|draft| pick(draft))
            .max()
            .unwrap_or(1)
    };
    let least_gap = drafts
        .iter()
        .filter_map(|draft| draft.min_gap_between_attempts)
        .min()
        .unwrap_or(3);
    if i64::try_from(history.len()).unwrap_or(i64::MAX) >= most(|draft| draft.max_call_attempts) {
        broken("P6", "more calls than max_call_attempts");
    }
    let zone = zone_of(drafts[0]);
    let day = |at: Timestamp| zone.to_datetime(at).date();
    // A call is counted on the day of its reservation, which is at most a few seconds earlier.
    let margin = SignedDuration::from_secs(5);
    let today = |other: &&&Call<'_>| {
        day(other.ring.received_at) == day(at)
            && day(at.saturating_sub(margin).unwrap_or(at)) == day(at)
            && day(other.ring.received_at.saturating_sub(margin).unwrap_or(at)) == day(at)
    };
    if i64::try_from(history.iter().filter(today).count()).unwrap_or(i64::MAX)
        >= most(|draft| draft.max_daily_attempts)
    {
        broken("P6", "more calls than max_daily_attempts");
    }
    for other in &history {
        let ended = other.ring.ended_at.unwrap_or(Timestamp::MAX);
        let gap = at.duration_since(ended.min(at));
        if ended > at || gap < SignedDuration::from_mins(least_gap) - margin {
            broken("P7", "sooner than min_gap_between_attempts");
        }
    }
    let stop = history
        .iter()
        .any(|other| other.ring.outcome.as_deref() == Some("ANSWERED"));
    if stop {
        broken("P8", "after the lead had answered");
    }
}

impl UserLog {
    /// The settings in force at `at`; both sides of an edit at that very instant.
    fn settings_at(&self, campaign_id: CampaignId, at: Timestamp) -> Vec<&SettingsDraft> {
        let mut current = None;
        let mut found = Vec::new();
        for (told_at, id, told) in &self.entries {
            let Told::Settings(draft) = told else {
                continue;
            };
            if *id != campaign_id || *told_at > at {
                continue;
            }
            if *told_at == at {
                found.push(&**draft);
            } else {
                current = Some(&**draft);
            }
        }
        found.extend(current);
        found
    }
}

fn zone_of(draft: &SettingsDraft) -> TimeZone {
    draft
        .timezone
        .as_deref()
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or(TimeZone::UTC)
}

fn is_open(draft: &SettingsDraft, at: Timestamp) -> bool {
    let local = zone_of(draft).to_datetime(at);
    let time = format!("{:02}:{:02}", local.hour(), local.minute());
    let pair = || WindowDraft {
        days_of_week: None,
        start_time: draft.daily_start_time.clone().unwrap_or_default(),
        end_time: draft.daily_end_time.clone().unwrap_or_default(),
    };
    let windows = draft.windows.clone().unwrap_or_else(|| vec![pair()]);
    let (today, yesterday) = (
        local.date(),
        local.date().yesterday().unwrap_or(local.date()),
    );
    windows.iter().any(|window| {
        let overnight = window.end_time <= window.start_time;
        let late = time >= window.start_time;
        let early = time < window.end_time;
        let on = |date: Date| is_day(draft, date);
        if overnight {
            (late && on(today)) || (early && on(yesterday) && is_dated(draft, today))
        } else {
            late && early && on(today)
        }
    })
}

fn is_day(draft: &SettingsDraft, date: Date) -> bool {
    const NAMES: [&str; 7] = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    let index = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
    draft
        .days_of_week
        .iter()
        .flatten()
        .any(|day| day == NAMES[index])
        && is_dated(draft, date)
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
