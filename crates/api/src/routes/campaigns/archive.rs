use axum::extract::State;
use domain::CampaignId;
use domain::campaign::CampaignCommand;

use super::order::{order, perform};
use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Puts a STOPPED campaign away. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/archive", operation_id = "archiveCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), IfMatchParam),
    responses((status = 200, description = "Campaign archived successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn archive_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    if_match: IfMatch,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    let archive = order(campaign_id, CampaignCommand::Archive, if_match);
    perform(&app, caller, archive, post).await
}
