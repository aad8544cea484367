//! Deleting in steps what a deleted campaign leaves behind.
//!
//! A deleted campaign is gone for everybody in one short transaction: its row, its counters, its
//! revisions and its imports. Its leads and queued leads, which may be a million, follow a few at a
//! time. Until then they are found by nothing but their campaign's id, which no object has any
//! more: what looks for leads otherwise (by number, by an attempt) asks for the campaign as well.

use domain::{CampaignId, LeadId};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use store::StoreResult;

use crate::code::micros;
use crate::ops::{due, query};
use crate::writer::Work;

/// The leads of a campaign.
const LEADS: &str = "LEADS";
/// The queued leads of an import.
const QUEUED_LEADS: &str = "QUEUED_LEADS";

/// Notes what is left of a campaign whose row is being deleted. Its imports must still be there.
pub(crate) fn begin(work: &Work<'_>, now: Timestamp, campaign_id: CampaignId) -> StoreResult<()> {
    let sql = "INSERT INTO erasures (subject_id, kind, created_at)
               SELECT ?1, ?2, ?4 UNION ALL
               SELECT import_id, ?3, ?4 FROM imports WHERE campaign_id = ?1 AND finished_at IS NULL";
    let bound = params![campaign_id.raw(), LEADS, QUEUED_LEADS, micros(now)];
    query::execute(work.tx, sql, bound)?;
    Ok(())
}

/// Whether anything is to be deleted now.
pub(crate) fn any(db: &Connection) -> StoreResult<bool> {
    next(db).map(|erasure| erasure.is_some())
}

/// Deletes up to `max_rows` rows; answers whether more are waiting.
pub(crate) fn run(work: &mut Work<'_>, max_rows: u32) -> StoreResult<bool> {
    let Some((subject_id, kind)) = next(work.tx)? else {
        return Ok(false);
    };
    let deleted = if kind == LEADS {
        delete_leads(work, subject_id, max_rows)?
    } else {
        let sql = "DELETE FROM import_rows WHERE (import_id, row) IN
                       (SELECT import_id, row FROM import_rows WHERE import_id = ?1 LIMIT ?2)";
        query::execute(work.tx, sql, params![subject_id, max_rows])?
    };
    if deleted < usize::try_from(max_rows).unwrap_or(usize::MAX) {
        let sql = "DELETE FROM erasures WHERE subject_id = ?1";
        query::execute(work.tx, sql, [subject_id])?;
    }
    any(work.tx)
}

/// The oldest one whose leads nobody is still copying.
fn next(db: &Connection) -> StoreResult<Option<(i64, String)>> {
    let sql = "SELECT subject_id, kind FROM erasures
               WHERE NOT EXISTS (SELECT 1 FROM imports
                                 WHERE source_campaign_id = subject_id AND finished_at IS NULL)
               ORDER BY subject_id LIMIT 1";
    query::one(db, sql, [], |cells| {
        Ok((cells.get("subject_id")?, cells.get("kind")?))
    })
}

fn delete_leads(work: &mut Work<'_>, campaign_id: i64, max_rows: u32) -> StoreResult<usize> {
    let sql = "SELECT lead_id FROM leads WHERE campaign_id = ?1 ORDER BY lead_id LIMIT ?2";
    let leads = query::many(work.tx, sql, params![campaign_id, max_rows], |cells| {
        Ok(LeadId::from_raw(cells.get("lead_id")?))
    })?;
    for lead_id in &leads {
        due::remove(work, *lead_id)?;
        let sql = "DELETE FROM leads WHERE lead_id = ?1";
        query::execute(work.tx, sql, [lead_id.raw()])?;
    }
    Ok(leads.len())
}
