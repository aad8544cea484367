//! Calls: attempts with what they left behind.

use domain::attempt::StateName;
use domain::{AttemptId, CampaignId, IdSource, LeadId, LineId, Outcome, PhoneNumber, TenantId};
use jiff::Timestamp;
use store::{
    CallDetails, CallFilter, CallRecord, CallTimes, NO_LEAD, Page, PageRequest, StoreError,
    StoreResult,
};

use crate::code::{Cells, micros};
use crate::query::{self, Db, bound};

/// Most live calls of one campaign that are listed with an order.
const MAX_LIVE_CALLS: i64 = 1_000;

macro_rules! select {
    ($big:literal, $rest:literal) => {
        concat!(
            "SELECT attempt_id, tenant_id, campaign_id, lead_id, line_id, attempt_number,
                    phone, phone_number_id, assistant_id, attempt_key, state, outcome, ended_reason,
                    provider_call_id, control_url, revision, verdict, planned_at, unknown_at,
                    placed_at, ringing_at, in_progress_at, attempts.ended_at AS over_at,
                    details.started_at AS talk_began_at, details.ended_at AS talk_ended_at,
                    cost_micro_usd, summary, recording_url, ",
            $big,
            " FROM attempts LEFT JOIN call_details AS details USING (tenant_id, attempt_id) ",
            $rest
        )
    };
}

macro_rules! select_one {
    ($rest:literal) => {
        select!("transcript, structured_data", $rest)
    };
}

/// Lists leave out what can be large.
macro_rules! select_list {
    ($rest:literal) => {
        select!(
            "NULL::text AS transcript, NULL::text AS structured_data",
            $rest
        )
    };
}

/// One call with everything it left behind.
pub(crate) async fn get(
    db: &Db<'_>,
    tenant_id: TenantId,
    attempt_id: AttemptId,
) -> StoreResult<CallRecord> {
    let sql = select_one!("WHERE tenant_id = $1 AND attempt_id = $2");
    let found = query::one(db, sql, bound![tenant_id.raw(), attempt_id.raw()], read).await?;
    found.ok_or(StoreError::NotFound("call"))
}

/// Calls, newest first.
pub(crate) async fn list(
    db: &Db<'_>,
    tenant_id: TenantId,
    filter: &CallFilter,
    page: PageRequest,
) -> StoreResult<Page<CallRecord>> {
    let of_tenant = select_list!(
        "WHERE tenant_id = $1 AND attempt_id >= $2 AND attempt_id < $3
           AND ($5::bigint IS NULL OR campaign_id = $5)
           AND ($6::text IS NULL OR state = $6) AND ($7::text IS NULL OR outcome = $7)
           AND ($8::text IS NULL OR phone = $8)
           AND ($9::bigint IS NULL OR planned_at >= $9) AND ($10::bigint IS NULL OR planned_at < $10)
         ORDER BY attempt_id DESC LIMIT $4"
    );
    let of_campaign = select_list!(
        "WHERE tenant_id = $1 AND campaign_id = $5::bigint AND attempt_id >= $2 AND attempt_id < $3
           AND ($6::text IS NULL OR state = $6) AND ($7::text IS NULL OR outcome = $7)
           AND ($8::text IS NULL OR phone = $8)
           AND ($9::bigint IS NULL OR planned_at >= $9) AND ($10::bigint IS NULL OR planned_at < $10)
         ORDER BY attempt_id DESC LIMIT $4"
    );
    // The sums keep the order of ids from being preferred to the index of numbers.
    let of_number = select_list!(
        "WHERE tenant_id = $1 AND campaign_id = $5::bigint AND phone = $8::text
           AND attempt_id + 0 >= $2 AND attempt_id + 0 < $3
           AND ($6::text IS NULL OR state = $6) AND ($7::text IS NULL OR outcome = $7)
           AND ($9::bigint IS NULL OR planned_at >= $9) AND ($10::bigint IS NULL OR planned_at < $10)
         ORDER BY attempt_id + 0 DESC LIMIT $4"
    );
    let sql = match (filter.campaign_id, &filter.phone) {
        (Some(_), Some(_)) => of_number,
        (Some(_), None) => of_campaign,
        (None, _) => of_tenant,
    };
    let bound = bound![
        tenant_id.raw(),
        filter.from.map_or(0, oldest_id),
        query::below(page),
        query::rows_for(page),
        filter.campaign_id.map(CampaignId::raw),
        filter.state.map(StateName::as_str),
        filter.outcome.map(Outcome::as_str),
        filter.phone.as_ref().map(PhoneNumber::as_str),
        filter.from.map(micros),
        filter.to.map(micros),
    ];
    let calls = query::many(db, sql, bound, read).await?;
    Ok(query::page_of(calls, page, |call| call.attempt_id.raw()))
}

