use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};

use super::deliver::{Address, Received, deliver};
use crate::answer::Answer;
use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// Takes a vendor's report about one call. The body is the vendor's, and so is the proof that it
/// comes from there.
#[utoipa::path(post, path = "/hooks/{provider}/{line_key}/{attempt_key}", operation_id = "receiveAttemptCallback", tag = "Callbacks",
    params(
        ("provider" = String, Path, description = "The vendor.", example = "vapi"),
        ("line_key" = String, Path, description = "Key of the voice provider, from its `callback_url`."),
        ("attempt_key" = String, Path, description = "Key of the call, given to the vendor with it.")),
    request_body(content = Object, description = "The vendor's own format; at most 5 MiB."),
    responses(
        (status = 200, description = "What it says is kept", body = Received),
        (status = 401, description = "The vendor's proof is missing or wrong.", body = crate::error::ErrorEnvelope)))]
pub(crate) async fn receive_attempt_callback(
    State(app): State<App>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    request: Request,
) -> ApiResult<Answer> {
    let Path((provider, line_key, attempt_key)) =
        path.map_err(|_| ApiError::NotFound("callback address"))?;
    deliver(
        &app,
        Address {
            provider,
            line_key,
            attempt_key: Some(attempt_key),
        },
        request,
    )
    .await
}
