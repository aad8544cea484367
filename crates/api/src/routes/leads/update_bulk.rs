use axum::extract::State;
use domain::CampaignId;

use super::body::LeadUpdates;
use super::fields::{read_change, read_phone};
use super::results::{self, BulkResults, Words};
use crate::answer::Answer;
use crate::auth::Writer;
use crate::body::Body;
use crate::bulk::read_each;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Changes 1 to 10,000 leads, each found by its number and each with its own result. A list whose
/// shape is wrong is refused as a whole.
#[utoipa::path(patch, path = "/api/v2/voice-campaigns/{campaign_id}/leads/update/bulk", operation_id = "updateLeads", tag = "Leads",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    request_body(content = LeadUpdates, example = json!([{ "phone_number": "+14155552671", "do_not_call": true }])),
    responses((status = 200, description = "Bulk lead update completed", body = BulkResults)))]
pub(crate) async fn update_leads(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    body: Body<LeadUpdates>,
) -> ApiResult<Answer> {
    let (slots, changes) = results::read(read_each(body)?, |fields, faults| {
        let phone = read_phone(fields, "", faults);
        let change = read_change(fields, "", faults);
        Some((store::LeadKey::Phone(phone?), change))
    });
    let answers = app.store.update_leads(caller, campaign_id, changes).await?;
    let words = Words {
        done: "Lead updated successfully",
        not_found: "Lead not found",
    };
    Ok(slots.answer("Bulk lead update completed", words, answers))
}
