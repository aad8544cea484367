//! One transaction of planning: due lines in, reserved calls and new wake-ups out.

use std::sync::Arc;

use domain::planner::{self, CampaignPlan, Deferral, LinePlan};
use domain::{LineId, TenantId};
use failpoint::Transaction;
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use serde_json::json;
use store::{Dispatch, KeySource, Scope, StoreError, StoreResult, Tick, Ticked};

use crate::code::{instant, micros};
use crate::dial::{reserve, snapshot, test_call};
use crate::error::translate;
use crate::events::{self, Subject};
use crate::marker::Marker;
use crate::ops::{campaign_edit, due, hold};
use crate::writer::Work;

/// How long a line that cannot be planned is left alone.
const SET_ASIDE: SignedDuration = SignedDuration::from_secs(60);

/// Runs one tick.
pub(crate) fn run(
    work: &mut Work<'_>,
    marker: &Arc<Marker>,
    mut tick: Tick,
) -> StoreResult<Ticked> {
    work.is_a(Transaction::Tick);
    let test_calls = test_call::hand_out(work)?;
    if hold::keeps_from_dialing(work, marker, tick.now)? {
        return Ok(held(work, test_calls));
    }
    let mut dispatches = Vec::new();
    // For no calls nothing is planned, not even one line.
    let max_lines = if tick.max_calls == 0 {
        0
    } else {
        tick.max_lines
    };
    for (line_id, tenant_id) in due_lines(work, tick.now, max_lines)? {
        let line = (line_id, tenant_id);
        match work.isolated(|work| plan_line(work, tick.now, line, &mut tick.keys))? {
            Ok(reserved) => dispatches.extend(reserved),
            Err(error) => set_aside(work, tick.now, line_id, &error)?,
        }
        if dispatches.len() >= usize::try_from(tick.max_calls).unwrap_or(usize::MAX) {
            break;
        }
    }
    if !dispatches.is_empty() {
        work.reserve(&dispatches);
    }
    // They are on the board since they were reserved.
    dispatches.extend(test_calls);
    if !dispatches.is_empty() {
        hold::mark(work, marker, tick.now, &mut tick.keys)?;
    }
    Ok(Ticked {
        dispatches,
        next_wake_at: next_wake(work)?,
    })
}

/// On hold nothing is reserved. Test calls that waited are handed out only to be given back: none
/// of them can begin.
fn held(work: &mut Work<'_>, test_calls: Vec<Dispatch>) -> Ticked {
    if !test_calls.is_empty() {
        work.revoke(Scope::Everything);
    }
    Ticked {
        dispatches: test_calls,
        next_wake_at: None,
    }
}

fn plan_line(
    work: &mut Work<'_>,
    now: Timestamp,
    (line_id, tenant_id): (LineId, TenantId),
    keys: &mut KeySource,
) -> StoreResult<Vec<Dispatch>> {
    let Some(line) = snapshot::load(work, line_id, tenant_id, now)? else {
        return Ok(Vec::new());
    };
    let plan = planner::plan(now, &line.snapshot);
    let mut dispatches = Vec::with_capacity(plan.calls.len());
    for call in &plan.calls {
        dispatches.push(reserve::insert(work, now, &line, call, keys)?);
    }
    apply(work, now, tenant_id, &plan)?;
    Ok(dispatches)
}

/// One line whose rows cannot be planned must not keep all others from dialing.
fn set_aside(
    work: &Work<'_>,
    now: Timestamp,
    line_id: LineId,
    error: &StoreError,
) -> StoreResult<()> {
    tracing::error!(line.id = line_id.raw(), error = %error, "a line cannot be planned; it is tried again later");
    let again = now.saturating_add(SET_ASIDE).unwrap_or(now);
    let sql = "UPDATE lines SET wake_at = ?2 WHERE line_id = ?1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    statement
        .execute([line_id.raw(), micros(again)])
        .map_err(translate)?;
    Ok(())
}

