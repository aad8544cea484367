use domain::campaign::CampaignCommand;

use super::command_request::{CampaignIdParam, CommandRequest, HangUpParam};
use super::order::{HeldCampaignView, hold};
use crate::answer::{Answer, Success};
use crate::error::ApiResult;
use crate::etag::IfMatchParam;

/// Holds a RUNNING campaign.
///
/// Answers only when no further call of the campaign can be placed, and lists the calls that are
/// still up. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/pause", operation_id = "pauseCampaign", tag = "Campaigns",
    params(CampaignIdParam, HangUpParam, IfMatchParam),
    responses((status = 200, description = "Campaign paused successfully", body = Success<HeldCampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn pause_campaign(request: CommandRequest) -> ApiResult<Answer> {
    hold(CampaignCommand::Pause, request).await
}
