//! Deleting in steps what a deleted campaign leaves behind.
//!
//! A deleted campaign is gone for everybody in one short transaction: its row, its counters, its
//! revisions and its imports. Its leads and queued leads, which may be a million, follow a few at a
//! time. Until then they are found by nothing but their campaign's id, which no object has any
//! more: what looks for leads otherwise (by number, by an attempt) asks for the campaign as well.

use domain::{CampaignId, TenantId};
use jiff::Timestamp;
use store::StoreResult;

use crate::code::micros;
use crate::query::{self, Db, bound};
use crate::work::Work;

/// The leads of a campaign.
const LEADS: &str = "LEADS";
/// The queued leads of an import.
const QUEUED_LEADS: &str = "QUEUED_LEADS";

/// Something to delete.
pub(crate) struct Erasure {
    pub(crate) tenant_id: TenantId,
    subject_id: i64,
    kind: String,
}

/// Notes what is left of a campaign whose row is being deleted. Its imports must still be there.
pub(crate) async fn begin(
    work: &Work<'_>,
    now: Timestamp,
    campaign_id: CampaignId,
) -> StoreResult<()> {
    let sql = "INSERT INTO erasures (tenant_id, subject_id, kind, created_at)
               SELECT $1::bigint, $2::bigint, $3::text, $5::bigint UNION ALL
               SELECT $1, import_id, $4::text, $5 FROM imports
               WHERE tenant_id = $1 AND campaign_id = $2 AND finished_at IS NULL";
    let bound = bound![
        work.tenant_id.raw(),
        campaign_id.raw(),
        LEADS,
        QUEUED_LEADS,
        micros(now),
    ];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}

/// The oldest one of all tenants whose leads nobody is still copying.
pub(crate) async fn next(db: &Db<'_>) -> StoreResult<Option<Erasure>> {
    let sql = "SELECT tenant_id, subject_id, kind FROM erasures
               WHERE NOT EXISTS (SELECT 1 FROM imports WHERE imports.tenant_id = erasures.tenant_id
                                   AND source_campaign_id = subject_id AND finished_at IS NULL)
               ORDER BY subject_id LIMIT 1";
    query::one(db, sql, &[], |cells| {
        Ok(Erasure {
            tenant_id: TenantId::from_raw(cells.get("tenant_id")?),
            subject_id: cells.get("subject_id")?,
            kind: cells.get("kind")?,
        })
    })
    .await
}

/// Deletes up to `max_rows` rows of it.
pub(crate) async fn run(work: &Work<'_>, erasure: &Erasure, max_rows: u32) -> StoreResult<()> {
    let tenant = work.tenant_id.raw();
    let limit = i64::from(max_rows);
    let bound = bound![tenant, erasure.subject_id, limit];
    let deleted = if erasure.kind == LEADS {
        let sql = "DELETE FROM due WHERE tenant_id = $1 AND lead_id IN
                       (SELECT lead_id FROM leads WHERE tenant_id = $1 AND campaign_id = $2
                        ORDER BY lead_id LIMIT $3)";
        query::execute(&work.tx, sql, bound).await?;
        let sql = "DELETE FROM leads WHERE tenant_id = $1 AND campaign_id = $2 AND lead_id IN
                       (SELECT lead_id FROM leads WHERE tenant_id = $1 AND campaign_id = $2
                        ORDER BY lead_id LIMIT $3)";
        query::execute(&work.tx, sql, bound).await?
    } else {
        let sql = "DELETE FROM import_rows WHERE tenant_id = $1 AND import_id = $2 AND row IN
                       (SELECT row FROM import_rows WHERE tenant_id = $1 AND import_id = $2
                        ORDER BY row LIMIT $3)";
        query::execute(&work.tx, sql, bound).await?
    };
    if deleted < u64::from(max_rows) {
        let sql = "DELETE FROM erasures WHERE tenant_id = $1 AND subject_id = $2";
        query::execute(&work.tx, sql, bound![tenant, erasure.subject_id]).await?;
    }
    Ok(())
}
