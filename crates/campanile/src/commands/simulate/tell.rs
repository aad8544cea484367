//! The answer of `campanile simulate`, for people and for programs.

use serde_json::{Value, json};

use super::{Broken, Tally};
use crate::config::Settings;
use crate::output;

/// Broken promises of one seed that are shown.
const MOST_SHOWN: usize = 8;

pub(super) fn as_json(tally: &Tally, never_reached: &[&str], settings: &Settings) -> Value {
    let summary = &tally.summary;
    let (first, last) = settings.simulate.seeds;
    json!({
        "seeds": { "first": first, "last": last, "run": summary.seeds, "broken": summary.broken },
        "campaign_days": summary.campaign_days.round(),
        "calls": summary.rings,
        "violations": tally.broken.iter().flat_map(violations).collect::<Vec<_>>(),
        "repeated": { "seeds": tally.repeated, "differing": tally.unsteady },
        "reached": summary.reached,
        "never_reached": never_reached,
    })
}

fn violations(broken: &Broken) -> impl Iterator<Item = Value> + '_ {
    broken.report.violations.iter().map(|violation| {
        json!({
            "seed": broken.report.seed,
            "promise": violation.invariant,
            "what": violation.what,
            "replay": broken.replay,
        })
    })
}

pub(super) fn as_text(tally: &Tally, never_reached: &[&str]) {
    for broken in &tally.broken {
        output::line(&format!("seed {} breaks:", broken.report.seed));
        for violation in broken.report.violations.iter().take(MOST_SHOWN) {
            output::line(&format!("  {} {}", violation.invariant, violation.what));
        }
        let more = broken.report.violations.len().saturating_sub(MOST_SHOWN);
        if more > 0 {
            output::line(&format!("  and {more} more"));
        }
        output::line(&format!("  replay: {}", broken.replay));
    }
    let summary = &tally.summary;
    let mut rows: Vec<Vec<String>> = summary
        .reached
        .iter()
        .map(|(state, count)| vec![(*state).to_owned(), count.to_string()])
        .collect();
    rows.extend(
        never_reached
            .iter()
            .map(|state| vec![(*state).to_owned(), "never".to_owned()]),
    );
    output::rows(&["reached", "times"], &rows);
    for seed in &tally.unsteady {
        output::line(&format!(
            "seed {seed} went another way when it was repeated"
        ));
    }
    if !never_reached.is_empty() {
        output::line(&format!(
            "{} rare states were never reached: run more seeds, or mend the simulation",
            never_reached.len()
        ));
    }
    output::line(&format!(
        "{} seeds, {:.0} campaign-days, {} calls, {} seeds broken, {} repeated with the same trace",
        summary.seeds,
        summary.campaign_days,
        summary.rings,
        summary.broken,
        tally.repeated - u64::try_from(tally.unsteady.len()).unwrap_or_default(),
    ));
}
