use axum::extract::State;
use domain::CampaignId;
use domain::campaign::CampaignCommand;

use super::order::{HeldCampaignView, hold, order};
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::Query;
use crate::state::App;

/// Holds a RUNNING campaign.
///
/// Answers only when no further call of the campaign can be placed, and lists the calls that are
/// still up. Repeated: unchanged.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/pause", operation_id = "pauseCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="),
        ("hang_up" = Option<bool>, Query, description = "Hang up the calls that are still up; the result of each is in `live_calls`."), IfMatchParam),
    responses((status = 200, description = "Campaign paused successfully", body = Success<HeldCampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn pause_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    query: Query,
    if_match: IfMatch,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    let pause = order(campaign_id, CampaignCommand::Pause, if_match);
    hold(&app, caller, pause, query, post).await
}