/// The least id an attempt planned at or after `from` can have, so that older ones are not read.
fn oldest_id(from: Timestamp) -> i64 {
    IdSource::default().next_raw(from)
}

/// Calls of a campaign that are up or may be, newest first.
pub(crate) async fn live_of_campaign(
    db: &Db<'_>,
    tenant_id: TenantId,
    campaign_id: CampaignId,
) -> StoreResult<Vec<CallRecord>> {
    let sql = select_list!(
        "WHERE tenant_id = $1 AND campaign_id = $2 AND live ORDER BY attempt_id DESC LIMIT $3"
    );
    let bound = bound![tenant_id.raw(), campaign_id.raw(), MAX_LIVE_CALLS];
    query::many(db, sql, bound, read).await
}

fn read(cells: &Cells<'_>) -> StoreResult<CallRecord> {
    Ok(CallRecord {
        attempt_id: AttemptId::from_raw(cells.get("attempt_id")?),
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
        lead_id: Some(LeadId::from_raw(cells.get("lead_id")?)).filter(|id| *id != NO_LEAD),
        line_id: LineId::from_raw(cells.get("line_id")?),
        attempt_number: cells.number("attempt_number")?,
        phone: cells.phone("phone")?,
        phone_number_id: cells.get("phone_number_id")?,
        assistant_id: cells.get("assistant_id")?,
        attempt_key: cells.get("attempt_key")?,
        state: cells.choice("state", StateName::parse)?,
        outcome: cells.maybe_choice("outcome", Outcome::parse)?,
        ended_reason: cells.get("ended_reason")?,
        provider_call_id: cells.get("provider_call_id")?,
        control_url: cells.get("control_url")?,
        revision: cells.get("revision")?,
        verdict: cells.json("verdict")?,
        times: times(cells)?,
        details: details(cells)?,
    })
}

fn times(cells: &Cells<'_>) -> StoreResult<CallTimes> {
    Ok(CallTimes {
        planned_at: cells.instant("planned_at")?,
        unknown_at: cells.maybe_instant("unknown_at")?,
        placed_at: cells.maybe_instant("placed_at")?,
        ringing_at: cells.maybe_instant("ringing_at")?,
        in_progress_at: cells.maybe_instant("in_progress_at")?,
        ended_at: cells.maybe_instant("over_at")?,
    })
}

fn details(cells: &Cells<'_>) -> StoreResult<CallDetails> {
    let structured_data: Option<String> = cells.get("structured_data")?;
    Ok(CallDetails {
        started_at: cells.maybe_instant("talk_began_at")?,
        ended_at: cells.maybe_instant("talk_ended_at")?,
        cost_micro_usd: cells.get("cost_micro_usd")?,
        transcript: cells.get("transcript")?,
        summary: cells.get("summary")?,
        recording_url: cells.get("recording_url")?,
        structured_data: match structured_data {
            Some(_) => Some(cells.json("structured_data")?),
            None => None,
        },
    })
}
