use axum::extract::State;
use domain::AttemptId;
use store::Conflict;

use super::view::CallView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::error::{ApiError, ApiResult};
use crate::ids::PathId;
use crate::provider_desk::{LookupFailure, ProviderDesk};
use crate::query::NoQuery;
use crate::state::App;

/// Asks the voice provider to hang a call up. The end itself is reported by the provider, so the
/// answer shows the call as it was.
#[utoipa::path(post, path = "/api/v2/calls/{call_id}/hang-up", operation_id = "hangUpCall", tag = "Calls",
    params(("call_id" = String, Path, description = "Global id of the call.", example = "Vm9pY2VDYWxsOjEyMw==")),
    responses(
        (status = 200, description = "The voice provider hangs the call up", body = Success<CallView>),
        (status = 502, description = "The voice provider refuses; its words are in `message`.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn hang_up_call(
    State(app): State<App>,
    Writer(caller): Writer,
    PathId(attempt_id): PathId<AttemptId>,
    _: NoQuery,
    post: Post<Nothing>,
) -> ApiResult<Answer> {
    post.body.parse()?;
    let call = app.store.get_call(caller.tenant_id, attempt_id).await?;
    if !call.state.is_live() {
        return Err(cannot("the call is over"));
    }
    let Some(provider_call_id) = &call.provider_call_id else {
        return Err(cannot(
            "the voice provider has not named the call yet; try again",
        ));
    };
    let line = app.store.get_line(caller.tenant_id, call.line_id).await?;
    let desk = ProviderDesk::new(&app).open(&line)?;
    let hung_up = desk
        .hang_up(provider_call_id, call.control_url.as_deref())
        .await;
    hung_up.map_err(|failure| match failure {
        LookupFailure::NotFound => cannot("the voice provider offers no way to hang this call up"),
        failure => failure.into_error(),
    })?;
    Ok(Answer::ok(
        "The voice provider hangs the call up",
        CallView::of(&call),
    ))
}

const fn cannot(why: &'static str) -> ApiError {
    ApiError::Conflict(Conflict::CallOver(why))
}
