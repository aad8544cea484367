use axum::extract::State;
use domain::CampaignId;
use store::ImportRecord;

use super::add::{OnDuplicateParam, on_duplicate};
use super::body::LeadCreates;
use super::fields::read_new;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::Post;
use crate::bulk::read_all;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::Query;
use crate::routes::imports::view::ImportView;
use crate::state::App;

/// Queues 1 to 10,000 leads to be added. One faulty lead refuses the whole list; the progress is
/// read with `GET /api/v2/imports/{import_id}`.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/leads/bulk", operation_id = "addLeads", tag = "Leads",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), OnDuplicateParam),
    request_body(content = LeadCreates, example = json!([{ "phone_number": "+14155552671", "first_name": "Jane" }])),
    responses((status = 202, description = "Leads are queued to be added to the campaign", body = Success<ImportView>)))]
pub(crate) async fn add_leads(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    mut query: Query,
    post: Post<LeadCreates>,
) -> ApiResult<Answer> {
    let on_duplicate = on_duplicate(&mut query);
    query.finish()?;
    let leads = read_all(post.body, read_new)?;
    let render = |import: &ImportRecord| {
        Answer::accepted(
            "Leads are queued to be added to the campaign",
            ImportView::of(import),
        )
    };
    let queue = |key| {
        app.store
            .queue_leads(caller, campaign_id, leads, on_duplicate, key)
    };
    post.once.write(&app, render, queue).await
}
