//! P1–P10.

use std::collections::BTreeMap;

use domain::settings::SettingsDraft;
use jiff::{SignedDuration, Timestamp};

use super::{Call, Seen, Verdict, calendar};
use crate::history::Violation;
use crate::plan::later;

/// A call is judged by the clock of its reservation, which is at most the send deadline and the
/// planner's look-ahead earlier.
const SENT_WITHIN: SignedDuration = SignedDuration::from_secs(5);
/// The planner looks 200 ms ahead, and a send may be two seconds late; not more on any clock.
const SEND_DEADLINE: SignedDuration = SignedDuration::from_millis(2_210);
/// How exactly the wall clock of the process is known when it drifts.
const CLOCK_GRAIN: SignedDuration = SignedDuration::from_millis(10);

/// After that long without news, a call is taken for over.
const LONGEST_CALL: SignedDuration = SignedDuration::from_hours(2);

pub(super) fn judge(seen: &Seen<'_>) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    judge_keys(seen, &mut verdict);
    let calls = seen.calls();
    let mut by_number: BTreeMap<(usize, &str), Vec<Call<'_>>> = BTreeMap::new();
    for call in &calls {
        let earlier = by_number
            .entry((seen.tenant_of(call), &*call.ring.to))
            .or_default();
        if earlier.iter().any(|other| other.is_live_at(call.at())) {
            verdict.broken_by("P2", call, "two live calls to one number");
        }
        judge_permission(seen, call, &mut verdict);
        judge_identity(seen, call, &mut verdict);
        let of_lead: Vec<_> = earlier
            .iter()
            .filter(|other| other.reserved.campaign == call.reserved.campaign)
            .copied()
            .collect();
        judge_history(seen, &of_lead, call, &mut verdict);
        earlier.push(*call);
    }
    verdict.violations
}

/// P1, P10: each call carries the key of one reservation, each key is posted once.
fn judge_keys(seen: &Seen<'_>, verdict: &mut Verdict) {
    let mut rings: BTreeMap<&str, u32> = BTreeMap::new();
    for ring in seen.rings {
        let key = ring.attempt_key.as_deref().unwrap_or_default();
        *rings.entry(key).or_default() += 1;
        match seen.reserved(ring) {
            None => verdict.broken(
                "P10",
                format!(
                    "a call that nobody reserved: {} at {}",
                    ring.to, ring.received_at
                ),
            ),
            Some(reserved) if reserved.phone.as_str() != &*ring.to => verdict.broken(
                "P10",
                format!(
                    "reserved for another number: {} at {}",
                    ring.to, ring.received_at
                ),
            ),
            Some(_) => {}
        }
    }
    let mut posts: BTreeMap<&str, u32> = BTreeMap::new();
    for post in seen.posts() {
        let key = post.attempt_key.as_deref().unwrap_or_default();
        *posts.entry(key).or_default() += 1;
    }
    for (what, counts) in [("calls", rings), ("requests", posts)] {
        for (key, count) in counts {
            if count > 1 || key.is_empty() {
                verdict.broken("P1", format!("{count} {what} of attempt {key:?}"));
            }
        }
    }
}

