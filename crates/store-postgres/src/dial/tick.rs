//! One transaction of planning for each tenant with due lines: lines in, reserved calls and new
//! wake-ups out.
//!
//! Lines are claimed with SKIP LOCKED after the tenant's row: a line that another node has just
//! planned is no longer due when this one gets the tenant.

use std::sync::{Mutex, PoisonError};

use domain::planner::{self, CampaignPlan, Deferral, LinePlan};
use domain::{LineId, TenantId};
use futures_util::future::{try_join, try_join3};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Dispatch, KeySource, StoreError, StoreResult};
use tokio_postgres::Statement;

use crate::code::{instant, micros};
use crate::dial::reserve;
use crate::dial::snapshot::{self, Line};
use crate::events::{self, Subject};
use crate::ops::hold::Dialing;
use crate::ops::{campaign_edit, due, hold};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// How long a line that cannot be planned is left alone.
const SET_ASIDE: SignedDuration = SignedDuration::from_secs(60);

/// The keys of a tick, shared by the tenants that are planned side by side.
pub(crate) struct Keys(Mutex<KeySource>);

impl Keys {
    pub(crate) fn new(source: KeySource) -> Self {
        Self(Mutex::new(source))
    }

    /// A new key.
    pub(crate) fn next(&self) -> String {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (*source)()
    }
}

/// Due lines of all tenants, by tenant; the tenant that waits longest is first.
pub(crate) async fn due_lines(
    db: &Db<'_>,
    now: Timestamp,
    limit: u32,
) -> StoreResult<Vec<(TenantId, Vec<LineId>)>> {
    let sql = "SELECT line_id, tenant_id FROM lines WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2";
    let lines = query::many(db, sql, bound![micros(now), i64::from(limit)], |cells| {
        let tenant_id = TenantId::from_raw(cells.get("tenant_id")?);
        Ok((tenant_id, LineId::from_raw(cells.get("line_id")?)))
    })
    .await?;
    let mut by_tenant: Vec<(TenantId, Vec<LineId>)> = Vec::new();
    for (tenant_id, line_id) in lines {
        match by_tenant.iter_mut().find(|(of, _)| *of == tenant_id) {
            Some((_, lines)) => lines.push(line_id),
            None => by_tenant.push((tenant_id, vec![line_id])),
        }
    }
    Ok(by_tenant)
}

/// Earliest instant at which a line of any tenant is due.
pub(crate) async fn next_wake(db: &Db<'_>) -> StoreResult<Option<Timestamp>> {
    let sql = "SELECT min(wake_at) AS wake_at FROM lines WHERE wake_at IS NOT NULL";
    let wake = query::one(db, sql, &[], |cells| cells.get::<Option<i64>>("wake_at")).await?;
    wake.flatten().map(instant).transpose()
}

/// Plans the tenant's due lines.
pub(crate) async fn plan_tenant(
    work: &mut Work<'_>,
    now: Timestamp,
    lines: &[LineId],
    keys: &Keys,
    max_calls: usize,
) -> StoreResult<Vec<Dispatch>> {
    work.keep_quiet();
    work.is_a(failpoint::Transaction::Tick);
    let mut dispatches: Vec<Dispatch> = Vec::new();
    let (dialing, claimed) = try_join(hold::may_dial(work), claim(work, now, lines)).await?;
    if dialing == Dialing::Held {
        return Ok(dispatches);
    }
    for line_id in claimed {
        let mark = work.begin_part().await?;
        let planned = plan_line(work, now, line_id, keys).await;
        match work.end_part(mark, planned).await? {
            Ok(reserved) => dispatches.extend(reserved),
            Err(error) => set_aside(work, now, line_id, &error).await?,
        }
        if dispatches.len() >= max_calls {
            break;
        }
    }
    if let Some(first) = dispatches.first() {
        if dialing == Dialing::First {
            hold::begin_dialing(work, &first.attempt_key).await?;
        }
        work.reserve(&dispatches);
    }
    Ok(dispatches)
}

/// Locks those of the lines that are still due.
async fn claim(work: &Work<'_>, now: Timestamp, lines: &[LineId]) -> StoreResult<Vec<LineId>> {
    let sql =
        "SELECT line_id FROM lines WHERE tenant_id = $1 AND line_id = ANY($2) AND wake_at <= $3
               ORDER BY wake_at FOR NO KEY UPDATE SKIP LOCKED";
    let ids: Vec<_> = lines.iter().map(|line_id| line_id.raw()).collect();
    let bound = bound![work.tenant_id.raw(), ids, micros(now)];
    query::many(&work.tx, sql, bound, |cells| {
        Ok(LineId::from_raw(cells.get("line_id")?))
    })
    .await
}

async fn plan_line(
    work: &mut Work<'_>,
    now: Timestamp,
    line_id: LineId,
    keys: &Keys,
) -> StoreResult<Vec<Dispatch>> {
    let Some(line) = snapshot::load(work, line_id, now).await? else {
        return Ok(Vec::new());
    };
    let plan = planner::plan(now, &line.snapshot);
    let dispatches =
        reserve::insert(work, now, work.node(), &line, &plan.calls, || keys.next()).await?;
    apply(work, now, &line, &plan).await?;
    Ok(dispatches)
}

