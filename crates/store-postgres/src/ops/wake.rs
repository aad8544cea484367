//! Telling the planner that something may be due earlier than it thought.

use std::collections::BTreeMap;

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

/// Campaigns, each if it is RUNNING, with their lines of now, and the lines of calls of them. What would be
/// looked at sooner anyway is not written. Whoever asks for it wakes the dialers.
pub(crate) async fn all(
    work: &Work<'_>,
    wakes: &BTreeMap<(CampaignId, LineId), Timestamp>,
) -> StoreResult<()> {
    // Each is looked for by its key, see `change.rs`; `coalesce` keeps the index of RUNNING campaigns out, of
    // which a tenant may have thousands.
    let sql = "WITH wakes AS (
                   SELECT $1::bigint AS tenant_id, wanted.*
                   FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[]) AS wanted (campaign_id, line_id, at)
                   OFFSET 0),
               due AS (SELECT tenant_id, campaign_id, min(at) AS at FROM wakes GROUP BY tenant_id, campaign_id OFFSET 0),
               woken AS (
                   UPDATE campaigns SET wake_at = due.at FROM due
                   WHERE campaigns.tenant_id = due.tenant_id AND campaigns.campaign_id = due.campaign_id
                     AND coalesce(campaigns.status, '') = 'RUNNING' AND coalesce(campaigns.wake_at > due.at, true))
               UPDATE lines SET wake_at = told.at
               FROM (SELECT tenant_id, line_id, min(at) AS at
                     FROM (SELECT tenant_id, line_id, at FROM wakes
                           UNION ALL
                           SELECT due.tenant_id, found.line_id, due.at
                           FROM due, LATERAL (SELECT line_id, status FROM campaigns
                                              WHERE campaigns.tenant_id = due.tenant_id
                                                AND campaigns.campaign_id = due.campaign_id OFFSET 0) AS found
                           WHERE found.status = 'RUNNING') AS each
                     GROUP BY tenant_id, line_id OFFSET 0) AS told
               WHERE lines.tenant_id = told.tenant_id AND lines.line_id = told.line_id
                 AND coalesce(lines.wake_at > told.at, true)";
    let campaigns: Vec<_> = wakes.keys().map(|(campaign, _)| campaign.raw()).collect();
    let lines: Vec<_> = wakes.keys().map(|(_, line)| line.raw()).collect();
    let times: Vec<_> = wakes.values().map(|at| micros(*at)).collect();
    let bound = bound![work.tenant_id.raw(), campaigns, lines, times];
    query::execute(&work.tx, sql, bound).await?;
    Ok(())
}