/// P3, P4, P5: whether it might be placed at that instant at all.
fn judge_permission(seen: &Seen<'_>, call: &Call<'_>, verdict: &mut Verdict) {
    let (at, campaign) = (call.at(), call.reserved.campaign);
    let wall = seen.history.wall(at);
    let drafts = seen.history.settings_at(campaign, at);
    let leads = &seen.history.campaigns[campaign].leads;
    let zones: Vec<_> = leads
        .iter()
        .filter(|lead| lead.phone == call.reserved.phone)
        .map(|lead| lead.zone)
        .collect();
    let open = |draft: &SettingsDraft| {
        zones.iter().any(|zone| {
            let zone = calendar::zone_for(draft, *zone);
            [wall, later(wall, CLOCK_GRAIN), later(wall, -CLOCK_GRAIN)]
                .into_iter()
                .any(|near| calendar::is_open(draft, &zone, near))
        })
    };
    if !drafts.iter().any(|draft| open(draft)) {
        verdict.broken_by("P3", call, "outside the calling window");
    }
    let not_before = leads
        .iter()
        .filter(|lead| lead.phone == call.reserved.phone)
        .filter_map(|lead| lead.not_before)
        .max();
    if not_before.is_some_and(|not_before| later(wall, SENT_WITHIN) < not_before) {
        verdict.broken_by("P3", call, "before the lead's own not_before");
    }
    if at.duration_since(call.reserved.at) > SEND_DEADLINE {
        verdict.broken_by("S1", call, "later than its send deadline");
    }
    let phone = &call.reserved.phone;
    if seen
        .history
        .opted_out_before(seen.tenant_of(call), phone, at)
    {
        verdict.broken_by("P4", call, "after an opt-out was answered");
    }
    if !seen.history.present_at(campaign, phone, at).contains(&true) {
        verdict.broken_by("P4", call, "after the lead's removal was answered");
    }
    if !seen.history.running_at(campaign, at).contains(&true) {
        verdict.broken_by("P5", call, "while the campaign was not running");
    }
    if seen.history.deleted_before(campaign, at) {
        verdict.broken_by("P5", call, "after its campaign was deleted");
    }
}

/// P10: whose account, number, assistant and variables it carries.
fn judge_identity(seen: &Seen<'_>, call: &Call<'_>, verdict: &mut Verdict) {
    let line = seen.line_of(call);
    if *call.ring.account != *seen.history.lines[line].account {
        verdict.broken_by("P10", call, "on another account");
    }
    let since = later(call.at(), -SENT_WITHIN);
    let campaign = call.reserved.campaign;
    let drafts = seen.history.settings_during(campaign, since, call.at());
    let assistant = call.ring.assistant_id.as_deref();
    if !drafts
        .iter()
        .any(|draft| draft.assistant_id.as_deref() == assistant)
    {
        verdict.broken_by("P10", call, "with another assistant");
    }
    let number = call.ring.phone_number_id.as_deref().unwrap_or_default();
    let belongs = if seen.history.campaigns[campaign].uses_pool {
        let terms = seen.history.terms_during(line, call.at(), call.at());
        terms
            .iter()
            .any(|terms| terms.pool.iter().any(|(id, _)| id == number))
    } else {
        number == "pn_abc123"
    };
    if !belongs {
        verdict.broken_by("P10", call, "from a number that is not enabled for it");
    }
    let variables = call
        .ring
        .variables
        .as_deref()
        .map(serde_json::value::RawValue::get);
    let variables: serde_json::Value =
        serde_json::from_str(variables.unwrap_or("null")).unwrap_or_default();
    if variables["who"] != *call.ring.to || variables["phone_number"] != *call.ring.to {
        verdict.broken_by("P10", call, "with somebody else's variables");
    }
}

