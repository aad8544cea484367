use axum::extract::State;
use domain::CampaignId;
use domain::campaign::CampaignCommand;

use super::order::{begin, order};
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Lets a PAUSED campaign go on where it was. Repeated: unchanged.
///
/// Its settings may have lost their number or calendar during the pause; what is missing is listed.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/resume", operation_id = "resumeCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), IfMatchParam),
    responses((status = 200, description = "Campaign resumed successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn resume_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    if_match: IfMatch,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    let resume = order(campaign_id, CampaignCommand::Resume, if_match);
    begin(&app, caller, resume, post).await
}
