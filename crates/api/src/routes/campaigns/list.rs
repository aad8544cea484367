use axum::extract::State;
use domain::campaign::{CampaignStatus, CampaignType};
use store::CampaignFilter;

use super::view::CampaignView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Campaigns, newest first.
#[utoipa::path(get, path = "/api/v2/voice-campaigns", operation_id = "listCampaigns", tag = "Campaigns",
    params(PageParams,
        ("status" = Option<String>, Query, description = "Only in this status.", example = "RUNNING"),
        ("type" = Option<String>, Query, description = "Only of this direction.", example = "OUTBOUND"),
        ("name" = Option<String>, Query, description = "Only whose name contains this, ignoring ASCII case.", example = "outreach")),
    responses((status = 200, description = "Campaigns retrieved successfully", body = Listed<CampaignView>)))]
pub(crate) async fn list_campaigns(
    State(app): State<App>,
    Reader(caller): Reader,
    mut query: Query,
) -> ApiResult<Answer> {
    let filter = CampaignFilter {
        status: query.choice("status", CampaignStatus::parse, CampaignStatus::ALL),
        kind: query.choice("type", CampaignType::parse, CampaignType::ALL),
        name: query.text("name"),
    };
    let page = query.page(ListKind::Campaigns);
    query.finish()?;
    let page = app
        .store
        .list_campaigns(caller.tenant_id, filter, page)
        .await?;
    let views: Vec<_> = page.items.iter().map(CampaignView::of).collect();
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Campaigns, position));
    Ok(Answer::list(
        "Campaigns retrieved successfully",
        views,
        next,
    ))
}