/// One line whose rows cannot be planned must not keep all others from dialing.
async fn set_aside(
    work: &Work<'_>,
    now: Timestamp,
    line_id: LineId,
    error: &StoreError,
) -> StoreResult<()> {
    tracing::error!(line.id = line_id.raw(), error = %error, "a line cannot be planned; it is tried again later");
    let again = now.saturating_add(SET_ASIDE).unwrap_or(now);
    let sql = "UPDATE lines SET wake_at = $3 WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![work.tenant_id.raw(), line_id.raw(), micros(again)];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

async fn apply(
    work: &mut Work<'_>,
    now: Timestamp,
    line: &Line,
    plan: &LinePlan,
) -> StoreResult<()> {
    for deferral in &plan.deferrals {
        settle_status(work, now, deferral).await?;
    }
    let (complete, going_on): (Vec<_>, Vec<_>) = plan
        .campaigns
        .iter()
        .partition(|campaign| campaign.completes);
    for campaign in complete {
        campaign_edit::complete(work, now, campaign.campaign_id).await?;
    }
    // Behind one another, without waiting: the line wakes with the first of its campaigns, so these are
    // sent before it.
    let of_campaigns = work.tx.prepare(UPDATE_CAMPAIGNS).await?;
    let of_line = work.tx.prepare(UPDATE_LINE).await?;
    try_join3(
        update_campaigns(work, &of_campaigns, now, &going_on),
        update_line(work, &of_line, now, plan),
        move_hints(work, line, &plan.deferrals),
    )
    .await?;
    Ok(())
}

/// A deferred lead may turn out to be done.
async fn settle_status(
    work: &mut Work<'_>,
    now: Timestamp,
    deferral: &Deferral,
) -> StoreResult<()> {
    let Some(status) = deferral.status else {
        return Ok(());
    };
    let sql = "UPDATE leads SET status = $3, updated_at = $4
               WHERE tenant_id = $1 AND lead_id = $2 AND status = 'READY'";
    let bound = bound![
        work.tenant_id.raw(),
        deferral.lead_id.raw(),
        status.as_str(),
        micros(now),
    ];
    if query::execute(&work.tx, sql, bound).await? == 1 {
        let subject = Subject::lead(deferral.campaign_id, deferral.lead_id);
        let data = json!({ "status": status.as_str() });
        events::append(work, now, "lead.completed", subject, &data);
    }
    Ok(())
}

/// Writes the new hints of deferred leads.
async fn move_hints(work: &Work<'_>, line: &Line, deferrals: &[Deferral]) -> StoreResult<()> {
    if deferrals.is_empty() {
        return Ok(());
    }
    let rows = line.due_rows(deferrals.iter().map(|deferral| deferral.lead_id))?;
    due::remove_read(work, &rows).await?;
    let moved = |deferral: &Deferral| Some((deferral.lead_id, deferral.due_at?));
    let moved: Vec<_> = deferrals.iter().filter_map(moved).collect();
    due::put_those_out(work, &moved).await
}

/// What is planned of campaigns. All of the plan were awake: one that stays so keeps its instant, and is not
/// written for that alone. Each is looked for by its key, as in `wake.rs`.
const UPDATE_CAMPAIGNS: &str = "UPDATE campaigns SET status_reason = told.reason, next_start_at = told.next_start_at,
                   pass = told.pass, wake_at = CASE WHEN told.sleeps THEN told.wake_at ELSE campaigns.wake_at END
               FROM (SELECT $1::bigint AS tenant_id, plans.*
                     FROM UNNEST($2::bigint[], $3::bigint[], $4::boolean[], $5::text[], $6::bigint[], $7::bigint[])
                              AS plans (campaign_id, wake_at, sleeps, reason, next_start_at, pass)
                     OFFSET 0) AS told
               WHERE campaigns.tenant_id = told.tenant_id AND campaigns.campaign_id = told.campaign_id
                 AND coalesce(campaigns.status, '') = 'RUNNING'
                 AND (told.sleeps OR campaigns.pass <> told.pass
                      OR campaigns.status_reason IS DISTINCT FROM told.reason
                      OR campaigns.next_start_at IS DISTINCT FROM told.next_start_at)";

async fn update_campaigns(
    work: &Work<'_>,
    statement: &Statement,
    now: Timestamp,
    plans: &[&CampaignPlan],
) -> StoreResult<()> {
    if plans.is_empty() {
        return Ok(());
    }
    let of = |value: fn(&CampaignPlan) -> Option<Timestamp>| -> Vec<_> {
        plans.iter().map(|plan| value(plan).map(micros)).collect()
    };
    let sleeps = |plan: &&CampaignPlan| plan.wake_at.is_none_or(|at| at > now);
    let campaigns: Vec<_> = plans.iter().map(|plan| plan.campaign_id.raw()).collect();
    let reasons: Vec<_> = plans.iter().map(|plan| plan.reason.as_str()).collect();
    let passes: Vec<_> = plans.iter().map(|plan| plan.pass).collect();
    let bound = bound![
        work.tenant_id.raw(),
        campaigns,
        of(|plan| plan.wake_at),
        plans.iter().map(sleeps).collect::<Vec<_>>(),
        reasons,
        of(|plan| plan.next_start_at),
        passes,
    ];
    work.tx.execute(statement, bound).await?;
    Ok(())
}

/// The line wakes for its own limits, or with the first of its sleeping campaigns.
const UPDATE_LINE: &str = "UPDATE lines SET next_start_at = $4, virtual_time = $5, wake_at = least($3::bigint,
                   (SELECT min(campaigns.wake_at) FROM campaigns
                    WHERE campaigns.tenant_id = $1 AND campaigns.line_id = $2 AND campaigns.wake_at > $6))
               WHERE tenant_id = $1 AND line_id = $2";

async fn update_line(
    work: &Work<'_>,
    statement: &Statement,
    now: Timestamp,
    plan: &LinePlan,
) -> StoreResult<()> {
    let bound = bound![
        work.tenant_id.raw(),
        plan.line_id.raw(),
        plan.wake_at.map(micros),
        plan.next_start_at.map(micros),
        plan.virtual_time,
        micros(now),
    ];
    work.tx.execute(statement, bound).await?;
    Ok(())
}
