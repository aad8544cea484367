//! Telling the planner that something may be due earlier than it thought.

use domain::{CampaignId, LineId};
use jiff::Timestamp;
use store::StoreResult;

use crate::code::micros;
use crate::error::translate;
use crate::writer::Work;

/// The campaign, if it is RUNNING, and its line shall be looked at no later than `at`.
pub(crate) fn campaign(
    work: &mut Work<'_>,
    campaign_id: CampaignId,
    at: Timestamp,
) -> StoreResult<()> {
    let sql = "UPDATE campaigns SET wake_at = min(coalesce(wake_at, ?2), ?2)
               WHERE campaign_id = ?1 AND status = 'RUNNING' RETURNING line_id";
    let line: Option<i64> = {
        let mut statement = work.tx.prepare_cached(sql).map_err(translate)?;
        let mut rows = statement
            .query([campaign_id.raw(), micros(at)])
            .map_err(translate)?;
        match rows.next().map_err(translate)? {
            Some(row) => Some(row.get(0).map_err(translate)?),
            None => None,
        }
    };
    match line {
        Some(line_id) => line_only(work, LineId::from_raw(line_id), at),
        None => Ok(()),
    }
}

/// The line shall be looked at no later than `at`.
pub(crate) fn line_only(work: &mut Work<'_>, line_id: LineId, at: Timestamp) -> StoreResult<()> {
    let sql = "UPDATE lines SET wake_at = min(coalesce(wake_at, ?2), ?2) WHERE line_id = ?1";
    work.tx
        .prepare_cached(sql)
        .map_err(translate)?
        .execute([line_id.raw(), micros(at)])
        .map_err(translate)?;
    work.wake();
    Ok(())
}
