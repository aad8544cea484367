use axum::extract::State;
use domain::{CampaignId, LeadId};
use store::{LeadKey, OptOut};

use super::body::LeadPatch;
use super::fields::read_change;
use super::view::LeadView;
use crate::answer::{Answer, Success};
use crate::auth::WriterOrAdmin;
use crate::body::Body;
use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::Query;
use crate::state::App;

/// Changes a lead. `do_not_call` holds for every campaign of the tenant from the answer on.
///
/// `"do_not_call": false` alone lifts no opt-out: it is what a system says that repeats all fields of
/// a lead. With `lift_opt_out=true` and a token with the scope `admin` it does, in every campaign.
#[utoipa::path(patch, path = "/api/v2/voice-campaigns/{campaign_id}/leads/{campaign_lead_id}", operation_id = "updateLead", tag = "Leads",
    params(
        ("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="),
        ("campaign_lead_id" = String, Path, description = "Global id of the lead.", example = "Vm9pY2VDYW1wYWlnbkxlYWQ6MTIzNA=="), IfMatchParam,
        ("lift_opt_out" = Option<bool>, Query, description = "Together with `\"do_not_call\": false`: takes the number off the do-not-call list of all campaigns. Needs the scope `admin`.")),
    request_body(content = LeadPatch, example = json!({ "do_not_call": true })),
    responses((status = 200, description = "Lead updated successfully", body = Success<LeadView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn update_lead(
    State(app): State<App>,
    WriterOrAdmin { caller, is_admin }: WriterOrAdmin,
    PathId(campaign_id): PathId<CampaignId>,
    PathId(lead_id): PathId<LeadId>,
    mut query: Query,
    IfMatch(precondition): IfMatch,
    body: Body<LeadPatch>,
) -> ApiResult<Answer> {
    let lifts = query.flag("lift_opt_out");
    query.finish()?;
    let key = LeadKey::Id(lead_id);
    if lifts && !is_admin {
        // A lead that is not there is missing to every token alike.
        let (tenant_id, key) = (caller.tenant_id, key.clone());
        app.store
            .get_lead(tenant_id, campaign_id, key, caller.now)
            .await?;
        return Err(ApiError::InsufficientScope("admin"));
    }
    let (mut fields, mut faults) = body.into_parts();
    let mut change = read_change(&mut fields, "", &mut faults);
    match change.do_not_call {
        Some(OptOut::Deny) if lifts => change.do_not_call = Some(OptOut::Lift),
        _ if lifts && !faults.has("do_not_call") => {
            let message = "`lift_opt_out` goes together with `\"do_not_call\": false`.";
            faults.add("lift_opt_out", code::CONTRADICTION, message);
        }
        _ => {}
    }
    faults.check()?;
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
