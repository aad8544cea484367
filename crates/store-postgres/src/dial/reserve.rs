//! Writing planned calls down, before any byte leaves.

use std::collections::HashMap;

use domain::attempt::StateName;
use domain::planner::PlannedCall;
use domain::{AttemptId, LeadId};
use futures_util::future::try_join3;
use jiff::Timestamp;
use store::{Dispatch, NO_LEAD, StoreResult, call_rules};

use crate::code::{corrupt, micros, to_json};
use crate::dial::snapshot::Line;
use crate::ops::due;
use crate::query::{self, bound};
use crate::work::Work;

/// Inserts the attempts as DISPATCHING, to be sent by the node `holder`, takes the leads out of `due`, and marks numbers as used.
pub(crate) async fn insert(
    work: &Work<'_>,
    now: Timestamp,
    holder: i64,
    line: &Line,
    calls: &[PlannedCall],
    mut next_key: impl FnMut() -> String,
) -> StoreResult<Vec<Dispatch>> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let mut dispatches = Vec::with_capacity(calls.len());
    for call in calls {
        dispatches.push(dispatch(work, now, line, call, next_key())?);
    }
    let due = line.due_rows(calls.iter().map(|call| call.lead_id))?;
    let (numbers, (), ()) = try_join3(
        take_leads(work, now, calls),
        due::remove_read(work, &due),
        mark_numbers_used(work, &dispatches),
    )
    .await?;
    let insertion = Insertion {
        now,
        holder,
        line,
        numbers,
    };
    insert_attempts(work, &insertion, calls, &dispatches).await?;
    Ok(dispatches)
}

fn dispatch(
    work: &Work<'_>,
    now: Timestamp,
    line: &Line,
    call: &PlannedCall,
    attempt_key: String,
) -> StoreResult<Dispatch> {
    let mut campaigns = line.snapshot.campaigns.iter();
    let campaign = campaigns
        .find(|campaign| campaign.campaign_id == call.campaign_id)
        .ok_or_else(|| corrupt("a plan names a campaign that is not in its snapshot"))?;
    Ok(Dispatch {
        attempt_id: AttemptId::from_raw(work.next_id(now)),
        attempt_key,
        tenant_id: work.tenant_id,
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
    })
}

/// Moves the leads to IN_CALL; answers the number of each one's attempt.
async fn take_leads(
    work: &Work<'_>,
    now: Timestamp,
    calls: &[PlannedCall],
) -> StoreResult<HashMap<LeadId, i64>> {
    let leads = calls.iter().map(|call| call.lead_id);
    let ids: Vec<_> = leads.filter(|id| *id != NO_LEAD).map(LeadId::raw).collect();
    if ids.is_empty() {
        return Ok(HashMap::from([(NO_LEAD, 1)]));
    }
    let sql = "UPDATE leads SET status = 'IN_CALL', attempts_made = attempts_made + 1, last_attempt_at = $3,
                   updated_at = $3
               FROM UNNEST($2::bigint[]) AS wanted (lead_id)
               WHERE tenant_id = $1 AND leads.lead_id = wanted.lead_id AND status = 'READY'
               RETURNING leads.lead_id, attempts_made";
    let bound = bound![work.tenant_id.raw(), ids, micros(now)];
    let taken = query::many(&work.tx, sql, bound, |cells| {
        let lead_id = LeadId::from_raw(cells.get("lead_id")?);
        Ok((lead_id, cells.get("attempts_made")?))
    })
    .await?;
    if taken.len() != ids.len() {
        return Err(corrupt("a planned lead is not READY"));
    }
    Ok(taken.into_iter().collect())
}

/// What the attempts of one line have in common.
struct Insertion<'a> {
    now: Timestamp,
    holder: i64,
    line: &'a Line,
    /// The number of each lead's attempt.
    numbers: HashMap<LeadId, i64>,
}