fn due_lines(work: &Work<'_>, now: Timestamp, limit: u32) -> StoreResult<Vec<(LineId, TenantId)>> {
    let sql = "SELECT line_id, tenant_id FROM lines WHERE wake_at <= ?1 ORDER BY wake_at LIMIT ?2";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let rows = statement
        .query_map(params![micros(now), limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(translate)?;
    let ids = rows
        .map(|row| row.map(|(line, tenant)| (LineId::from_raw(line), TenantId::from_raw(tenant))));
    ids.collect::<Result<_, _>>().map_err(translate)
}

fn next_wake(work: &Work<'_>) -> StoreResult<Option<Timestamp>> {
    let sql = "SELECT min(wake_at) FROM lines WHERE wake_at IS NOT NULL";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let wake: Option<i64> = statement
        .query_row([], |row| row.get(0))
        .map_err(translate)?;
    wake.map(instant).transpose()
}

fn apply(
    work: &mut Work<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    plan: &LinePlan,
) -> StoreResult<()> {
    for deferral in &plan.deferrals {
        defer(work, now, tenant_id, deferral)?;
    }
    for campaign in &plan.campaigns {
        update_campaign(work, now, tenant_id, campaign)?;
    }
    update_line(work, now, plan)
}

fn defer(
    work: &mut Work<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    deferral: &Deferral,
) -> StoreResult<()> {
    if let Some(status) = deferral.status {
        let sql =
            "UPDATE leads SET status = ?2, updated_at = ?3 WHERE lead_id = ?1 AND status = 'READY'";
        let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
        let row = params![deferral.lead_id.raw(), status.as_str(), micros(now)];
        let changed = statement.execute(row).map_err(translate)?;
        drop(statement);
        if changed == 1 {
            let subject = Subject::lead(tenant_id, deferral.campaign_id, deferral.lead_id);
            events::append(
                work,
                now,
                "lead.completed",
                subject,
                &json!({ "status": status.as_str() }),
            )?;
        }
    }
    match deferral.due_at {
        Some(due_at) => due::put(work, deferral.campaign_id, deferral.lead_id, due_at),
        None => due::remove(work, deferral.lead_id),
    }
}

fn update_campaign(
    work: &mut Work<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    plan: &CampaignPlan,
) -> StoreResult<()> {
    if plan.completes {
        return campaign_edit::complete(work, now, tenant_id, plan.campaign_id);
    }
    // All of the plan were awake. One that stays so is not written for that alone: many may wait
    // for a line that is busy.
    let sleeps = plan.wake_at.is_none_or(|at| at > now);
    let sql = "UPDATE campaigns SET status_reason = ?3, next_start_at = ?4, pass = ?5,
                      wake_at = CASE WHEN ?6 THEN ?2 ELSE wake_at END
               WHERE campaign_id = ?1 AND status = 'RUNNING'
                 AND (?6 OR status_reason IS NOT ?3 OR next_start_at IS NOT ?4 OR pass <> ?5)";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let row = params![
        plan.campaign_id.raw(),
        plan.wake_at.map(micros),
        plan.reason.as_str(),
        plan.next_start_at.map(micros),
        plan.pass,
        sleeps,
    ];
    statement.execute(row).map_err(translate)?;
    Ok(())
}

/// The line wakes for its own limits, or with the first of its sleeping campaigns.
fn update_line(work: &mut Work<'_>, now: Timestamp, plan: &LinePlan) -> StoreResult<()> {
    let sql = "SELECT min(wake_at) FROM campaigns
               WHERE line_id = ?1 AND wake_at > ?2 AND status = 'RUNNING'";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let sleeping: Option<i64> = statement
        .query_row([plan.line_id.raw(), micros(now)], |row| row.get(0))
        .map_err(translate)?;
    let own = plan.wake_at.map(micros);
    let wake_at = match (own, sleeping) {
        (Some(own), Some(sleeping)) => Some(own.min(sleeping)),
        (own, sleeping) => own.or(sleeping),
    };
    let sql =
        "UPDATE lines SET wake_at = ?2, next_start_at = ?3, virtual_time = ?4 WHERE line_id = ?1";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let row = params![
        plan.line_id.raw(),
        wake_at,
        plan.next_start_at.map(micros),
        plan.virtual_time
    ];
    statement.execute(row).map_err(translate)?;
    Ok(())
}
