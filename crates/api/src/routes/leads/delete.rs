use axum::extract::State;
use domain::{CampaignId, LeadId};
use store::LeadKey;

use crate::answer::{Answer, Done};
use crate::auth::Writer;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Removes a lead. A call that is up goes on; its record stays.
#[utoipa::path(delete, path = "/api/v2/voice-campaigns/{campaign_id}/leads/{campaign_lead_id}", operation_id = "deleteLead", tag = "Leads",
    params(
        ("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="),
        ("campaign_lead_id" = String, Path, description = "Global id of the lead.", example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA=="), IfMatchParam),
    responses((status = 200, description = "Lead removed successfully", body = Done)))]
pub(crate) async fn delete_lead(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    PathId(lead_id): PathId<LeadId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> ApiResult<Answer> {
    let key = LeadKey::Id(lead_id);
    app.store
        .remove_lead(caller, campaign_id, key, precondition)
        .await?;
    Ok(Answer::done("Lead removed successfully"))
}
