//! The table of leads that could be scheduled. A row is there exactly while its lead is READY.

use domain::{CampaignId, LeadId};
use jiff::Timestamp;
use rusqlite::params;
use store::StoreResult;

use crate::code::micros;
use crate::error::translate;
use crate::writer::Work;

/// Puts the READY lead in, or moves it, with the zone and rank of its row.
pub(crate) fn put(
    work: &mut Work<'_>,
    campaign_id: CampaignId,
    lead_id: LeadId,
    due_at: Timestamp,
) -> StoreResult<()> {
    remove(work, lead_id)?;
    let sql = "INSERT INTO due (campaign_id, rank, zone, due_at, lead_id)
               SELECT campaign_id, rank, coalesce(timezone, ''), max(?3, coalesce(not_before, ?3)), lead_id
               FROM leads WHERE lead_id = ?2 AND campaign_id = ?1 AND status = 'READY'";
    let sql = domain::planted!(
        "not_before_ignored",
        sql,
        "INSERT INTO due (campaign_id, rank, zone, due_at, lead_id)
         SELECT campaign_id, rank, coalesce(timezone, ''), ?3, lead_id
         FROM leads WHERE lead_id = ?2 AND campaign_id = ?1 AND status = 'READY'"
    );
    let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
    statement
        .execute(params![campaign_id.raw(), lead_id.raw(), micros(due_at)])
        .map_err(translate)?;
    Ok(())
}

/// Takes the lead out.
pub(crate) fn remove(work: &mut Work<'_>, lead_id: LeadId) -> StoreResult<()> {
    let mut statement = work
        .tx
        .prepare_cached("DELETE FROM due WHERE lead_id = ?1")
        .map_err(translate)?;
    statement.execute([lead_id.raw()]).map_err(translate)?;
    Ok(())
}
