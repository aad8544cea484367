//! A3–A6, L1, L3–L5, L7: what the records promise, compared with the world and with what users
//! were told.

use std::collections::{BTreeMap, BTreeSet};

use domain::attempt::StateName;
use domain::campaign::{CampaignStatus, LeadStatus};
use domain::{LeadId, Outcome};
use jiff::{SignedDuration, Timestamp};
use store::{CallRecord, CampaignRecord, EventRecord, ImportRecord, LeadRecord};

use super::{Seen, Verdict, calendar};
use crate::history::{Told, Violation};
use crate::plan::later;

/// No call and no doubt lasts longer: an hour of ringing and talking, an hour and a quarter of
/// look-ups, and what a provider without an end may add.
const LONGEST: SignedDuration = SignedDuration::from_hours(6);
/// How exactly an instant that the product rounds is known.
const GRAIN: SignedDuration = SignedDuration::from_secs(1);

/// One campaign, as the store has it at the end.
pub(crate) struct CampaignRecords {
    /// Index in the run.
    pub(crate) index: usize,
    /// `None`: it is deleted.
    pub(crate) campaign: Option<CampaignRecord>,
    pub(crate) leads: Vec<LeadRecord>,
    pub(crate) calls: Vec<CallRecord>,
}

/// Everything that the store has at the end of a run.
pub(crate) struct Records {
    pub(crate) campaigns: Vec<CampaignRecords>,
    pub(crate) imports: Vec<ImportRecord>,
    /// The feed of each tenant.
    pub(crate) feeds: Vec<Vec<EventRecord>>,
    /// Whether each tenant's token is enabled, and what was told last.
    pub(crate) tokens: Vec<(bool, bool)>,
    pub(crate) live_calls: u64,
    /// Sends that were permitted and never decided.
    pub(crate) on_the_board: usize,
    /// Whether leads of deleted campaigns are still there.
    pub(crate) erasures_wait: bool,
}

pub(super) fn judge(seen: &Seen<'_>, records: &Records, now: Timestamp) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    judge_leaks(seen, records, &mut verdict);
    let mut ids = BTreeSet::new();
    for of in &records.campaigns {
        if let Some(campaign) = &of.campaign {
            judge_counts(seen, of, campaign, now, &mut verdict);
            judge_leads(of, campaign, &mut verdict);
            judge_told(seen, of, campaign, &mut verdict);
        }
        judge_live(of, now, &mut verdict);
        for call in &of.calls {
            judge_call(seen, of, call, now, &mut verdict);
            if let Some(id) = &call.provider_call_id
                && !ids.insert(id.clone())
            {
                verdict.broken("L3", format!("two attempts have the provider's call {id}"));
            }
        }
    }
    judge_rings(seen, records, &mut verdict);
    judge_succession(seen, records, &mut verdict);
    if records.erasures_wait {
        verdict.broken("A6", "leads of a deleted campaign are still there");
    }
    for import in &records.imports {
        let done = import.added + import.updated + import.skipped + import.rejected;
        if import.finished_at.is_none() || done != import.total || import.processed != import.total
        {
            verdict.broken("A6", format!("an import is not whole: {import:?}"));
        }
    }
    for (tenant, (enabled, told)) in records.tokens.iter().enumerate() {
        if enabled != told {
            verdict.broken(
                "L4",
                format!("the token of tenant {tenant} is not as it was told"),
            );
        }
    }
    verdict.violations
}

/// A3: when no phone is busy and nothing is in doubt, no slot is held.
fn judge_leaks(seen: &Seen<'_>, records: &Records, verdict: &mut Verdict) {
    if records.on_the_board > 0 {
        let what = format!("{} sends are still permitted", records.on_the_board);
        verdict.broken("A3", what);
    }
    let calls = || records.campaigns.iter().flat_map(|of| &of.calls);
    let live = calls().filter(|call| call.state.is_live()).count();
    if u64::try_from(live).unwrap_or(u64::MAX) != records.live_calls {
        let what = format!("{} slots are held by {live} live calls", records.live_calls);
        verdict.broken("A3", what);
    }
    let busy = seen.rings.iter().any(|ring| ring.ended_at.is_none());
    let last_word = seen.rings.iter().filter_map(|ring| ring.ended_at).max();
    let long_quiet = last_word.is_none_or(|at| later(at, LONGEST) < seen.plan.end)
        && later(seen.plan.quiet_from, LONGEST) < seen.plan.end;
    if live > 0 && !busy && long_quiet {
        verdict.broken("A3", format!("{live} calls are live and no phone is busy"));
    }
}

