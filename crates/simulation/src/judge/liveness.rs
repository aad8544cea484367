//! V1, V3: once faults are over, a campaign with somebody to call and room to call them is never
//! idle for long.
//!
//! Judged by an oracle that knows only what is certain from outside, looked at once a simulated
//! minute: whenever it is sure that somebody may be called, somebody must be called soon.

use std::collections::BTreeSet;

use domain::settings::SettingsDraft;
use jiff::{SignedDuration, Timestamp};

use super::{Call, Seen, Verdict, calendar};
use crate::history::{LineTerms, Told, Violation};
use crate::plan::{PlannedLead, later};

/// After the faults, until every doubt must have been cleared up.
const SETTLING: SignedDuration = SignedDuration::from_hours(4);
/// How long somebody may wait.
const IDLE: SignedDuration = SignedDuration::from_secs(6);
/// After the end of a call, until it is certainly known.
const KNOWN_AFTER: SignedDuration = SignedDuration::from_secs(150);
/// A reservation without a call may be taken for a call that ended so much later.
const PRESUMED: SignedDuration = SignedDuration::from_hours(3);
const STEP: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn judge(seen: &Seen<'_>) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    let calls = seen.calls();
    for campaign in 0..seen.history.campaigns.len() {
        let oracle = Oracle::new(seen, &calls, campaign);
        if let Some(at) = oracle.first_idle() {
            let what = format!("campaign {campaign} was idle at {at} with a lead to call");
            verdict.broken("V3", what);
        }
    }
    verdict.violations
}

/// A call of a lead, or what may be taken for one.
struct Try<'a> {
    at: Timestamp,
    /// `None`: it goes on.
    ended_at: Option<Timestamp>,
    outcome: Option<&'a str>,
}

/// A lead about which nothing is in doubt.
struct Case<'a> {
    lead: &'a PlannedLead,
    tries: Vec<Try<'a>>,
    /// Calls of other campaigns of the tenant to the number.
    elsewhere: Vec<(Timestamp, Option<Timestamp>)>,
}

struct Oracle<'a> {
    seen: &'a Seen<'a>,
    campaign: usize,
    cases: Vec<Case<'a>>,
    /// Calls of the line.
    of_line: Vec<Call<'a>>,
    /// When calls of the campaign were placed.
    placed: Vec<Timestamp>,
    edited: bool,
}

