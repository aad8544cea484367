use domain::campaign::CampaignCommand;

use super::command_request::{CampaignIdParam, CommandRequest};
use super::order::begin;
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::error::ApiResult;
use crate::etag::IfMatchParam;

/// Starts a DRAFT campaign.
///
/// It needs a number or pool that fits `dialer_type`, a calendar that opens at least once, and
/// credentials that the voice provider accepts; all that is missing is listed. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/start", operation_id = "startCampaign", tag = "Campaigns",
    params(CampaignIdParam, IfMatchParam),
    responses((status = 200, description = "Campaign started successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision."))),
        (status = 502, description = "The voice provider is broken; nothing was changed.")))]
pub(crate) async fn start_campaign(request: CommandRequest) -> ApiResult<Answer> {
    begin(CampaignCommand::Start, request).await
}
