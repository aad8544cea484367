use axum::extract::State;
use domain::{CampaignId, LeadId};
use store::LeadKey;

use super::body::LeadPatch;
use super::fields::read_change;
use super::view::LeadView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Body;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Changes a lead. `do_not_call` holds for every campaign of the tenant from the answer on.
#[utoipa::path(patch, path = "/api/v2/voice-campaigns/{campaign_id}/leads/{campaign_lead_id}", operation_id = "updateLead", tag = "Leads",
    params(
        ("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="),
        ("campaign_lead_id" = String, Path, description = "Global id of the lead.", example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA=="), IfMatchParam),
    request_body(content = LeadPatch, example = json!({ "do_not_call": true })),
    responses((status = 200, description = "Lead updated successfully", body = Success<LeadView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn update_lead(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    PathId(lead_id): PathId<LeadId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    body: Body<LeadPatch>,
) -> ApiResult<Answer> {
    let (mut fields, mut faults) = body.into_parts();
    let change = read_change(&mut fields, "", &mut faults);
    faults.check()?;
    let key = LeadKey::Id(lead_id);
    let lead = app
        .store
        .update_lead(caller, campaign_id, key, change, precondition)
        .await?;
    let campaign = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    let view = LeadView::of(&lead, &campaign, caller.now);
    Ok(Answer::ok("Lead updated successfully", view).with_revision(lead.revision))
}
