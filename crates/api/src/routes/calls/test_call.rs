use axum::extract::State;
use domain::{CampaignId, PhoneNumber};
use serde::Deserialize;
use store::{CallRecord, Caller, CampaignRecord, TestCall};
use utoipa::ToSchema;

use super::view::CallView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Post, RequestBody};
use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, IfMatchParam};
use crate::faults::Faults;
use crate::ids::PathId;
use crate::phone;
use crate::query::NoQuery;
use crate::routes::campaigns::check::{no_number, pool_of};
use crate::state::App;

/// A test call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestCallCreate {
    /// Whom to call, in E.164; one of the tenant's `test_call_numbers`.
    #[schema(example = "+14155552671")]
    phone_number: String,
}

impl RequestBody for TestCallCreate {}

/// Calls one of the tenant's `test_call_numbers` as the campaign would, without a lead.
///
/// The campaign may be DRAFT, RUNNING or PAUSED, and its calendar may be closed. The call counts in
/// no cap, but takes its slot of the voice provider's limits. Follow it by its `call_id`; one that
/// cannot be sent within seconds ends as RELEASED.
#[utoipa::path(post, path = "/api/v2/voice-campaigns/{campaign_id}/test-call", operation_id = "placeTestCall", tag = "Calls",
    params(("campaign_id" = String, Path, description = "Global id of the campaign.", example = "Vm9pY2VDYW1wYWlnbjoxMjM="), IfMatchParam),
    request_body(content = TestCallCreate),
    responses((status = 202, description = "The test call is being placed", body = Success<CallView>)))]
pub(crate) async fn place_test_call(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(campaign_id): PathId<CampaignId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    post: Post<TestCallCreate>,
) -> ApiResult<Answer> {
    let body = post.body.parse()?;
    let phone = phone::parse("phone_number", &body.phone_number)
        .map_err(|fault| ApiError::Validation(vec![fault]))?;
    let campaign = app
        .store
        .get_campaign(caller.tenant_id, campaign_id)
        .await?;
    check(&app, caller, &campaign, &phone).await?;
    let call = TestCall {
        campaign_id,
        phone,
        attempt_key: lines::attempt_key(app.entropy.as_ref(), &app.vault),
        precondition,
    };
    let render =
        |call: &CallRecord| Answer::accepted("The test call is being placed", CallView::of(call));
    post.once
        .write(&app, render, |key| {
            app.store.reserve_test_call(caller, call, key)
        })
        .await
}

/// All that is missing, at once.
async fn check(
    app: &App,
    caller: Caller,
    campaign: &CampaignRecord,
    phone: &PhoneNumber,
) -> ApiResult<()> {
    let mut faults = Faults::default();
    let tenant = app.store.get_tenant(caller.tenant_id).await?;
    if !tenant.test_call_numbers.contains(phone) {
        let message = "Add the number to `test_call_numbers` with `PATCH /api/v2/tenant` first.";
        faults.add("phone_number", code::NOT_ON_ALLOW_LIST, message);
    }
    let pool = pool_of(app, caller.tenant_id, &campaign.settings).await?;
    if let Some(fault) = no_number(&campaign.settings, pool.as_ref()) {
        faults.push(fault);
    }
    faults.check()
}
