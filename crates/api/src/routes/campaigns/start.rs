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

/// Starts a DRAFT campaign.
///
/// It needs a number or pool that fits `dialer_type`, a calendar that opens at least once, and
/// credentials that the voice provider accepts; all that is missing is listed. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/start", operation_id = "startCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), IfMatchParam),
    responses((status = 200, description = "Campaign started successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision."))),
        (status = 502, description = "The voice provider is broken; nothing was changed.")))]
pub(crate) async fn start_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    if_match: IfMatch,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    let start = order(campaign_id, CampaignCommand::Start, if_match);
    begin(&app, caller, start, post).await
}
