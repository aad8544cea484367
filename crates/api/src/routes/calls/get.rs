use axum::extract::State;
use domain::AttemptId;

use super::view::CallDetailView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// One call with everything it left behind.
#[utoipa::path(get, path = "/api/v2/calls/{call_id}", operation_id = "getCall", tag = "Calls",
    params(("call_id" = String, Path, description = "Global id of the call.", example = "Vm9pY2VDYWxsOjEyMw==")),
    responses((status = 200, description = "Call retrieved successfully", body = Success<CallDetailView>)))]
pub(crate) async fn get_call(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(attempt_id): PathId<AttemptId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let call = app.store.get_call(caller.tenant_id, attempt_id).await?;
    Ok(Answer::ok(
        "Call retrieved successfully",
        CallDetailView::of(&call),
    ))
}
