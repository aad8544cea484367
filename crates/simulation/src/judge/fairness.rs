//! A8: two tenants with more to do than their lines can take, each with two campaigns of different
//! priority, get their shares.

use super::{Seen, Verdict};
use crate::history::Violation;

/// Calls of a campaign before shares are looked at.
const ENOUGH: usize = 20;
/// Least part of its fair share that each gets, percent.
const LEAST_PERCENT: u64 = 80;

pub(super) fn judge(seen: &Seen<'_>) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    if !seen.plan.saturated {
        return verdict.violations;
    }
    // Shares are compared while everybody still has more to do.
    let mut counts = vec![0_u64; seen.history.campaigns.len()];
    for call in seen.calls() {
        let campaign = call.reserved.campaign;
        counts[campaign] += 1;
        let leads = seen.plan.campaigns[campaign].leads.len();
        if counts[campaign] + 10 >= u64::try_from(leads).unwrap_or(0) {
            break;
        }
    }
    let total: u64 = counts.iter().sum();
    if total < u64::try_from(ENOUGH * counts.len()).unwrap_or(0) {
        // Cut down to a few leads, there is nothing to share.
        return verdict.violations;
    }
    let tenants = [counts[0] + counts[1], counts[2] + counts[3]];
    for (tenant, count) in tenants.into_iter().enumerate() {
        if count * 2 * 100 < total * LEAST_PERCENT {
            verdict.broken(
                "A8",
                format!("tenant {tenant} got {count} of {total} calls"),
            );
        }
    }
    for pair in [[0, 1], [2, 3]] {
        let weights = pair.map(|campaign| priority(seen, campaign));
        let got = counts[pair[0]] + counts[pair[1]];
        for (campaign, weight) in pair.into_iter().zip(weights) {
            let fair = got * weight / (weights[0] + weights[1]);
            if counts[campaign] * 100 < fair * LEAST_PERCENT {
                let what = format!(
                    "campaign {campaign} got {} of {got} calls, its share is {fair}",
                    counts[campaign]
                );
                verdict.broken("A8", what);
            }
        }
    }
    verdict.violations
}

fn priority(seen: &Seen<'_>, campaign: usize) -> u64 {
    let priority = seen.plan.campaigns[campaign].draft.priority;
    u64::try_from(priority.unwrap_or(5)).unwrap_or(5)
}