async fn insert_attempts(
    work: &Work<'_>,
    insertion: &Insertion<'_>,
    calls: &[PlannedCall],
    dispatches: &[Dispatch],
) -> StoreResult<()> {
    let Insertion {
        now,
        holder,
        line,
        numbers,
    } = insertion;
    let sql = "INSERT INTO attempts (tenant_id, line_id, account, node, planned_at, state, live, attempt_id,
                   campaign_id, lead_id, attempt_number, phone, phone_number_id, assistant_id, entity, attempt_key,
                   counts, revision, verdict, send_not_after, check_at)
               SELECT $1, $2, (SELECT account FROM lines WHERE tenant_id = $1 AND line_id = $2), $3, $4, $5, true, *
               FROM UNNEST($6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[],
                           $12::text[], $13::text[], $14::text[], $15::boolean[], $16::bigint[], $17::text[],
                           $18::bigint[], $19::bigint[])";
    let of = |value: fn(&Dispatch) -> i64| -> Vec<i64> { dispatches.iter().map(value).collect() };
    let text =
        |value: fn(&Dispatch) -> &str| -> Vec<&str> { dispatches.iter().map(value).collect() };
    let attempt_number = |call: &PlannedCall| numbers.get(&call.lead_id).copied().unwrap_or(1);
    let revision = |call: &PlannedCall| {
        let known = line.revisions.get(&call.campaign_id);
        known.copied().unwrap_or_default()
    };
    let bound = bound![
        work.tenant_id.raw(),
        line.snapshot.line_id.raw(),
        *holder,
        micros(*now),
        StateName::Dispatching.as_str(),
        of(|call| call.attempt_id.raw()),
        of(|call| call.campaign_id.raw()),
        of(|call| call.lead_id.raw()),
        calls.iter().map(attempt_number).collect::<Vec<_>>(),
        text(|call| call.phone.as_str()),
        text(|call| &call.phone_number_id),
        text(|call| &call.assistant_id),
        text(|call| call.entity.as_str()),
        text(|call| &call.attempt_key),
        dispatches
            .iter()
            .map(|call| call.lead_id != NO_LEAD)
            .collect::<Vec<_>>(),
        calls.iter().map(revision).collect::<Vec<_>>(),
        calls.iter().map(verdict).collect::<Vec<_>>(),
        of(|call| micros(call.send_not_after)),
        of(|call| micros(call_rules::first_check_at(call.send_not_after))),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

fn verdict(call: &PlannedCall) -> String {
    to_json(&call_rules::verdict(call))
}

/// Attempt ids grow, so the id of the last call orders the numbers of a pool by use.
async fn mark_numbers_used(work: &Work<'_>, dispatches: &[Dispatch]) -> StoreResult<()> {
    let sql = "UPDATE pool_numbers SET last_used = used.last
               FROM (SELECT campaign.pool_id, calls.phone_number_id, max(calls.attempt_id) AS last
                     FROM UNNEST($2::bigint[], $3::text[], $4::bigint[])
                              AS calls (campaign_id, phone_number_id, attempt_id), LATERAL
                          (SELECT pool_id FROM campaigns
                           WHERE tenant_id = $1 AND campaigns.campaign_id = calls.campaign_id OFFSET 0) AS campaign
                     GROUP BY 1, 2) AS used
               WHERE pool_numbers.tenant_id = $1 AND pool_numbers.pool_id = used.pool_id
                 AND pool_numbers.phone_number_id = used.phone_number_id";
    let campaigns: Vec<_> = dispatches
        .iter()
        .map(|call| call.campaign_id.raw())
        .collect();
    let numbers: Vec<_> = dispatches
        .iter()
        .map(|call| &call.phone_number_id)
        .collect();
    let attempts: Vec<_> = dispatches
        .iter()
        .map(|call| call.attempt_id.raw())
        .collect();
    let bound = bound![work.tenant_id.raw(), campaigns, numbers, attempts];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}
