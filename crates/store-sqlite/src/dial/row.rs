//! The stored form of an attempt's state.

use domain::attempt::{AttemptState, StateName};
use domain::{AttemptId, CampaignId, LeadId, LineId, Outcome, PhoneNumber, TenantId};
use jiff::Timestamp;
use rusqlite::{Params, params};
use store::{AttemptRef, StoreResult};

use crate::code::{Cells, corrupt};
use crate::error::translate;
use crate::writer::Work;

/// What the reducer and its effects need of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) attempt_id: AttemptId,
    pub(crate) tenant_id: TenantId,
    pub(crate) campaign_id: CampaignId,
    pub(crate) lead_id: LeadId,
    pub(crate) line_id: LineId,
    pub(crate) attempt_number: u32,
    pub(crate) phone: PhoneNumber,
    pub(crate) phone_number_id: String,
    pub(crate) provider: String,
    pub(crate) provider_call_id: Option<String>,
    pub(crate) planned_at: Timestamp,
    pub(crate) state: AttemptState,
    /// Whether it holds its slot and its number: a corrected one may have lost both to another.
    pub(crate) live: bool,
    /// Whether a complete look-up has missed it.
    pub(crate) missed: bool,
}

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT attempt_id, attempts.tenant_id, campaign_id, lead_id, attempts.line_id, attempt_number,
                    phone, phone_number_id, provider, provider_call_id, planned_at, send_not_after, state,
                    counts, live, missed, outcome, unknown_at, probes, absent_at
             FROM attempts JOIN lines USING (line_id) WHERE ",
            $condition
        )
    };
}

/// The attempt that a fact is about, if we have it.
pub(crate) fn find(work: &Work<'_>, attempt: &AttemptRef) -> StoreResult<Option<AttemptRow>> {
    match attempt {
        AttemptRef::Id(id) => one(work, select!("attempt_id = ?1"), [id.raw()]),
        AttemptRef::Echo {
            line_id,
            attempt_key,
            provider_call_id,
        } => {
            if let Some(key) = attempt_key
                && let Some(row) = one(
                    work,
                    select!("attempt_key = ?1 AND attempts.line_id = ?2"),
                    params![key, line_id.raw()],
                )?
            {
                return Ok(Some(row));
            }
            let sql = select!("attempts.line_id = ?1 AND provider_call_id = ?2");
            one(work, sql, params![line_id.raw(), provider_call_id])
        }
    }
}

fn one(work: &Work<'_>, sql: &str, bound: impl Params) -> StoreResult<Option<AttemptRow>> {
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let mut rows = statement.query(bound).map_err(translate)?;
    rows.next()
        .map_err(translate)?
        .map(|row| read(&Cells::of(row)))
        .transpose()
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<AttemptRow> {
    Ok(AttemptRow {
        attempt_id: AttemptId::from_raw(cells.get("attempt_id")?),
        tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
        campaign_id: CampaignId::from_raw(cells.get("campaign_id")?),
        lead_id: LeadId::from_raw(cells.get("lead_id")?),
        line_id: LineId::from_raw(cells.get("line_id")?),
        attempt_number: cells.u32("attempt_number")?,
        phone: cells.phone("phone")?,
        phone_number_id: cells.get("phone_number_id")?,
        provider: cells.get("provider")?,
        provider_call_id: cells.get("provider_call_id")?,
        planned_at: cells.instant("planned_at")?,
        state: state(cells)?,
        live: cells.get("live")?,
        missed: cells.get("missed")?,
    })
}

fn state(cells: &Cells<'_, '_>) -> StoreResult<AttemptState> {
    let send_not_after = cells.instant("send_not_after")?;
    Ok(match cells.choice("state", StateName::parse)? {
        StateName::Dispatching => AttemptState::Dispatching { send_not_after },
        StateName::Unknown => AttemptState::Unknown {
            sent_by: cells
                .maybe_instant("unknown_at")?
                .map_or(send_not_after, |at| at.min(send_not_after)),
            probes: cells.u32("probes")?,
            absent_at: cells.maybe_instant("absent_at")?,
        },
        StateName::Placed => AttemptState::Placed,
        StateName::Ringing => AttemptState::Ringing,
        StateName::InProgress => AttemptState::InProgress,
        StateName::Ended => AttemptState::Ended {
            outcome: cells
                .maybe_choice("outcome", Outcome::parse)?
                .ok_or_else(|| corrupt("an ended attempt has no outcome"))?,
            counts: cells.get("counts")?,
        },
        StateName::Rejected => AttemptState::Rejected,
        StateName::Released => AttemptState::Released,
        StateName::Absent => AttemptState::Absent,
    })
}