/// P6, P7, P8: what earlier calls of the same lead allow.
fn judge_history(seen: &Seen<'_>, earlier: &[Call<'_>], call: &Call<'_>, verdict: &mut Verdict) {
    let (at, campaign) = (call.at(), call.reserved.campaign);
    let since = seen
        .history
        .requeued_before(campaign, &call.reserved.phone, at)
        .unwrap_or(Timestamp::MIN);
    let counted: Vec<_> = earlier.iter().filter(|other| other.at() >= since).collect();
    let drafts = seen
        .history
        .settings_during(campaign, later(at, -SENT_WITHIN), at);
    let most = |pick: fn(&SettingsDraft) -> Option<i64>| {
        drafts.iter().filter_map(|draft| pick(draft)).max()
    };
    if exceeds(counted.len(), most(|draft| draft.max_call_attempts)) {
        verdict.broken_by("P6", call, "more calls than max_call_attempts");
    }
    let today = counted
        .iter()
        .filter(|other| is_same_day(seen, drafts[0], other, call))
        .count();
    if exceeds(today, most(|draft| draft.max_daily_attempts)) {
        verdict.broken_by("P6", call, "more calls than max_daily_attempts");
    }
    let gap = drafts
        .iter()
        .map(|draft| least_gap(draft, counted.len()))
        .min()
        .unwrap_or_default();
    let margin = SENT_WITHIN + seen.history.clock_error();
    for other in earlier {
        // The least pause holds across a re-queue; growing pauses begin anew.
        let gap = if other.at() >= since {
            gap
        } else {
            drafts
                .iter()
                .map(|draft| least_gap(draft, 0))
                .min()
                .unwrap_or_default()
        };
        let ended = other.ring.ended_at.unwrap_or(Timestamp::MAX);
        if ended > at || at.duration_since(ended) < gap - margin {
            verdict.broken_by("P7", call, "sooner than the gap after the call before");
        }
    }
    let ended = |other: &&&Call<'_>| ends_the_lead(&drafts, other) && is_learnable(seen, other);
    if let Some(other) = counted.iter().find(ended) {
        let detail = format!(
            "after the lead was reached or given up: {} at {}, which ended {:?}",
            other.ring.outcome.as_deref().unwrap_or_default(),
            other.at(),
            other.ring.ended_at,
        );
        verdict.broken_by("P8", call, &detail);
    }
}

fn exceeds(count: usize, most: Option<i64>) -> bool {
    most.is_some_and(|most| i64::try_from(count).unwrap_or(i64::MAX) >= most)
}

/// The pause after `counted` calls.
fn least_gap(draft: &SettingsDraft, counted: usize) -> SignedDuration {
    let gaps = draft.retry_gaps_minutes.as_deref().unwrap_or_default();
    let grown = match counted.checked_sub(1) {
        Some(index) if !gaps.is_empty() => gaps[index.min(gaps.len() - 1)],
        _ => 0,
    };
    SignedDuration::from_mins(grown.max(draft.min_gap_between_attempts.unwrap_or(3)))
}

/// Whether both calls surely were reserved on one local day of the campaign.
fn is_same_day(seen: &Seen<'_>, draft: &SettingsDraft, other: &Call<'_>, call: &Call<'_>) -> bool {
    let zone = calendar::campaign_zone(draft);
    let day = |at: Timestamp| calendar::date_of(&zone, seen.history.wall(at));
    let sure = |at: Timestamp| day(at) == day(later(at, -SENT_WITHIN));
    sure(call.at()) && sure(other.at()) && day(call.at()) == day(other.at())
}

/// Whether the product could learn how the call ended: a callback told it, or it was let to ask. A
/// provider that refuses the key for as long as a call can last tells nothing.
fn is_learnable(seen: &Seen<'_>, call: &Call<'_>) -> bool {
    let key = call.ring.attempt_key.as_deref().unwrap_or_default();
    let ended = call.ring.ended_at.unwrap_or(Timestamp::MAX);
    let line = seen.line_of(call);
    seen.history.heard.contains(key)
        || !seen
            .history
            .key_was_wrong(line, ended, later(ended, LONGEST_CALL))
}

/// Whether after this call the lead may not be called again, whichever settings held.
fn ends_the_lead(drafts: &[&SettingsDraft], other: &Call<'_>) -> bool {
    match other.ring.outcome.as_deref() {
        Some("ANSWERED" | "INVALID_NUMBER") => true,
        Some("VOICEMAIL") => drafts
            .iter()
            .all(|draft| draft.consider_voicemail_as_answered == Some(true)),
        // Edits leave this list alone, so what held then holds now.
        Some(outcome @ ("NO_ANSWER" | "BUSY")) => drafts.iter().all(|draft| {
            let retried = draft.retry_outcomes.as_deref();
            retried.is_some_and(|some| !some.iter().any(|one| one == outcome))
        }),
        _ => false,
    }
}
