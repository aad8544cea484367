//! Applying facts: match the attempt, reduce, store, tell.
//!
//! Idempotent: a fact that says nothing new changes nothing but the time of the next look-up.

use domain::attempt::{self, AttemptState, Change, Fact, StateName};
use failpoint::Transaction;
use jiff::Timestamp;
use rusqlite::params;
use serde_json::json;
use store::{Applied, AttemptFact, CallDetails, NO_LEAD, PatienceOf, StoreResult, call_rules};

use crate::code::{micros, to_json};
use crate::dial::leads::is_in_call;
use crate::dial::row::{self, AttemptRow};
use crate::dial::{effects, line_health};
use crate::error::translate;
use crate::events::{self, Subject};
use crate::ops::wake;
use crate::writer::Work;

/// Applies facts in order.
pub(crate) fn apply_all(
    work: &mut Work<'_>,
    now: Timestamp,
    facts: &[AttemptFact],
    patience_of: PatienceOf,
) -> StoreResult<Vec<Applied>> {
    work.is_a(Transaction::Facts);
    facts
        .iter()
        .map(|fact| apply(work, now, fact, patience_of))
        .collect()
}

/// Applies one fact.
pub(crate) fn apply(
    work: &mut Work<'_>,
    now: Timestamp,
    told: &AttemptFact,
    patience_of: PatienceOf,
) -> StoreResult<Applied> {
    let Some(row) = row::find(work, &told.attempt)? else {
        return Ok(Applied::Unmatched);
    };
    let patience = patience_of(&row.provider);
    let change = attempt::apply(row.state, &told.fact, row.planned_at, patience, now);
    let overdue_at = attempt::overdue_at(row.planned_at, patience);
    let latest = call_rules::latest(row.planned_at, now, overdue_at);
    let at = told.at.unwrap_or(now).clamp(row.planned_at, latest);
    let changed = change.state != row.state;
    store_state(work, now, at, &row, told, &change, overdue_at)?;
    if call_rules::is_news(&row.state, &change.state) {
        let known = row.provider_call_id.as_ref();
        let event = call_rules::event(row.attempt_number, known, told, &change);
        if let Some((kind, data)) = event {
            events::append(work, now, kind, subject(&row), &data)?;
        }
    }
    effects::carry_out(work, now, &row, &change)?;
    if !row.missed && call_rules::is_missed(now, false, &told.fact, &change.state) {
        // A slot is free again.
        wake::campaign(work, row.campaign_id, now)?;
        wake::line_only(work, row.line_id, now)?;
    }
    // Told again, it is no other failure.
    if let Some(reason) = told.line_fault.filter(|_| changed) {
        line_health::fault(work, now, &row, reason, told.fact == Fact::NeverSent)?;
    }
    if let Some(details) = told.details.as_ref().filter(|details| !details.is_empty()) {
        store_details(work, now, &row, details)?;
    }
    Ok(if changed {
        Applied::Changed {
            state: change.state.name(),
        }
    } else {
        Applied::Unchanged
    })
}

/// Where the state's own instant is kept.
fn entered(state: &AttemptState, name: StateName, at: Timestamp) -> Option<i64> {
    (state.name() == name).then(|| micros(at))
}