impl<'a> Oracle<'a> {
    fn new(seen: &'a Seen<'a>, calls: &[Call<'a>], campaign: usize) -> Self {
        let line = seen.history.campaigns[campaign].line;
        let own = calls
            .iter()
            .filter(|call| call.reserved.campaign == campaign);
        let drafts = seen
            .history
            .settings_during(campaign, Timestamp::MIN, Timestamp::MAX);
        Self {
            seen,
            campaign,
            cases: cases(seen, calls, campaign),
            of_line: calls
                .iter()
                .filter(|call| seen.line_of(call) == line)
                .copied()
                .collect(),
            placed: own.map(Call::at).collect(),
            edited: drafts.len() > 1,
        }
    }

    fn first_idle(&self) -> Option<Timestamp> {
        let mut at = later(self.seen.plan.quiet_from, SETTLING);
        while later(at, STEP) < self.seen.plan.end {
            if !self.places_around(at) && self.must_call(at) {
                return Some(at);
            }
            at = later(at, STEP);
        }
        None
    }

    /// A call just before may have taken the lead; the look once a minute must not blame that.
    fn places_around(&self, at: Timestamp) -> bool {
        let (from, until) = (later(at, -IDLE), later(at, IDLE));
        self.placed.iter().any(|at| (from..=until).contains(at))
    }

    /// Whether it is certain that the campaign has somebody to call at `at`, and room.
    fn must_call(&self, at: Timestamp) -> bool {
        let history = self.seen.history;
        let drafts = history.settings_at(self.campaign, at);
        let [draft] = drafts[..] else { return false };
        let terms = history.terms_during(history.campaigns[self.campaign].line, at, at);
        let [terms] = terms[..] else { return false };
        history.running_at(self.campaign, at) == [true]
            && self
                .cases
                .iter()
                .any(|case| self.is_callable(draft, case, at))
            && self.has_room(draft, terms, at)
    }

    fn is_callable(&self, draft: &SettingsDraft, case: &Case<'_>, at: Timestamp) -> bool {
        let early = case.lead.not_before;
        if early.is_some_and(|not_before| later(at, -IDLE) < not_before)
            || !self.is_rested(draft, case, at)
        {
            return false;
        }
        let zone = calendar::zone_for(draft, case.lead.zone);
        let open = [at, later(at, -IDLE), later(at, IDLE)]
            .into_iter()
            .all(|at| calendar::is_open(draft, &zone, at));
        let history = self.seen.history;
        open && history.present_at(self.campaign, &case.lead.phone, at) == [true]
    }

    /// Whether caps and gaps certainly allow a call.
    fn is_rested(&self, draft: &SettingsDraft, case: &Case<'_>, at: Timestamp) -> bool {
        let longest = draft.retry_gaps_minutes.iter().flatten();
        let longest = longest.chain(&draft.min_gap_between_attempts).max();
        let gap = SignedDuration::from_mins(*longest.unwrap_or(&3)) + KNOWN_AFTER;
        let up = |placed: Timestamp, ended: Option<Timestamp>, rest: SignedDuration| {
            placed <= later(at, IDLE) && ended.is_none_or(|ended| later(ended, rest) > at)
        };
        if case.tries.iter().any(|one| up(one.at, one.ended_at, gap))
            || case
                .elsewhere
                .iter()
                .any(|(placed, ended)| up(*placed, *ended, KNOWN_AFTER))
        {
            return false;
        }
        let before: Vec<_> = case.tries.iter().filter(|one| one.at <= at).collect();
        // Edits of the policy may have ended the lead at the time of an earlier call.
        if self.edited && !before.is_empty() {
            return false;
        }
        let zone = calendar::campaign_zone(draft);
        let today = before.iter().filter(|one| {
            let surely = later(one.at, SignedDuration::from_mins(1));
            calendar::date_of(&zone, surely) == calendar::date_of(&zone, at)
        });
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        whole(before.len()) < draft.max_call_attempts.unwrap_or(1)
            && whole(today.count()) < draft.max_daily_attempts.unwrap_or(1)
            && before.iter().all(|one| is_retried(draft, one))
    }

    /// Whether line, campaign and numbers certainly have room through the whole wait.
    fn has_room(&self, draft: &SettingsDraft, terms: &LineTerms, at: Timestamp) -> bool {
        let near: Vec<_> = self
            .of_line
            .iter()
            .filter(|call| {
                let ended = call.ring.ended_at;
                call.at() <= later(at, IDLE)
                    && ended.is_none_or(|ended| later(ended, KNOWN_AFTER) > at)
            })
            .collect();
        let own = near
            .iter()
            .filter(|call| call.reserved.campaign == self.campaign)
            .count();
        let lately = later(at, -SignedDuration::from_mins(2));
        let paced = draft.max_calls_per_minute.is_some()
            && self.placed.iter().any(|placed| *placed > lately);
        let fits = |count: usize, most: u32| count < usize::try_from(most).unwrap_or(0);
        let free_number = !self.seen.history.campaigns[self.campaign].uses_pool
            || terms.pool.iter().any(|(id, most)| {
                let from_it = near
                    .iter()
                    .filter(|call| call.ring.phone_number_id.as_deref() == Some(id.as_str()));
                most.is_none_or(|most| fits(from_it.count(), most))
            });
        let own_most = draft.max_concurrent_calls.map(u32::try_from);
        fits(near.len(), terms.max_concurrent_calls)
            && own_most.is_none_or(|most| most.is_ok_and(|most| fits(own, most)))
            && free_number
            && !paced
    }
}

/// Whether a lead may be called again after this.
fn is_retried(draft: &SettingsDraft, one: &Try<'_>) -> bool {
    let outcome = one.outcome.unwrap_or("PRESUMED_PLACED");
    let ends = matches!(
        outcome,
        "ANSWERED" | "INVALID_NUMBER" | "VOICEMAIL" | "FAILED_PERMANENT"
    );
    let retried = draft.retry_outcomes.as_deref();
    !ends && retried.is_none_or(|some| some.iter().any(|one| one == outcome))
}

/// The leads of a campaign about which enough is known.
fn cases<'a>(seen: &'a Seen<'a>, calls: &[Call<'a>], campaign: usize) -> Vec<Case<'a>> {
    let history = seen.history;
    let tenant = history.campaigns[campaign].tenant;
    // A provider that refused the request may have refused the number for good.
    let refused: BTreeSet<&str> = seen
        .posts()
        .filter(|post| {
            let status = post.status.unwrap_or_default();
            (400..500).contains(&status) && status != 429
        })
        .filter_map(|post| post.attempt_key.as_deref())
        .collect();
    let mut cases = Vec::new();
    for lead in &history.campaigns[campaign].leads {
        let in_doubt = history.of(campaign).any(|entry| match &entry.told {
            Told::Requeued(phone) | Told::Removed(phone) => *phone == lead.phone,
            _ => false,
        });
        if in_doubt || history.opted_out_before(tenant, &lead.phone, Timestamp::MAX) {
            continue;
        }
        let to_it = || {
            calls
                .iter()
                .filter(|call| call.reserved.phone == lead.phone && seen.tenant_of(call) == tenant)
        };
        let mut tries = Vec::new();
        let mut hopeless = false;
        for (key, reserved) in &history.reserved {
            if reserved.campaign != campaign || reserved.phone != lead.phone {
                continue;
            }
            let ring = to_it()
                .map(|call| call.ring)
                .find(|ring| ring.attempt_key.as_deref() == Some(key.as_str()));
            hopeless |= ring.is_none() && refused.contains(key.as_str());
            tries.push(Try {
                at: ring.map_or(reserved.at, |ring| ring.received_at),
                ended_at: ring.map_or(Some(later(reserved.at, PRESUMED)), |ring| ring.ended_at),
                outcome: ring.and_then(|ring| ring.outcome.as_deref()),
            });
        }
        let elsewhere = to_it()
            .filter(|call| call.reserved.campaign != campaign)
            .map(|call| (call.at(), call.ring.ended_at));
        if !hopeless {
            cases.push(Case {
                lead,
                tries,
                elsewhere: elsewhere.collect(),
            });
        }
    }
    cases
}
