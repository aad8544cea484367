use std::sync::Arc;

use axum::extract::State;
use domain::CampaignId;
use http::StatusCode;
use store::{LeadAdded, OnDuplicate};

use super::body::LeadCreate;
use super::fields::read_new;
use super::view::LeadView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Post;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::Query;
use crate::state::App;

/// What becomes of a lead whose number is in the campaign already.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "read by `on_duplicate`; this is its documentation"
)]
pub(super) struct OnDuplicateParam {
    /// `update` (when left out) changes it, `skip` leaves it.
    #[param(example = "update")]
    on_duplicate: Option<String>,
}

/// Reads `on_duplicate`.
pub(super) fn on_duplicate(query: &mut Query) -> OnDuplicate {
    let word = query.choice("on_duplicate", parse, &["update", "skip"]);
    if word == Some("skip") {
        OnDuplicate::Skip
    } else {
        OnDuplicate::Update
    }
}

fn parse(text: &str) -> Option<&'static str> {
    ["update", "skip"].into_iter().find(|word| *word == text)
}

/// Adds a lead. A number that is in the campaign already is updated, or skipped on request.
///
/// An update changes the lead as `updateLead` would: what is left out stays, `null` clears,
/// `custom_fields` are merged by key. An opt-out stays.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/leads", operation_id = "addLead", tag = "Leads",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), OnDuplicateParam),
    request_body(content = LeadCreate, example = json!({ "phone_number": "+14155552671", "first_name": "Jane", "custom_fields": { "company": "Acme Corp" } })),
    responses(
        (status = 201, description = "Lead added to the campaign successfully", body = Success<LeadView>,
            headers(("ETag" = String, description = "The revision."))),
        (status = 200, description = "The number was there: updated or skipped", body = Success<LeadView>,
            headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn add_lead(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
    post: Post<LeadCreate>,
) -> ApiResult<Answer> {
    let on_duplicate = on_duplicate(&mut query);
    query.finish()?;
    let (mut fields, mut faults) = post.body.into_parts();
    let lead = read_new(&mut fields, "", &mut faults);
    let lead = faults.settle(lead)?;
    let campaign = Arc::new(
        app.store
            .get_campaign(caller.tenant_id, campaign_id)
            .await?,
    );
    let render = move |done: &LeadAdded| {
        let (status, message) = match (done.created, on_duplicate) {
            (true, _) => (
                StatusCode::CREATED,
                "Lead added to the campaign successfully",
            ),
            (false, OnDuplicate::Update) => (StatusCode::OK, "Lead updated successfully"),
            (false, OnDuplicate::Skip) => (StatusCode::OK, "Lead is in the campaign already"),
        };
        let view = LeadView::of(&done.lead, &campaign, caller.now);
        Answer::with_status(status, message, view).with_revision(done.lead.revision)
    };
    let add = |key| {
        app.store
            .add_lead(caller, campaign_id, lead, on_duplicate, key)
    };
    post.once.write(&app, render, add).await
}
