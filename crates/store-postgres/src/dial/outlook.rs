//! What the planner would say of a campaign at this moment, without planning anything.
//!
//! For answers that cannot wait for the next tick: a campaign that begins to run. It is looked at as
//! if it were alone on its line, with the line's limits and live calls as they are.

use domain::CampaignId;
use domain::campaign::StatusReason;
use domain::planner;
use jiff::Timestamp;
use store::StoreResult;

use crate::dial::snapshot;
use crate::work::Work;

/// Why the RUNNING campaign does or does not dial.
pub(crate) async fn reason(
    work: &Work<'_>,
    campaign_id: CampaignId,
    now: Timestamp,
) -> StoreResult<StatusReason> {
    let line = snapshot::load_alone(work, campaign_id, now).await?;
    let plan = line.map(|line| planner::plan(now, &line.snapshot));
    let reason = plan.and_then(|plan| plan.campaigns.first().map(|campaign| campaign.reason));
    Ok(reason.unwrap_or(StatusReason::NoDialableLeads))
}
