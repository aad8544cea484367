use axum::extract::State;
use domain::CampaignId;

use crate::answer::{Answer, Done};
use crate::auth::Writer;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Deletes a campaign that is DRAFT or ARCHIVED, with its leads. Its calls stay on record.
#[utoipa::path(delete, path = "/api/v2/voice-campaigns/{campaign_id}", operation_id = "deleteCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), IfMatchParam),
    responses((status = 200, description = "Campaign deleted successfully", body = Done)))]
pub(crate) async fn delete_campaign(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> ApiResult<Answer> {
    app.store
        .delete_campaign(caller, campaign_id, precondition)
        .await?;
    Ok(Answer::done("Campaign deleted successfully"))
}
