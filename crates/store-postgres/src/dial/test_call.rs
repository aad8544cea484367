//! One call that a user asks for, to try a campaign out.
//!
//! It goes the way of every call: the planner chooses number and instant, the attempt is durable
//! before a byte leaves, and it holds its slot of the line and its phone number until it is over.
//! It has no lead, counts in no cap, and is placed at any hour.
//!
//! A process that does not dial leaves it in the database, where the next tick of any other claims it:
//! under the tenant's row, so that whatever narrowed before has recalled it by then.

use std::collections::HashSet;

use domain::attempt::StateName;
use domain::campaign::{CampaignStatus, CampaignType, LeadStatus};
use domain::planner::{self, LeadSnapshot, LinePlan};
use domain::settings::CallingEntity;
use domain::{AttemptId, CampaignId, LineId, TenantId};
use store::{
    CallRecord, Caller, Conflict, Dispatch, NO_LEAD, Scope, StoreError, StoreResult, TestCall,
};

use crate::code::{corrupt, micros};
use crate::dial::reserve;
use crate::dial::snapshot;
use crate::dial::snapshot_leads::is_in_call;
use crate::node::UNCLAIMED;
use crate::ops::hold::Dialing;
use crate::ops::{calls, campaigns, do_not_call, hold};
use crate::query::{self, Db, bound};
use crate::work::Work;

/// Reserves the call; the next tick hands it out.
pub(crate) async fn reserve(
    work: &mut Work<'_>,
    caller: Caller,
    call: TestCall,
) -> StoreResult<CallRecord> {
    if hold::may_dial(work).await? == Dialing::Held {
        return Err(Conflict::OnHold.into());
    }
    check(work, caller, &call).await?;
    let lead = LeadSnapshot {
        lead_id: NO_LEAD,
        phone: call.phone,
        status: LeadStatus::Ready,
        not_before: None,
        history: Vec::new(),
        suppressed: false,
        phone_in_call: false,
    };
    let line = snapshot::load_for_test_call(work, call.campaign_id, lead, caller.now)
        .await?
        .ok_or(campaigns::NOT_FOUND)?;
    let plan = planner::plan(caller.now, &line.snapshot);
    let planned = plan.calls.get(..1).ok_or(Conflict::AtCapacity)?;
    let key = || call.attempt_key.clone();
    let holder = if work.shared.dials {
        work.node()
    } else {
        UNCLAIMED
    };
    let mut dispatches = reserve::insert(work, caller.now, holder, &line, planned, key).await?;
    keep_pace(work, &plan).await?;
    hold::begin_dialing(work, &call.attempt_key).await?;
    let dispatch = dispatches
        .pop()
        .ok_or_else(|| corrupt("a reserved call is missing"))?;
    let attempt_id = dispatch.attempt_id;
    if work.shared.dials {
        work.reserve_test_call(dispatch);
    } else {
        work.wake();
    }
    calls::get(&work.tx, caller.tenant_id, attempt_id).await
}

async fn check(work: &Work<'_>, caller: Caller, call: &TestCall) -> StoreResult<()> {
    let refuse = |why| Err(StoreError::from(Conflict::TakesNoTestCall(why)));
    let campaign = campaigns::head(&work.tx, caller.tenant_id, call.campaign_id).await?;
    call.precondition.check(campaign.revision)?;
    if campaign.kind != CampaignType::Outbound {
        return refuse("an INBOUND campaign places no calls");
    }
    if !matches!(
        campaign.status,
        CampaignStatus::Draft | CampaignStatus::Running | CampaignStatus::Paused
    ) {
        return refuse("only a DRAFT, RUNNING or PAUSED campaign places test calls");
    }
    if do_not_call::has(&work.tx, caller.tenant_id, &call.phone, caller.now).await? {
        return refuse("the number is on the do-not-call list");
    }
    if is_in_call(work, &call.phone).await? {
        return refuse("a call to this number is up; wait for its end");
    }
    Ok(())
}

