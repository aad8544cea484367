//! Applying facts: match the attempt, reduce, store, tell.
//!
//! Idempotent: a fact that says nothing new changes nothing but the time of the next look-up.

use domain::TenantId;
use domain::attempt::{self, AttemptState, Change, Fact, StateName};
use jiff::Timestamp;
use serde_json::json;
use store::{Applied, AttemptFact, CallDetails, NO_LEAD, PatienceOf, StoreResult, call_rules};

use crate::code::{micros, to_json};
use crate::dial::batch::Batch;
use crate::dial::row::AttemptRow;
use crate::dial::snapshot_leads::is_in_call;
use crate::dial::{effects, line_health};
use crate::events::{self, Subject};
use crate::query::{self, bound};
use crate::work::Work;

pub(crate) use crate::dial::row::tenants_of;

/// The places of each tenant's facts, in order; facts of nobody are left out.
pub(crate) fn by_tenant(tenants: &[Option<TenantId>]) -> Vec<(TenantId, Vec<usize>)> {
    let mut groups: Vec<(TenantId, Vec<usize>)> = Vec::new();
    for (place, tenant_id) in tenants.iter().enumerate() {
        let Some(tenant_id) = *tenant_id else {
            continue;
        };
        match groups.iter_mut().find(|(of, _)| *of == tenant_id) {
            Some((_, places)) => places.push(place),
            None => groups.push((tenant_id, vec![place])),
        }
    }
    groups
}

/// Applies one fact by itself.
pub(crate) async fn apply(
    work: &mut Work<'_>,
    now: Timestamp,
    told: &AttemptFact,
    patience_of: PatienceOf,
) -> StoreResult<Applied> {
    let mut batch = Batch::default();
    let applied = apply_in(work, &mut batch, now, told, patience_of).await?;
    batch.finish(work).await?;
    Ok(applied)
}

/// Applies one fact of a batch. What follows from all of them is written when the batch is finished.
pub(crate) async fn apply_in(
    work: &mut Work<'_>,
    batch: &mut Batch,
    now: Timestamp,
    told: &AttemptFact,
    patience_of: PatienceOf,
) -> StoreResult<Applied> {
    let Some(mut row) = batch.find(work, &told.attempt).await? else {
        return Ok(Applied::Unmatched);
    };
    let patience = patience_of(&row.provider);
    let change = attempt::apply(row.state, &told.fact, row.planned_at, patience, now);
    let overdue_at = attempt::overdue_at(row.planned_at, patience);
    let latest = call_rules::latest(row.planned_at, now, overdue_at);
    let at = told.at.unwrap_or(now).clamp(row.planned_at, latest);
    let changed = change.state != row.state;
    let live = store_state(work, now, at, &row, told, &change, overdue_at).await?;
    if call_rules::is_news(&row.state, &change.state) {
        let known = row.provider_call_id.as_ref();
        let event = call_rules::event(row.attempt_number, known, told, &change);
        if let Some((kind, data)) = event {
            events::append(work, now, kind, subject(&row), &data);
        }
    }
    effects::carry_out(work, batch, now, &row, &change).await?;
    if !row.missed && call_rules::is_missed(now, false, &told.fact, &change.state) {
        // A slot is free again.
        batch.wake(&row, now);
    }
    if let Some(reason) = told.line_fault {
        batch.line_fails(row.line_id);
        line_health::fault(work, now, &row, reason, told.fact == Fact::NeverSent).await?;
    }
    if let Some(details) = told.details.as_ref().filter(|details| !details.is_empty()) {
        store_details(work, now, &row, details).await?;
    }
    let applied = if changed {
        Applied::Changed {
            state: change.state.name(),
        }
    } else {
        Applied::Unchanged
    };
    if row.provider_call_id.is_none() {
        row.provider_call_id.clone_from(&told.provider_call_id);
    }
    batch.took(row, change.state, live);
    Ok(applied)
}

/// Where the state's own instant is kept.
fn entered(state: &AttemptState, name: StateName, at: Timestamp) -> Option<i64> {
    (state.name() == name).then(|| micros(at))
}

