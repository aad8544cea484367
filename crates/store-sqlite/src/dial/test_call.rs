//! One call that a user asks for, to try a campaign out.
//!
//! It goes the way of every call: the planner chooses number and instant, the attempt is durable
//! before a byte leaves, and it holds its slot of the line and its phone number until it is over.
//! It has no lead, counts in no cap, and is placed at any hour.

use domain::attempt::StateName;
use domain::campaign::{CampaignStatus, CampaignType, LeadStatus};
use domain::planner::{self, LeadSnapshot, LinePlan};
use rusqlite::params;
use store::{
    CallRecord, Caller, Conflict, Dispatch, KeySource, NO_LEAD, StoreError, StoreResult, TestCall,
};

use crate::code::micros;
use crate::dial::leads::{is_in_call, is_suppressed};
use crate::dial::reserve;
use crate::dial::snapshot;
use crate::ops::{calls, campaigns, hold, query};
use crate::writer::Work;

/// Reserves the call; the next tick hands it out.
pub(crate) fn reserve(
    work: &mut Work<'_>,
    caller: Caller,
    call: TestCall,
) -> StoreResult<CallRecord> {
    check(work, caller, &call)?;
    let lead = LeadSnapshot {
        lead_id: NO_LEAD,
        phone: call.phone,
        status: LeadStatus::Ready,
        not_before: None,
        history: Vec::new(),
        suppressed: false,
        phone_in_call: false,
    };
    let line =
        snapshot::load_for_test_call(work, caller.tenant_id, call.campaign_id, lead, caller.now)?
            .ok_or(campaigns::NOT_FOUND)?;
    let plan = planner::plan(caller.now, &line.snapshot);
    let planned = plan.calls.first().ok_or(Conflict::AtCapacity)?;
    let mut keys: KeySource = Box::new(move || call.attempt_key.clone());
    let dispatch = reserve::insert(work, caller.now, &line, planned, &mut keys)?;
    keep_pace(work, &plan)?;
    let attempt_id = dispatch.attempt_id;
    work.reserve_test_call(dispatch);
    calls::get(work.tx, caller.tenant_id, attempt_id)
}

fn check(work: &Work<'_>, caller: Caller, call: &TestCall) -> StoreResult<()> {
    if hold::is_on(work.tx)? {
        return Err(Conflict::OnHold.into());
    }
    let refuse = |why| Err(StoreError::from(Conflict::TakesNoTestCall(why)));
    let campaign = campaigns::head(work.tx, caller.tenant_id, call.campaign_id)?;
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
    if is_suppressed(work, caller.tenant_id, &call.phone, caller.now)? {
        return refuse("the number is on the do-not-call list");
    }
    if is_in_call(work, caller.tenant_id, &call.phone)? {
        return refuse("a call to this number is up; wait for its end");
    }
    Ok(())
}

/// The next start waits for this one, as after every call.
fn keep_pace(work: &Work<'_>, plan: &LinePlan) -> StoreResult<()> {
    let sql = "UPDATE lines SET next_start_at = ?2 WHERE line_id = ?1";
    let bound = params![plan.line_id.raw(), plan.next_start_at.map(micros)];
    query::execute(work.tx, sql, bound)?;
    for campaign in &plan.campaigns {
        let sql = "UPDATE campaigns SET next_start_at = ?2 WHERE campaign_id = ?1";
        let bound = params![
            campaign.campaign_id.raw(),
            campaign.next_start_at.map(micros)
        ];
        query::execute(work.tx, sql, bound)?;
    }
    Ok(())
}

/// The test calls that wait and have not been given up meanwhile, by [`super::recover`] or a
/// look-up: those may not be sent any more.
pub(crate) fn hand_out(work: &mut Work<'_>) -> StoreResult<Vec<Dispatch>> {
    let mut waiting = work.take_test_calls();
    let mut given_up = None;
    waiting.retain(|dispatch| {
        is_dispatching(work, dispatch).unwrap_or_else(|error| {
            given_up = Some(error);
            false
        })
    });
    given_up.map_or(Ok(waiting), Err)
}

fn is_dispatching(work: &Work<'_>, dispatch: &Dispatch) -> StoreResult<bool> {
    let sql = "SELECT 1 FROM attempts WHERE attempt_id = ?1 AND state = ?2";
    let bound = params![dispatch.attempt_id.raw(), StateName::Dispatching.as_str()];
    query::exists(work.tx, sql, bound)
}