/// A4: counters are what a recount gives.
fn judge_counts(
    seen: &Seen<'_>,
    of: &CampaignRecords,
    campaign: &CampaignRecord,
    now: Timestamp,
    verdict: &mut Verdict,
) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for lead in &of.leads {
        *counts.entry(lead.status.as_str()).or_default() += 1;
    }
    for (status, told) in &campaign.lead_counts {
        let counted = counts.remove(status).unwrap_or_default();
        let total = u64::try_from(of.leads.len()).unwrap_or(u64::MAX);
        let right = if status.eq_ignore_ascii_case("total") {
            total
        } else {
            counted
        };
        if *told != right {
            verdict.broken("A4", format!("{told} leads are {status}, counted {right}"));
        }
    }
    let zone = calendar::campaign_zone(&campaign.draft);
    for lead in &of.leads {
        let own = || {
            of.calls
                .iter()
                .filter(|call| call.lead_id == Some(lead.lead_id))
        };
        let attempts = own().filter(|call| counts_as_attempt(seen, call)).count();
        // A lead that was put back counts anew; then the records may show more.
        let requeued = was_put_back(seen, of.index, lead);
        if !requeued && u32::try_from(attempts).unwrap_or(u32::MAX) != lead.attempts {
            let what = format!(
                "{} attempts of {}, counted {attempts}",
                lead.attempts, lead.phone
            );
            verdict.broken("A4", what);
        }
        let today = own().filter(|call| {
            counts_as_attempt(seen, call)
                && calendar::date_of(&zone, call.times.planned_at) == calendar::date_of(&zone, now)
        });
        let today = u32::try_from(today.count()).unwrap_or(u32::MAX);
        if !requeued && today != lead.attempts_today {
            let what = format!("{} attempts today, counted {today}", lead.attempts_today);
            verdict.broken("A4", what);
        }
    }
}

fn was_put_back(seen: &Seen<'_>, campaign: usize, lead: &LeadRecord) -> bool {
    seen.history.of(campaign).any(|entry| match &entry.told {
        Told::Requeued(phone) | Told::Removed(phone) => *phone == lead.phone,
        _ => false,
    })
}

/// What may have rung counts.
fn counts_as_attempt(seen: &Seen<'_>, call: &CallRecord) -> bool {
    !matches!(
        call.state,
        StateName::Rejected | StateName::Released | StateName::Absent
    ) && !was_blocked(seen, call)
}

/// The provider makes a record of a call that its own limit kept from ringing; the world's log of
/// rings has every accepted call but these.
fn was_blocked(seen: &Seen<'_>, call: &CallRecord) -> bool {
    let of_it = |key: Option<&str>| key == Some(call.attempt_key.as_str());
    let made = seen
        .posts()
        .any(|post| of_it(post.attempt_key.as_deref()) && post.provider_call.is_some());
    let rang = seen
        .rings
        .iter()
        .any(|ring| of_it(ring.attempt_key.as_deref()));
    call.state == StateName::Ended && made && !rang
}

/// L1, V1: nobody is forgotten.
fn judge_leads(of: &CampaignRecords, campaign: &CampaignRecord, verdict: &mut Verdict) {
    let live: BTreeSet<LeadId> = of
        .calls
        .iter()
        .filter(|call| call.state.is_live())
        .filter_map(|call| call.lead_id)
        .collect();
    for lead in &of.leads {
        let held = matches!(lead.status, LeadStatus::InCall | LeadStatus::Unresolved);
        if held != live.contains(&lead.lead_id) && lead.status != LeadStatus::OptedOut {
            let what = format!(
                "{} is {} and its call is not",
                lead.phone,
                lead.status.as_str()
            );
            verdict.broken("L1", what);
        }
        let running = campaign.status == CampaignStatus::Running;
        if running && lead.status == LeadStatus::Ready && lead.due_at.is_none() {
            verdict.broken("V1", format!("{} is READY and never due", lead.phone));
        }
    }
}

/// V1: no call is live for ever.
fn judge_live(of: &CampaignRecords, now: Timestamp, verdict: &mut Verdict) {
    for call in of.calls.iter().filter(|call| call.state.is_live()) {
        if now.duration_since(call.times.planned_at) > LONGEST {
            let what = format!(
                "a call to {} is {} since {}",
                call.phone,
                call.state.as_str(),
                call.times.planned_at
            );
            verdict.broken("V1", what);
        }
    }
}

