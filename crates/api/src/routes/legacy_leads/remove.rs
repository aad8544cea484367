use axum::extract::State;
use domain::CampaignId;
use store::StoreError;

use super::check_tenant;
use crate::answer::{Answer, Done};
use crate::auth::Writer;
use crate::body::Body;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::routes::leads::body::LegacyLeadRemoval;
use crate::routes::leads::fields::read_key;
use crate::state::App;

/// Removes a lead, found by `campaign_lead_id` or else by `phone_number`.
#[utoipa::path(delete, path = "/v1/api/voice-campaigns/{campaign_id}/lead/remove", operation_id = "removeLeadV1", tag = "Leads, version 1",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    request_body(content = LegacyLeadRemoval, example = json!({ "phone_number": "+14155552671" })),
    responses((status = 200, description = "Lead removed successfully", body = Done)))]
pub(crate) async fn remove_lead_v1(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    body: Body<LegacyLeadRemoval>,
) -> ApiResult<Answer> {
    let (fields, mut faults) = body.into_parts();
    check_tenant(&fields, caller, &mut faults)?;
    let key = read_key(&fields, "", &mut faults);
    let key = faults.settle(key)?;
    let mut answers = app
        .store
        .remove_leads(caller, campaign_id, vec![key])
        .await?;
    answers.pop().unwrap_or(Err(StoreError::NotFound("lead")))?;
    Ok(Answer::done("Lead removed successfully"))
}
