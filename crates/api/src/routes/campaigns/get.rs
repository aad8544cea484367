use axum::extract::State;
use domain::CampaignId;

use super::view::CampaignView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// One campaign.
#[utoipa::path(get, path = "/api/v2/voice-campaigns/{campaign_id}", operation_id = "getCampaign", tag = "Campaigns",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    responses((status = 200, description = "Campaign retrieved successfully", body = Success<CampaignView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn get_campaign(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let record = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    Ok(
        Answer::ok("Campaign retrieved successfully", CampaignView::of(&record))
            .with_revision(record.revision),
    )
}