/// L4: what was answered is there, also after deaths.
fn judge_told(
    seen: &Seen<'_>,
    of: &CampaignRecords,
    campaign: &CampaignRecord,
    verdict: &mut Verdict,
) {
    if seen.history.is_deleted(of.index) {
        let what = format!("campaign {} was deleted and is there", of.index);
        verdict.broken("L4", what);
    }
    let entries = || seen.history.of(of.index);
    let settings = entries().rev().find_map(|entry| match &entry.told {
        Told::Settings(draft) => Some(&**draft),
        _ => None,
    });
    if settings.is_some_and(|draft| *draft != *campaign.draft) {
        verdict.broken(
            "L4",
            format!("the settings of campaign {} are not as told", of.index),
        );
    }
    let running = entries().rev().find_map(|entry| match entry.told {
        Told::Running(running) => Some(running),
        _ => None,
    });
    let right = match campaign.status {
        CampaignStatus::Running | CampaignStatus::Completed => Some(true),
        CampaignStatus::Paused | CampaignStatus::Stopped | CampaignStatus::Archived => Some(false),
        CampaignStatus::Draft => None,
    };
    if running != right {
        let status = campaign.status.as_str();
        verdict.broken(
            "L4",
            format!("campaign {} is {status}, told otherwise", of.index),
        );
    }
    let phones: BTreeMap<&str, &LeadRecord> = of
        .leads
        .iter()
        .map(|lead| (lead.phone.as_str(), lead))
        .collect();
    let known = &seen.history.campaigns[of.index].leads;
    for lead in &of.leads {
        if known.iter().all(|known| known.phone != lead.phone) {
            verdict.broken(
                "L4",
                format!("{} is there, and nobody added it", lead.phone),
            );
        }
    }
    for lead in known {
        let present = seen
            .history
            .present_at(of.index, &lead.phone, Timestamp::MAX);
        let there = phones.get(lead.phone.as_str());
        if present == [true] && there.is_none() || present == [false] && there.is_some() {
            verdict.broken(
                "L4",
                format!("{} is there: {}", lead.phone, there.is_some()),
            );
        }
        let tenant = seen.history.campaigns[of.index].tenant;
        let opted_out = seen
            .history
            .opted_out_before(tenant, &lead.phone, Timestamp::MAX);
        if opted_out && there.is_some_and(|lead| lead.status == LeadStatus::Ready) {
            verdict.broken("L4", format!("{} opted out and is READY", lead.phone));
        }
    }
}

/// A5, L3, L7: each attempt against its ring.
fn judge_call(
    seen: &Seen<'_>,
    of: &CampaignRecords,
    call: &CallRecord,
    now: Timestamp,
    verdict: &mut Verdict,
) {
    let ring = seen
        .rings
        .iter()
        .find(|ring| ring.attempt_key.as_deref() == Some(call.attempt_key.as_str()));
    let names = || {
        let reason = call.ended_reason.as_deref().unwrap_or_default();
        format!("{} ({} {reason})", call.phone, call.state.as_str())
    };
    let presumed = call.outcome == Some(Outcome::PresumedPlaced);
    match (call.state, ring) {
        (StateName::Released | StateName::Absent, Some(ring)) => {
            let what = format!("{} rang at {}", names(), ring.received_at);
            verdict.broken("A5", what);
        }
        (StateName::Rejected, Some(ring)) if ring.rang_at.is_some() => {
            verdict.broken("A5", format!("{} rang all the same", names()));
        }
        (StateName::Ended, None) if !presumed && !was_blocked(seen, call) => {
            verdict.broken("A5", format!("{} has no call at the provider", names()));
        }
        (StateName::Placed | StateName::Ringing | StateName::InProgress, None) => {
            verdict.broken("A5", format!("{} has no call at the provider", names()));
        }
        (StateName::Placed | StateName::Ringing | StateName::InProgress, Some(ring))
            if ring
                .ended_at
                .is_some_and(|ended| later(ended, LONGEST) < now) =>
        {
            verdict.broken("V1", format!("{} is over at the provider", names()));
        }
        _ => {}
    }
    let known = call.state == StateName::Ended && !presumed;
    if let Some(ring) = ring
        && known
        && call.provider_call_id.as_deref() != Some(ring.provider_call_id().as_str())
    {
        verdict.broken("L3", format!("{} has another call's id", names()));
    }
    judge_outcome(call, ring.and_then(|ring| ring.outcome.as_deref()), verdict);
    judge_verdict(seen, of, call, verdict);
}