fn store_state(
    work: &Work<'_>,
    now: Timestamp,
    at: Timestamp,
    row: &AttemptRow,
    told: &AttemptFact,
    change: &Change,
    overdue_at: Timestamp,
) -> StoreResult<()> {
    let state = &change.state;
    let over = !state.name().is_live();
    // A call that we had written off may have a successor to the same number by now; the number
    // can be held once only, and the correction is told all the same.
    let live = !over && (row.live || !is_in_call(work, row.tenant_id, &row.phone)?);
    let (outcome, presumed) = match state {
        AttemptState::Ended { outcome, .. } => (
            Some(outcome.as_str()),
            *outcome == domain::Outcome::PresumedPlaced,
        ),
        _ => (None, false),
    };
    let (probes, absent_at) = match state {
        AttemptState::Unknown {
            probes, absent_at, ..
        } => (*probes, absent_at.map(micros)),
        _ => (0, None),
    };
    let ended_by_vendor = told.details.as_ref().and_then(|details| details.ended_at);
    let latest = call_rules::latest(row.planned_at, now, overdue_at);
    let ended_at = ended_by_vendor.map_or(at, |ended| ended.clamp(row.planned_at, latest));
    // When a call ended of which nobody says when, while the clock was set back, is unknown; its gap
    // counts from the latest instant at which it can have been up.
    let unknown = now < row.planned_at && told.at.is_none() && ended_by_vendor.is_none();
    let gap_from = if presumed || unknown {
        overdue_at
    } else {
        ended_at
    };
    let missed = call_rules::is_missed(now, row.missed, &told.fact, state);
    let sql = "UPDATE attempts SET state = ?2, live = ?3, counts = ?4, outcome = ?5,
                   ended_reason = coalesce(?6, ended_reason), provider_call_id = coalesce(provider_call_id, ?7),
                   control_url = coalesce(?8, control_url), probes = ?9, absent_at = ?10, check_at = ?11,
                   unknown_at = coalesce(unknown_at, ?12), placed_at = coalesce(placed_at, ?13),
                   ringing_at = coalesce(ringing_at, ?14), in_progress_at = coalesce(in_progress_at, ?15),
                   ended_at = CASE WHEN ?19 THEN ?17 WHEN ?16 THEN coalesce(ended_at, ?17) END,
                   gap_from = CASE WHEN ?19 THEN ?18 WHEN ?16 THEN coalesce(gap_from, ?18) END,
                   missed = ?20
               WHERE attempt_id = ?1";
    let bound = params![
        row.attempt_id.raw(),
        state.name().as_str(),
        live,
        // A test call is nobody's attempt.
        state.counts() && row.lead_id != NO_LEAD,
        outcome,
        told.reason,
        told.provider_call_id,
        told.control_url,
        probes,
        absent_at,
        change.check_at.map(micros),
        entered(state, StateName::Unknown, now),
        entered(state, StateName::Placed, at),
        entered(state, StateName::Ringing, at),
        entered(state, StateName::InProgress, at),
        over,
        micros(ended_at),
        micros(gap_from),
        // The end is as it was told first, unless the state itself is new.
        over && change.state != row.state,
        missed,
    ];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(bound)
        .map_err(translate)?;
    Ok(())
}

pub(crate) fn subject(row: &AttemptRow) -> Subject {
    Subject {
        attempt_id: Some(row.attempt_id),
        lead_id: Some(row.lead_id).filter(|lead_id| *lead_id != NO_LEAD),
        ..Subject::campaign(row.tenant_id, row.campaign_id)
    }
}

/// Keeps what the call left behind; what was told before is kept where the new report is silent.
fn store_details(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    details: &CallDetails,
) -> StoreResult<()> {
    let analysed = details.transcript.is_some()
        || details.summary.is_some()
        || details.structured_data.is_some();
    let news = analysed && !has_analysis(work, row)?;
    let sql = "INSERT INTO call_details (attempt_id, started_at, ended_at, cost_micro_usd, transcript, summary, recording_url, structured_data)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (attempt_id) DO UPDATE SET
                   started_at = coalesce(excluded.started_at, started_at),
                   ended_at = coalesce(excluded.ended_at, ended_at),
                   cost_micro_usd = coalesce(excluded.cost_micro_usd, cost_micro_usd),
                   transcript = coalesce(excluded.transcript, transcript),
                   summary = coalesce(excluded.summary, summary),
                   recording_url = coalesce(excluded.recording_url, recording_url),
                   structured_data = coalesce(excluded.structured_data, structured_data)";
    let bound = params![
        row.attempt_id.raw(),
        details.started_at.map(micros),
        details.ended_at.map(micros),
        details.cost_micro_usd,
        details.transcript,
        details.summary,
        details.recording_url,
        details.structured_data.as_ref().map(to_json),
    ];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(bound)
        .map_err(translate)?;
    if news {
        events::append(
            work,
            now,
            "call.analyzed",
            subject(row),
            &json!({ "attempt": row.attempt_number }),
        )?;
    }
    Ok(())
}

fn has_analysis(work: &Work<'_>, row: &AttemptRow) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM call_details WHERE attempt_id = ?1
               AND (transcript IS NOT NULL OR summary IS NOT NULL OR structured_data IS NOT NULL)";
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .exists([row.attempt_id.raw()])
        .map_err(translate)
}
