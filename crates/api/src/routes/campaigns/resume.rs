use domain::campaign::CampaignCommand;

use super::command_request::{CampaignIdParam, CommandRequest};
use super::order::begin;
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::error::ApiResult;
use crate::etag::IfMatchParam;

/// Lets a PAUSED campaign go on where it was. Repeated: unchanged.
///
/// Its settings may have lost their number or calendar during the pause; what is missing is listed.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/resume", operation_id = "resumeCampaign", tag = "Campaigns",
    params(CampaignIdParam, IfMatchParam),
    responses((status = 200, description = "Campaign resumed successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn resume_campaign(request: CommandRequest) -> ApiResult<Answer> {
    begin(CampaignCommand::Resume, request).await
}
