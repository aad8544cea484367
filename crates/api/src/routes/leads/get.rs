use axum::extract::State;
use domain::{CampaignId, LeadId};
use store::LeadKey;

use super::view::LeadView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// One lead.
#[utoipa::path(get, path = "/api/v2/voice-campaigns/{campaign_id}/leads/{campaign_lead_id}", operation_id = "getLead", tag = "Leads",
    params(
        ("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="),
        ("campaign_lead_id" = String, Path, description = "Global id of the lead.", example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA==")),
    responses((status = 200, description = "Lead retrieved successfully", body = Success<LeadView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn get_lead(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(campaign_id): PathId<CampaignId>,
    PathId(lead_id): PathId<LeadId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let campaign = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    let key = LeadKey::Id(lead_id);
    let lead = app
        .store
        .get_lead(caller.tenant_id, campaign_id, key, caller.now)
        .await?;
    let view = LeadView::of(&lead, &campaign, caller.now);
    Ok(Answer::ok("Lead retrieved successfully", view).with_revision(lead.revision))
}
