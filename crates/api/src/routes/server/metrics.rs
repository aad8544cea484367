use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// Metrics in the text form of Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "Server",
    responses((status = 200, description = "Metrics.", body = String, content_type = "text/plain"),
        (status = 404, description = "Metrics are switched off.")))]
pub(crate) async fn metrics(State(app): State<App>) -> ApiResult<impl IntoResponse> {
    let render = app.options.metrics.as_ref().ok_or(ApiError::NoSuchRoute)?;
    Ok((
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        render(),
    ))
}
