use domain::campaign::CampaignCommand;

use super::command_request::{CampaignIdParam, CommandRequest};
use super::order::perform;
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::error::ApiResult;
use crate::etag::IfMatchParam;

/// Puts a STOPPED campaign away. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/archive", operation_id = "archiveCampaign", tag = "Campaigns",
    params(CampaignIdParam, IfMatchParam),
    responses((status = 200, description = "Campaign archived successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn archive_campaign(request: CommandRequest) -> ApiResult<Answer> {
    perform(CampaignCommand::Archive, request).await
}
