use domain::campaign::CampaignCommand;

use super::command_request::{CampaignIdParam, CommandRequest, HangUpParam};
use super::order::{HeldCampaignView, hold};
use crate::answer::{Answer, Success};
use crate::error::ApiResult;
use crate::etag::IfMatchParam;

/// Ends a campaign for good.
///
/// Answers only when no further call of the campaign can be placed, and lists the calls that are
/// still up. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/stop", operation_id = "stopCampaign", tag = "Campaigns",
    params(CampaignIdParam, HangUpParam, IfMatchParam),
    responses((status = 200, description = "Campaign stopped successfully", body = Success<HeldCampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn stop_campaign(request: CommandRequest) -> ApiResult<Answer> {
    hold(CampaignCommand::Stop, request).await
}