/// Writes what the attempt has become; answers whether it holds its slot and its number.
async fn store_state(
    work: &Work<'_>,
    now: Timestamp,
    at: Timestamp,
    row: &AttemptRow,
    told: &AttemptFact,
    change: &Change,
    overdue_at: Timestamp,
) -> StoreResult<bool> {
    let state = &change.state;
    let over = !state.name().is_live();
    // A call that we had written off may have a successor to the same number by now; the number
    // can be held once only, and the correction is told all the same.
    let live = !over && (row.live || !is_in_call(work, &row.phone).await?);
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
    let probes = i64::from(probes);
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
    let sql = "UPDATE attempts SET state = $2, live = $3, counts = $4, outcome = $5,
                   ended_reason = coalesce($6, ended_reason), provider_call_id = coalesce(provider_call_id, $7),
                   control_url = coalesce($8, control_url), probes = $9, absent_at = $10, check_at = $11,
                   unknown_at = coalesce(unknown_at, $12), placed_at = coalesce(placed_at, $13),
                   ringing_at = coalesce(ringing_at, $14), in_progress_at = coalesce(in_progress_at, $15),
                   ended_at = CASE WHEN $19 THEN $17::bigint WHEN $16 THEN coalesce(ended_at, $17) END,
                   gap_from = CASE WHEN $19 THEN $18::bigint WHEN $16 THEN coalesce(gap_from, $18) END,
                   missed = $20
               WHERE tenant_id = $21 AND attempt_id = $1";
    let bound = bound![
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
        work.tenant_id.raw(),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(live)
}

pub(crate) fn subject(row: &AttemptRow) -> Subject {
    Subject {
        attempt_id: Some(row.attempt_id),
        lead_id: Some(row.lead_id).filter(|lead_id| *lead_id != NO_LEAD),
        ..Subject::campaign(row.campaign_id)
    }
}

/// Keeps what the call left behind; what was told before is kept where the new report is silent.
async fn store_details(
    work: &mut Work<'_>,
    now: Timestamp,
    row: &AttemptRow,
    details: &CallDetails,
) -> StoreResult<()> {
    let analysed = details.transcript.is_some()
        || details.summary.is_some()
        || details.structured_data.is_some();
    let sql = "WITH before AS (
                   SELECT 1 FROM call_details WHERE tenant_id = $1 AND attempt_id = $2
                   AND (transcript IS NOT NULL OR summary IS NOT NULL OR structured_data IS NOT NULL))
               INSERT INTO call_details AS known (tenant_id, attempt_id, started_at, ended_at, cost_micro_usd,
                   transcript, summary, recording_url, structured_data)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
               ON CONFLICT (tenant_id, attempt_id) DO UPDATE SET
                   started_at = coalesce(excluded.started_at, known.started_at),
                   ended_at = coalesce(excluded.ended_at, known.ended_at),
                   cost_micro_usd = coalesce(excluded.cost_micro_usd, known.cost_micro_usd),
                   transcript = coalesce(excluded.transcript, known.transcript),
                   summary = coalesce(excluded.summary, known.summary),
                   recording_url = coalesce(excluded.recording_url, known.recording_url),
                   structured_data = coalesce(excluded.structured_data, known.structured_data)
               RETURNING EXISTS (SELECT 1 FROM before) AS was_analysed";
    let bound = bound![
        work.tenant_id.raw(),
        row.attempt_id.raw(),
        details.started_at.map(micros),
        details.ended_at.map(micros),
        details.cost_micro_usd,
        details.transcript,
        details.summary,
        details.recording_url,
        details.structured_data.as_ref().map(to_json),
    ];
    let was_analysed = query::one(&work.tx, sql, bound, |cells| {
        cells.get::<bool>("was_analysed")
    })
    .await?;
    if analysed && was_analysed == Some(false) {
        let data = json!({ "attempt": row.attempt_number });
        events::append(work, now, "call.analyzed", subject(row), &data);
    }
    Ok(())
}
