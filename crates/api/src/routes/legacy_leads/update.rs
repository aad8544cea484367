use axum::extract::State;
use domain::CampaignId;
use store::{LeadKey, StoreError};

use super::check_tenant;
use crate::answer::{Answer, Done};
use crate::auth::Writer;
use crate::body::Body;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::routes::leads::body::LegacyLeadUpdate;
use crate::routes::leads::fields::{read_change, read_phone};
use crate::state::App;

/// Changes the lead with a number.
#[utoipa::path(patch, path = "/v1/api/voice-campaigns/{campaign_id}/lead/update", operation_id = "updateLeadV1", tag = "Leads, version 1",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    request_body(content = LegacyLeadUpdate, example = json!({ "phone_number": "+14155552671", "mark_as_unanswered": true })),
    responses((status = 200, description = "Lead updated successfully", body = Done)))]
pub(crate) async fn update_lead_v1(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    body: Body<LegacyLeadUpdate>,
) -> ApiResult<Answer> {
    let (mut fields, mut faults) = body.into_parts();
    check_tenant(&fields, caller, &mut faults)?;
    let phone = read_phone(&fields, "", &mut faults);
    let change = read_change(&mut fields, "", &mut faults);
    let phone = faults.settle(phone)?;
    let changes = vec![(LeadKey::Phone(phone), change)];
    let mut answers = app.store.update_leads(caller, campaign_id, changes).await?;
    answers.pop().unwrap_or(Err(StoreError::NotFound("lead")))?;
    Ok(Answer::done("Lead updated successfully"))
}
