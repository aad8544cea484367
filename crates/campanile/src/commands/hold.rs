//! `campanile hold`: on the database itself, also beside a running server, which follows within a
//! second.

use dialer::SystemClock;
use domain::ambient::Clock;
use serde_json::{Value, json};
use store::{HoldStatus, LineProgress, Release, UnmatchedCall};

use crate::config::Settings;
use crate::failure::{Failure, Outcome};
use crate::{output, storage};

/// `hold status`.
pub(crate) async fn status(settings: &Settings) -> Outcome {
    let store = storage::open_existing(settings).await?;
    let status = store.hold_status().await.map_err(Failure::failed)?;
    if settings.json {
        output::json(&to_json(&status));
    } else {
        tell(&status);
    }
    Ok(())
}

/// `hold release`.
pub(crate) async fn release(settings: &Settings, force: bool) -> Outcome {
    let store = storage::open_existing(settings).await?;
    let now = SystemClock.now();
    let released = store.release_hold(now, force).await;
    match released.map_err(Failure::failed)? {
        Release::NotOnHold => {
            if settings.json {
                output::json(&json!({ "released": false, "on_hold": false }));
            } else {
                output::line("not on hold: nothing to release");
            }
            Ok(())
        }
        Release::NotReconciled(status) => Err(Failure::failed(format!(
            "not released: {}; see `campanile hold status`. A running server asks the lines by itself; `--force` releases without their answers, and people who were called since the copy was made can then be called again",
            progress(&status)
        ))),
        Release::Released(status) => {
            let by_force = !status.is_reconciled();
            tracing::warn!(
                hold.by_force = by_force,
                hold.adopted = adopted(&status),
                "the hold was released by the operator"
            );
            if settings.json {
                let mut shown = to_json(&status);
                shown["released"] = true.into();
                shown["by_force"] = by_force.into();
                output::json(&shown);
            } else {
                tell(&status);
                output::line("released: a running server dials again within seconds");
            }
            Ok(())
        }
    }
}

fn tell(status: &HoldStatus) {
    if !status.is_on_hold() {
        output::line("not on hold");
    }
    for hold in &status.holds {
        output::line(&format!(
            "on hold since {:.0}: {}: {}",
            hold.since,
            hold.reason.as_str(),
            hold.detail
        ));
    }
    if status.needs_reconciliation() {
        output::line(&progress(status));
        tell_lines(status);
    }
    if !status.unmatched.is_empty() {
        tell_unmatched(status);
    }
}

fn tell_unmatched(status: &HoldStatus) {
    output::line("calls that belong to no campaign of the database, newest first:");
    let row = |call: &UnmatchedCall| {
        vec![
            call.line_id.to_string(),
            call.provider_call_id.clone(),
            format!("{:.0}", call.seen_at),
        ]
    };
    let rows: Vec<Vec<String>> = status.unmatched.iter().map(row).collect();
    output::rows(&["line", "provider's call id", "found"], &rows);
}

fn tell_lines(status: &HoldStatus) {
    let rows: Vec<Vec<String>> = status
        .lines
        .iter()
        .map(|line| {
            vec![
                line.line_id.to_string(),
                line.name.clone(),
                line.progress.as_str().to_owned(),
                line.calls_seen.to_string(),
                line.adopted.to_string(),
                line.unmatched.to_string(),
                line.note.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let heading = [
        "line",
        "name",
        "asked",
        "calls seen",
        "adopted",
        "unmatched",
        "note",
    ];
    output::rows(&heading, &rows);
}

/// One line for people.
fn progress(status: &HoldStatus) -> String {
    let done = status
        .lines
        .iter()
        .filter(|line| line.progress == LineProgress::Done);
    let unmatched: u64 = status.lines.iter().map(|line| line.unmatched).sum();
    format!(
        "{} of {} lines have been asked for the calls that the database forgot; {} calls adopted, {unmatched} that belong to no campaign of the database",
        done.count(),
        status.lines.len(),
        adopted(status)
    )
}

fn adopted(status: &HoldStatus) -> u64 {
    status.lines.iter().map(|line| line.adopted).sum()
}

fn to_json(status: &HoldStatus) -> Value {
    let holds = status.holds.iter().map(|hold| {
        json!({
            "reason": hold.reason.as_str(),
            "since": hold.since.to_string(),
            "detail": hold.detail,
        })
    });
    let gaps = status
        .gaps
        .iter()
        .map(|gap| json!({ "from": gap.from.to_string(), "until": gap.until.to_string() }));
    let lines = status.lines.iter().map(|line| {
        json!({
            "line_id": line.line_id.raw(),
            "name": line.name,
            "asked": line.progress.as_str(),
            "calls_seen": line.calls_seen,
            "adopted": line.adopted,
            "unmatched": line.unmatched,
            "note": line.note,
        })
    });
    let unmatched = status.unmatched.iter().map(|call| {
        json!({
            "line_id": call.line_id.raw(),
            "provider_call_id": call.provider_call_id,
            "seen_at": call.seen_at.to_string(),
        })
    });
    json!({
        "on_hold": status.is_on_hold(),
        "reconciled": status.is_reconciled(),
        "holds": holds.collect::<Value>(),
        "gaps": gaps.collect::<Value>(),
        "lines": lines.collect::<Value>(),
        "unmatched": unmatched.collect::<Value>(),
        "marker": status.marker,
    })
}
