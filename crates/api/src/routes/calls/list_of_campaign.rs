use axum::extract::State;
use domain::CampaignId;

use super::filter::{self, CallFilterParams};
use super::list;
use super::view::CallView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::ListKind;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Calls of a campaign, newest first, without transcript and structured data.
#[utoipa::path(get, path = "/api/v2/voice-campaigns/{campaign_id}/calls", operation_id = "listCampaignCalls", tag = "Calls",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), CallFilterParams, PageParams),
    responses((status = 200, description = "Calls retrieved successfully", body = Listed<CallView>)))]
pub(crate) async fn list_campaign_calls(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
) -> ApiResult<Answer> {
    let filter = filter::read(&mut query, Some(campaign_id));
    let page = query.page(ListKind::Calls);
    query.finish()?;
    app.store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    list::answer(&app, caller.tenant_id, filter, page).await
}
