//! The tenant's feed: each event is written in the transaction of the change that it tells.

use domain::{AttemptId, CampaignId, LeadId, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;
use store::{EventRecord, StoreResult};

use crate::code::{Cells, corrupt, micros, to_json};
use crate::error::translate;
use crate::ops::query;
use crate::writer::Work;

/// What an event is about.
#[expect(clippy::struct_field_names, reason = "the glossary's names of ids")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) tenant_id: TenantId,
    pub(crate) campaign_id: Option<CampaignId>,
    pub(crate) lead_id: Option<LeadId>,
    pub(crate) attempt_id: Option<AttemptId>,
}

impl Subject {
    pub(crate) const fn tenant(tenant_id: TenantId) -> Self {
        Self {
            tenant_id,
            campaign_id: None,
            lead_id: None,
            attempt_id: None,
        }
    }

    pub(crate) const fn campaign(tenant_id: TenantId, campaign_id: CampaignId) -> Self {
        Self {
            campaign_id: Some(campaign_id),
            ..Self::tenant(tenant_id)
        }
    }

    pub(crate) const fn lead(
        tenant_id: TenantId,
        campaign_id: CampaignId,
        lead_id: LeadId,
    ) -> Self {
        Self {
            lead_id: Some(lead_id),
            ..Self::campaign(tenant_id, campaign_id)
        }
    }
}

/// Appends an event. `kind` is a type of the contract (`call.placed`), `data` the facts that the
/// rows do not keep (what changed, from where).
pub(crate) fn append(
    work: &mut Work<'_>,
    now: Timestamp,
    kind: &'static str,
    subject: Subject,
    data: &Value,
) -> StoreResult<()> {
    let mut sequence = work.next_sequence(subject.tenant_id)?;
    if domain::planted!("gap_in_the_feed", false, kind == "lead.removed") {
        sequence = work.next_sequence(subject.tenant_id)?;
    }
    let sql = "INSERT INTO events (tenant_id, sequence, type, campaign_id, lead_id, attempt_id, data, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    let row = params![
        subject.tenant_id.raw(),
        sequence,
        kind,
        subject.campaign_id.map(CampaignId::raw),
        subject.lead_id.map(LeadId::raw),
        subject.attempt_id.map(AttemptId::raw),
        to_json(data),
        micros(now),
    ];
    statement.execute(row).map_err(translate)?;
    Ok(())
}

/// Most events read at once.
const MAX_EVENTS: u32 = 1_000;

/// Events after a sequence, oldest first.
pub(crate) fn list(
    db: &Connection,
    tenant_id: TenantId,
    after: i64,
    limit: u32,
) -> StoreResult<Vec<EventRecord>> {
    let sql =
        "SELECT sequence, type, campaign_id, lead_id, attempt_id, data, created_at FROM events
               WHERE tenant_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
    let bound = params![tenant_id.raw(), after, limit.clamp(1, MAX_EVENTS)];
    query::many(db, sql, bound, read)
}

fn read(cells: &Cells<'_, '_>) -> StoreResult<EventRecord> {
    let data: String = cells.get("data")?;
    Ok(EventRecord {
        sequence: cells.get("sequence")?,
        kind: cells.get("type")?,
        campaign_id: cells
            .get::<Option<i64>>("campaign_id")?
            .map(CampaignId::from_raw),
        lead_id: cells.get::<Option<i64>>("lead_id")?.map(LeadId::from_raw),
        attempt_id: cells
            .get::<Option<i64>>("attempt_id")?
            .map(AttemptId::from_raw),
        data: serde_json::from_str(&data).map_err(|error| corrupt(error.to_string()))?,
        created_at: cells.instant("created_at")?,
    })
}