/// A5: the outcome on record is that of the phone.
fn judge_outcome(call: &CallRecord, rang: Option<&str>, verdict: &mut Verdict) {
    let (Some(outcome), Some(rang)) = (call.outcome, rang) else {
        return;
    };
    let people = ["ANSWERED", "VOICEMAIL", "NO_ANSWER", "BUSY"];
    let is = outcome.as_str();
    if outcome != Outcome::PresumedPlaced && people.contains(&rang) && is != rang {
        verdict.broken(
            "A5",
            format!("{} is {is}, the phone said {rang}", call.phone),
        );
    }
}

/// L7: why it was allowed: until when the calendar was open.
fn judge_verdict(seen: &Seen<'_>, of: &CampaignRecords, call: &CallRecord, verdict: &mut Verdict) {
    let until = call.verdict["allowed_until"].as_str();
    let Some(until) = until.and_then(|text| text.parse::<Timestamp>().ok()) else {
        let known = seen.history.reserved.get(&call.attempt_key);
        let adopted = call.verdict["decision"] == "ADOPTED"
            && known.is_some_and(|reserved| seen.history.is_forgotten(reserved.at));
        if call.verdict["decision"] != "ALLOW" && !adopted {
            verdict.broken("L7", format!("the call to {} has no verdict", call.phone));
        }
        return;
    };
    if until <= call.times.planned_at {
        verdict.broken(
            "L7",
            format!("the call to {} was allowed until before it", call.phone),
        );
    }
    let Some(reserved) = seen.history.reserved.get(&call.attempt_key) else {
        return;
    };
    let leads = &seen.history.campaigns[of.index].leads;
    let zones: Vec<_> = leads
        .iter()
        .filter(|lead| lead.phone == reserved.phone)
        .map(|lead| lead.zone)
        .collect();
    let closes = seen
        .history
        .settings_during(of.index, Timestamp::MIN, Timestamp::MAX)
        .into_iter()
        .any(|draft| {
            zones.iter().any(|zone| {
                let zone = calendar::zone_for(draft, *zone);
                calendar::is_open(draft, &zone, later(until, -GRAIN))
                    && !calendar::is_open(draft, &zone, until)
            })
        });
    if !closes {
        let what = format!(
            "nothing closes at {until}, until when {} was allowed",
            call.phone
        );
        verdict.broken("L7", what);
    }
}

/// P9: a person's next attempt begins when the one before is settled.
fn judge_succession(seen: &Seen<'_>, records: &Records, verdict: &mut Verdict) {
    let mut by_number: BTreeMap<(usize, &str), Vec<&CallRecord>> = BTreeMap::new();
    for of in &records.campaigns {
        let tenant = seen.history.campaigns[of.index].tenant;
        for call in &of.calls {
            let calls = by_number.entry((tenant, call.phone.as_str())).or_default();
            calls.push(call);
        }
    }
    let error = seen.history.clock_error() + GRAIN;
    for calls in by_number.values_mut() {
        // Ids follow the order of reservations, whatever the clock was set to.
        calls.sort_by_key(|call| call.attempt_id);
        for pair in calls.windows(2) {
            // One that was forgotten and found has a later id than those that came after it.
            if pair
                .iter()
                .any(|call| call.verdict["decision"] == "ADOPTED")
            {
                continue;
            }
            let settled = pair[0].times.ended_at.unwrap_or(Timestamp::MAX);
            if settled > later(pair[1].times.planned_at, error) {
                let what = format!(
                    "an attempt to {} began before the last was settled",
                    pair[1].phone
                );
                verdict.broken("P9", what);
            }
        }
    }
}

/// L5: every call of the world is on record. One that the database forgot, and whose campaign was
/// deleted before its provider was asked, is only listed for the operator.
fn judge_rings(seen: &Seen<'_>, records: &Records, verdict: &mut Verdict) {
    let keys: BTreeSet<&str> = records
        .campaigns
        .iter()
        .flat_map(|of| &of.calls)
        .map(|call| call.attempt_key.as_str())
        .collect();
    for ring in seen.rings {
        let key = ring.attempt_key.as_deref().unwrap_or_default();
        let is_listed_only = seen.reserved(ring).is_some_and(|reserved| {
            seen.history.is_forgotten(reserved.at) && seen.history.is_deleted(reserved.campaign)
        });
        if !keys.contains(key) && !is_listed_only {
            verdict.broken("L5", format!("the call to {} is on no record", ring.to));
        }
    }
}
