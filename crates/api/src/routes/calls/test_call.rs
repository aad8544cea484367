use axum::extract::State;
use domain::CampaignId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::auth::Writer;
use crate::body::{Post, RequestBody};
use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::ids::PathId;
use crate::phone;
use crate::query::NoQuery;
use crate::state::App;

/// A test call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestCallCreate {
    /// Whom to call, in E.164.
    #[schema(example = "+14155552671")]
    phone_number: String,
}

impl RequestBody for TestCallCreate {}

/// Not supported yet: every test call is refused with `not_supported`.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/test-call", operation_id = "placeTestCall", tag = "Calls",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM=")),
    request_body(content = TestCallCreate),
    responses((status = 422, description = "Test calls are not supported yet", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn place_test_call(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    post: Post<TestCallCreate>,
) -> ApiResult<Answer> {
    let body = post.body.parse()?;
    phone::parse("phone_number", &body.phone_number)
        .map_err(|fault| ApiError::Validation(vec![fault]))?;
    app.store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    let message = "Test calls are not supported yet; start a campaign with one lead instead.";
    Err(ApiError::fault(
        "phone_number",
        code::NOT_SUPPORTED,
        message,
    ))
}
