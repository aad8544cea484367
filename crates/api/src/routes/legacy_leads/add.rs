use axum::extract::State;
use domain::CampaignId;
use http::StatusCode;
use store::{LeadAdded, OnDuplicate};

use super::check_tenant;
use crate::answer::{Answer, Done};
use crate::auth::Writer;
use crate::body::Post;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::routes::leads::body::LegacyLeadCreate;
use crate::routes::leads::fields::read_new;
use crate::state::App;

/// Adds a lead. A number that is in the campaign already is updated: what is left out stays, `null`
/// clears.
#[utoipa::path(post, path = "/v1/api/voice-campaigns/{campaign_id}/leads", operation_id = "addLeadV1", tag = "Leads, version 1",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    request_body(content = LegacyLeadCreate, example = json!({ "tenant_id": "VGVuYW50OjEyMw==", "phone_number": "+14155552671", "first_name": "Jane" })),
    responses(
        (status = 201, description = "Lead added to the campaign successfully", body = Done),
        (status = 200, description = "The number was there: updated", body = Done)))]
pub(crate) async fn add_lead_v1(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    post: Post<LegacyLeadCreate>,
) -> ApiResult<Answer> {
    let (mut fields, mut faults) = post.body.into_parts();
    check_tenant(&fields, caller, &mut faults)?;
    let lead = read_new(&mut fields, "", &mut faults);
    let lead = faults.settle(lead)?;
    let render = |done: &LeadAdded| {
        let status = if done.created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        Answer::of(
            status,
            &Done {
                status: "success",
                message: "Lead added to the campaign successfully",
            },
        )
    };
    let add = |key| {
        app.store
            .add_lead(caller, campaign_id, lead, OnDuplicate::Update, key)
    };
    post.once.write(&app, render, add).await
}
