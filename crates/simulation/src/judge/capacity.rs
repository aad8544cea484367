//! A1, A2, P12 and V4: limits at every instant, and no request after an orderly stop.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Call, Seen, Verdict};
use crate::history::Violation;
use crate::plan::later;

/// The provider counts by second; a request on the wire may be a little late.
const SECOND: SignedDuration = SignedDuration::from_millis(970);
/// A start within the send deadline may be this late, and the next one is not.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn judge(seen: &Seen<'_>) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    let calls = seen.calls();
    let mut live: Vec<Call<'_>> = Vec::new();
    for call in &calls {
        live.retain(|other| other.is_live_at(call.at()));
        judge_concurrency(seen, &live, call, &mut verdict);
        live.push(*call);
    }
    judge_line_rate(seen, &mut verdict);
    judge_campaign_rate(seen, &calls, &mut verdict);
    judge_stops(seen, &mut verdict);
    verdict.violations
}

/// A1: live calls of line, campaign and number.
fn judge_concurrency(seen: &Seen<'_>, up: &[Call<'_>], call: &Call<'_>, verdict: &mut Verdict) {
    let (at, line) = (call.at(), seen.line_of(call));
    let terms = seen.history.terms_during(line, at, at);
    let of_line: Vec<_> = up
        .iter()
        .filter(|other| seen.line_of(other) == line)
        .collect();
    let most = terms.iter().map(|terms| terms.max_concurrent_calls).max();
    if is_full(of_line.len(), most) {
        verdict.broken_by("A1", call, "more live calls than the line allows");
    }
    let campaign = call.reserved.campaign;
    let drafts = seen.history.settings_at(campaign, at);
    let limits = drafts.iter().map(|draft| draft.max_concurrent_calls);
    let most = limits.collect::<Option<Vec<_>>>();
    let most = most.and_then(|limits| limits.into_iter().max());
    let own = of_line
        .iter()
        .filter(|other| other.reserved.campaign == campaign)
        .count();
    if is_full(own, most.and_then(|most| u32::try_from(most).ok())) {
        verdict.broken_by("A1", call, "more live calls than the campaign allows");
    }
    if !seen.history.campaigns[campaign].uses_pool {
        return;
    }
    let number = call.ring.phone_number_id.as_deref().unwrap_or_default();
    let limits = terms.iter().filter_map(|terms| {
        let number = terms.pool.iter().find(|(id, _)| id == number)?;
        Some(number.1)
    });
    let most = limits.collect::<Option<Vec<_>>>();
    let most = most.and_then(|limits| limits.into_iter().max());
    let from_it = of_line
        .iter()
        .filter(|other| other.ring.phone_number_id.as_deref() == Some(number))
        .count();
    if is_full(from_it, most) {
        verdict.broken_by("A1", call, "more live calls than the number allows");
    }
}

fn is_full(count: usize, most: Option<u32>) -> bool {
    most.is_some_and(|most| u32::try_from(count).unwrap_or(u32::MAX) >= most)
}

/// A2, P12: requests a second, by account. A second in which the process died, or after it had
/// stood still, is not judged: what one process sent is not known to the next.
fn judge_line_rate(seen: &Seen<'_>, verdict: &mut Verdict) {
    for (line, made) in seen.history.lines.iter().enumerate() {
        let posts = seen.posts();
        let at: Vec<_> = posts
            .filter(|post| post.account.as_deref() == Some(made.account.as_str()))
            .map(|post| post.received_at)
            .collect();
        for (index, from) in at.iter().enumerate() {
            let until = later(*from, SECOND);
            if seen
                .history
                .deaths
                .iter()
                .any(|death| (*from..=until).contains(death))
            {
                continue;
            }
            let within = at[index..].iter().take_while(|at| **at < until).count();
            let terms = seen
                .history
                .terms_during(line, later(*from, -SECOND * 3), until);
            let most = terms.iter().map(|terms| terms.max_calls_per_second).max();
            if u32::try_from(within).unwrap_or(u32::MAX) > most.unwrap_or(u32::MAX) {
                verdict.broken("A2", format!("{within} requests in the second from {from}"));
            }
        }
    }
}

/// A2: calls a minute, by campaign.
fn judge_campaign_rate(seen: &Seen<'_>, calls: &[Call<'_>], verdict: &mut Verdict) {
    let mut by_campaign: BTreeMap<usize, Vec<Timestamp>> = BTreeMap::new();
    for call in calls {
        let starts = by_campaign.entry(call.reserved.campaign).or_default();
        starts.push(call.at());
    }
    let error = seen.history.clock_error();
    for (campaign, starts) in by_campaign {
        for (index, from) in starts.iter().enumerate() {
            let until = later(*from, MINUTE - error);
            if seen.history.was_disturbed(*from, until) {
                continue;
            }
            let drafts = seen
                .history
                .settings_during(campaign, later(*from, -MINUTE), until);
            let limits = drafts.iter().map(|draft| draft.max_calls_per_minute);
            let Some(limits) = limits.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let within = starts[index..].iter().take_while(|at| **at < until).count();
            let most = limits.into_iter().max().unwrap_or(i64::MAX);
            if i64::try_from(within).unwrap_or(i64::MAX) > most {
                verdict.broken("A2", format!("{within} calls in the minute from {from}"));
            }
        }
    }
}

/// V4: after SIGTERM no new call begins.
fn judge_stops(seen: &Seen<'_>, verdict: &mut Verdict) {
    for post in seen.posts() {
        let at = post.received_at;
        let stops = &seen.history.stops;
        if stops.iter().any(|(from, until)| at > *from && at < *until) {
            verdict.broken("V4", format!("a call was begun after the stop, at {at}"));
        }
    }
}