/// The next start waits for this one, as after every call.
async fn keep_pace(work: &Work<'_>, plan: &LinePlan) -> StoreResult<()> {
    let tenant = work.tenant_id.raw();
    let sql = "UPDATE lines SET next_start_at = $3 WHERE tenant_id = $1 AND line_id = $2";
    let next_start_at = plan.next_start_at.map(micros);
    let bound = bound![tenant, plan.line_id.raw(), next_start_at];
    query::execute(&work.tx, sql, bound).await?;
    for campaign in &plan.campaigns {
        let sql =
            "UPDATE campaigns SET next_start_at = $3 WHERE tenant_id = $1 AND campaign_id = $2";
        let next_start_at = campaign.next_start_at.map(micros);
        let bound = bound![tenant, campaign.campaign_id.raw(), next_start_at];
        query::execute(&work.tx, sql, bound).await?;
    }
    Ok(())
}

/// Those of the waiting test calls that have not been given up meanwhile, by a recovery or a
/// look-up: given up ones may not be sent any more.
pub(crate) async fn still_wanted(
    db: &Db<'_>,
    waiting: &[Dispatch],
) -> StoreResult<HashSet<AttemptId>> {
    let sql = "SELECT attempt_id FROM attempts WHERE attempt_id = ANY($1) AND state = $2";
    let ids: Vec<_> = waiting.iter().map(|call| call.attempt_id.raw()).collect();
    let bound = bound![ids, StateName::Dispatching.as_str()];
    let wanted = query::many(db, sql, bound, |cells| {
        Ok(AttemptId::from_raw(cells.get("attempt_id")?))
    })
    .await?;
    Ok(wanted.into_iter().collect())
}

/// Tenants with test calls that no node has claimed.
pub(crate) async fn unclaimed(db: &Db<'_>) -> StoreResult<Vec<TenantId>> {
    let sql = "SELECT DISTINCT tenant_id FROM attempts
               WHERE live AND state = 'DISPATCHING' AND node = -1";
    query::many(db, sql, &[], |cells| {
        Ok(TenantId::from_raw(cells.get("tenant_id")?))
    })
    .await
}

/// Claims them. Those that were recalled, or that a hold forbids, are handed out only to be given
/// back: they cannot begin.
pub(crate) async fn claim(work: &mut Work<'_>) -> StoreResult<Vec<Dispatch>> {
    work.keep_quiet();
    let may_dial = hold::may_dial(work).await? != Dialing::Held;
    let sql = "UPDATE attempts SET node = $2
               WHERE tenant_id = $1 AND live AND state = 'DISPATCHING' AND node = -1
               RETURNING attempt_id, attempt_key, line_id, campaign_id, phone, phone_number_id, assistant_id,
                   entity, planned_at, send_not_after, recalled,
                   (SELECT rests_until IS NOT NULL AND failures > 0 FROM lines
                    WHERE lines.tenant_id = $1 AND lines.line_id = attempts.line_id) AS on_trial";
    let bound = bound![work.tenant_id.raw(), work.node()];
    let tenant_id = work.tenant_id;
    let claimed = query::many(&work.tx, sql, bound, |cells| {
        let dispatch = Dispatch {
            attempt_id: AttemptId::from_raw(cells.get("attempt_id")?),
            attempt_key: cells.get("attempt_key")?,
            tenant_id,
            line_id: LineId::from_raw(cells.get("line_id")?),
            campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
            lead_id: NO_LEAD,
            phone: cells.phone("phone")?,
            phone_number_id: cells.get("phone_number_id")?,
            assistant_id: cells.get("assistant_id")?,
            entity: cells.choice("entity", CallingEntity::parse)?,
            send_at: cells.instant("planned_at")?,
            send_not_after: cells.instant("send_not_after")?,
            on_trial: cells.get("on_trial")?,
        };
        Ok((dispatch, cells.get::<bool>("recalled")?))
    })
    .await?;
    let (mut dispatches, mut recalled) = (Vec::new(), Vec::new());
    for (dispatch, is_recalled) in claimed {
        if is_recalled || !may_dial {
            recalled.push(Scope::Phone(tenant_id, dispatch.phone.clone()));
        }
        dispatches.push(dispatch);
    }
    work.reserve(&dispatches);
    for scope in recalled {
        work.revoke(scope);
    }
    Ok(dispatches)
}
