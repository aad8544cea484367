use axum::extract::State;
use axum::response::Response;
use domain::CampaignId;

use super::csv;
use super::filter::{self, CallFilterParams};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::Query;
use crate::state::App;

/// Calls of a campaign as CSV, newest first. Text that a spreadsheet would take for a formula
/// begins with `'`.
#[utoipa::path(get, path = "/api/v2/voice-campaigns/{campaign_id}/calls/export.csv", operation_id = "exportCampaignCalls", tag = "Calls",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), CallFilterParams),
    responses((status = 200, description = "The calls", body = String, content_type = "text/csv")))]
pub(crate) async fn export_campaign_calls(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
) -> ApiResult<Response> {
    let filter = filter::read(&mut query, Some(campaign_id));
    query.finish()?;
    app.store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    csv::download(app, caller.tenant_id, filter).await
}
