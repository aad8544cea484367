//! Writing a planned call down, before any byte leaves.

use domain::AttemptId;
use domain::attempt::StateName;
use domain::planner::PlannedCall;
use jiff::Timestamp;
use rusqlite::params;
use store::{Dispatch, KeySource, NO_LEAD, StoreResult, call_rules};

use crate::code::{corrupt, micros, to_json};
use crate::dial::snapshot::Line;
use crate::error::translate;
use crate::ops::due;
use crate::writer::Work;

/// Inserts the attempt as DISPATCHING, takes the lead out of `due`, and marks its number as used.
pub(crate) fn insert(
    work: &mut Work<'_>,
    now: Timestamp,
    line: &Line,
    call: &PlannedCall,
    keys: &mut KeySource,
) -> StoreResult<Dispatch> {
    let campaigns = &line.snapshot.campaigns;
    let campaign = campaigns
        .iter()
        .find(|campaign| campaign.campaign_id == call.campaign_id);
    let campaign =
        campaign.ok_or_else(|| corrupt("a plan names a campaign that is not in its snapshot"))?;
    let dispatch = Dispatch {
        attempt_id: AttemptId::from_raw(work.next_id(now)),
        attempt_key: keys(),
        tenant_id: line.tenant_id,
        line_id: line.snapshot.line_id,
        campaign_id: call.campaign_id,
        lead_id: call.lead_id,
        phone: call.phone.clone(),
        phone_number_id: call.phone_number_id.clone(),
        assistant_id: campaign.settings.assistant_id.clone(),
        entity: campaign.settings.entity,
        send_at: call.send_at,
        send_not_after: call.send_not_after,
        on_trial: call.on_trial,
    };
    let attempt_number = take_lead(work, now, call)?;
    let revision = line
        .revisions
        .get(&call.campaign_id)
        .copied()
        .unwrap_or_default();
    insert_attempt(work, now, call, &dispatch, attempt_number, revision)?;
    mark_number_used(work, call, &dispatch)?;
    due::remove(work, call.lead_id)?;
    Ok(dispatch)
}

fn take_lead(work: &Work<'_>, now: Timestamp, call: &PlannedCall) -> StoreResult<u32> {
    if call.lead_id == NO_LEAD {
        return Ok(1);
    }
    let sql = "UPDATE leads SET status = 'IN_CALL', attempts_made = attempts_made + 1, last_attempt_at = ?2, updated_at = ?2
               WHERE lead_id = ?1 AND status = 'READY' RETURNING attempts_made";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    statement
        .query_row([call.lead_id.raw(), micros(now)], |row| row.get(0))
        .map_err(translate)
}

fn insert_attempt(
    work: &Work<'_>,
    now: Timestamp,
    call: &PlannedCall,
    dispatch: &Dispatch,
    attempt_number: u32,
    revision: i64,
) -> StoreResult<()> {
    let sql = "INSERT INTO attempts (attempt_id, tenant_id, campaign_id, lead_id, line_id, account, attempt_number, phone,
                   phone_number_id, assistant_id, entity, attempt_key, state, live, counts, revision, verdict,
                   planned_at, send_not_after, check_at)
               VALUES (?1, ?2, ?3, ?4, ?5, (SELECT account FROM lines WHERE line_id = ?5), ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?18, ?13, ?14, ?15, ?16, ?17)";
    let verdict = call_rules::verdict(call);
    let check_at = call_rules::first_check_at(call.send_not_after);
    let row = params![
        dispatch.attempt_id.raw(),
        dispatch.tenant_id.raw(),
        dispatch.campaign_id.raw(),
        dispatch.lead_id.raw(),
        dispatch.line_id.raw(),
        attempt_number,
        dispatch.phone.as_str(),
        dispatch.phone_number_id,
        dispatch.assistant_id,
        dispatch.entity.as_str(),
        dispatch.attempt_key,
        StateName::Dispatching.as_str(),
        revision,
        to_json(&verdict),
        micros(now),
        micros(dispatch.send_not_after),
        micros(check_at),
        call.lead_id != NO_LEAD,
    ];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(row)
        .map_err(translate)?;
    Ok(())
}

/// Attempt ids grow, so the id of the last call orders the numbers of a pool by use.
fn mark_number_used(work: &Work<'_>, call: &PlannedCall, dispatch: &Dispatch) -> StoreResult<()> {
    let sql = "UPDATE pool_numbers SET last_used = ?3
               WHERE pool_id = (SELECT pool_id FROM campaigns WHERE campaign_id = ?1) AND phone_number_id = ?2";
    let row = params![
        call.campaign_id.raw(),
        call.phone_number_id,
        dispatch.attempt_id.raw()
    ];
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute(row)
        .map_err(translate)?;
    Ok(())
}
