use axum::extract::State;
use domain::CampaignId;

use super::body::LeadRemovals;
use super::fields::read_key;
use super::results::{self, BulkResults, Words};
use crate::answer::Answer;
use crate::auth::Writer;
use crate::body::Body;
use crate::bulk::read_each;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Removes 1 to 10,000 leads, each with its own result. A call that is up goes on.
#[utoipa::path(delete, path = "/api/v2/voice-campaigns/{campaign_id}/leads/remove/bulk", operation_id = "removeLeads", tag = "Leads",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    request_body(content = LeadRemovals, example = json!([{ "phone_number": "+14155552671" }, { "campaign_lead_id": "VoiceCampaignLead:42" }])),
    responses((status = 200, description = "Bulk lead removal completed", body = BulkResults)))]
pub(crate) async fn remove_leads(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    body: Body<LeadRemovals>,
) -> ApiResult<Answer> {
    let (slots, keys) = results::read(read_each(body)?, |fields, faults| {
        read_key(fields, "", faults)
    });
    let answers = app.store.remove_leads(caller, campaign_id, keys).await?;
    let words = Words {
        done: "Lead removed successfully",
        not_found: "Lead not found with the given phone number or campaign lead id",
    };
    Ok(slots.answer("Bulk lead removal completed", words, answers))
}
