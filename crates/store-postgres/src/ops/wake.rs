//! Telling the planner that something may be due earlier than it thought.

use domain::{CampaignId, LineId};
use jiff::Timestamp;
use store::StoreResult;

use crate::code::micros;
use crate::query::{self, bound};
use crate::work::Work;

/// The campaign, if it is RUNNING, and its line shall be looked at no later than `at`.
pub(crate) async fn campaign(
    work: &mut Work<'_>,
    campaign_id: CampaignId,
    at: Timestamp,
) -> StoreResult<()> {
    // LEAST skips what is NULL.
    let sql = "UPDATE campaigns SET wake_at = least(wake_at, $3)
               WHERE tenant_id = $1 AND campaign_id = $2 AND status = 'RUNNING' RETURNING line_id";
    let bound = bound![work.tenant_id.raw(), campaign_id.raw(), micros(at)];
    let line = query::one(&work.tx, sql, bound, |cells| cells.get("line_id")).await?;
    match line {
        Some(line_id) => line_only(work, LineId::from_raw(line_id), at).await,
        None => Ok(()),
    }
}

/// The line shall be looked at no later than `at`.
pub(crate) async fn line_only(
    work: &mut Work<'_>,
    line_id: LineId,
    at: Timestamp,
) -> StoreResult<()> {
    let sql = "UPDATE lines SET wake_at = least(wake_at, $3) WHERE tenant_id = $1 AND line_id = $2";
    let bound = bound![work.tenant_id.raw(), line_id.raw(), micros(at)];
    query::execute(&work.tx, sql, bound).await?;
    work.wake();
    Ok(())
}

/// A campaign, if it is RUNNING, with its line of now, and the line of one of its calls. What would be
/// looked at sooner anyway is not written.
pub(crate) async fn both(
    work: &mut Work<'_>,
    campaign_id: CampaignId,
    line_id: LineId,
    at: Timestamp,
) -> StoreResult<()> {
    let sql = "WITH woken AS (
                   UPDATE campaigns SET wake_at = $4
                   WHERE tenant_id = $1 AND campaign_id = $2 AND status = 'RUNNING' AND coalesce(wake_at > $4, true))
               UPDATE lines SET wake_at = $4
               WHERE tenant_id = $1 AND coalesce(wake_at > $4, true)
                 AND line_id = ANY (ARRAY (SELECT $3::bigint UNION SELECT line_id FROM campaigns
                                           WHERE tenant_id = $1 AND campaign_id = $2 AND status = 'RUNNING'))";
    let bound = bound![
        work.tenant_id.raw(),
        campaign_id.raw(),
        line_id.raw(),
        micros(at),
    ];
    query::execute(&work.tx, sql, bound).await?;
    work.wake();
    Ok(())
}
