//! H1: a database that forgot calls dials nothing until every provider was asked and the operator
//! was told that it goes on. H2: nothing dials on a clock that was set by minutes.

use jiff::{SignedDuration, Timestamp};

use super::{Seen, Verdict};
use crate::history::{Restore, Violation};

/// A step that is surely more than a correction, whatever small ones were not taken in yet.
const FAR: SignedDuration = SignedDuration::from_secs(150);
/// So far off, no provider agrees with the clock.
const NOBODY_AGREES: SignedDuration = SignedDuration::from_secs(122);

pub(super) fn judge(seen: &Seen<'_>) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    for (at, by) in &seen.history.clock_steps {
        judge_step(seen, *at, SignedDuration::from_micros(*by), &mut verdict);
    }
    for restore in &seen.history.restores {
        // A copy that forgot nothing may go on at once.
        let mut reserved = seen.history.reserved.values();
        if reserved.any(|reserved| (restore.copied_at..restore.found_at).contains(&reserved.at)) {
            judge_restore(seen, restore, &mut verdict);
        }
    }
    verdict.violations
}

/// H2: until the clock is set again, or the process, which is its only witness, is gone.
fn judge_step(seen: &Seen<'_>, at: Timestamp, by: SignedDuration, verdict: &mut Verdict) {
    let off = seen.history.wall(at).duration_since(at);
    if by.abs() < FAR || off.abs() < NOBODY_AGREES {
        return;
    }
    let steps = seen.history.clock_steps.iter().map(|(at, _)| *at);
    let next = steps.chain(seen.history.deaths.iter().copied());
    let until = next.filter(|next| *next > at).min();
    let until = until.unwrap_or(Timestamp::MAX);
    let post = seen
        .posts()
        .find(|post| at < post.received_at && post.received_at < until);
    if let Some(post) = post {
        let what = format!(
            "a call was placed at {}, and the clock had been set by {by:#}",
            post.received_at
        );
        verdict.broken("H2", what);
    }
}

fn judge_restore(seen: &Seen<'_>, restore: &Restore, verdict: &mut Verdict) {
    let found_at = restore.found_at;
    let until = restore.released_at.unwrap_or(Timestamp::MAX);
    let held = |at: Timestamp| found_at <= at && at < until;
    if let Some(post) = seen.posts().find(|post| held(post.received_at)) {
        let what = format!("a call was placed at {} on hold", post.received_at);
        verdict.broken("H1", what);
    }
    if restore.released_at.is_none() {
        let what = format!("the hold of {found_at} could not be ended");
        return verdict.broken("V1", what);
    }
    for line in &seen.history.lines {
        let was_asked = seen.requests.iter().any(|request| {
            request.method == http::Method::GET
                && request.path.ends_with("/call")
                && request.account.as_deref() == Some(line.account.as_str())
                && (found_at..=until).contains(&request.received_at)
        });
        if !was_asked {
            let what = format!("dialing went on at {until}, and a provider was not asked");
            verdict.broken("H1", what);
        }
    }
}
