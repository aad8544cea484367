use axum::extract::State;
use domain::AttemptId;

use super::view::CallView;
use crate::answer::{Answer, Success};
use crate::auth::Writer;
use crate::body::{Nothing, Post};
use crate::error::ApiResult;
use crate::hang_up;
use crate::ids::PathId;
use crate::provider_desk::ProviderDesk;
use crate::query::NoQuery;
use crate::state::App;

/// Asks the voice provider to hang a call up. The end itself is reported by the provider, so the
/// answer shows the call as it was. A call that is over is a conflict, also when only the voice
/// provider knew of its end until now.
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
    let line = app.store.get_line(caller.tenant_id, call.line_id).await?;
    let desk = ProviderDesk::new(&app).open(&line)?;
    let hung_up = hang_up::hang_up(&app, &desk, &call).await?;
    hung_up.into_result()?;
    let answer = Answer::ok("The voice provider hangs the call up", CallView::of(&call));
    post.once.keep(&app, caller, &answer).await?;
    Ok(answer)
}
