use axum::extract::State;
use axum::response::{Html, IntoResponse};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::state::App;

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "Server",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)))]
pub(crate) async fn openapi(State(app): State<App>) -> impl IntoResponse {
    (
        [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-cache"),
        ],
        app.openapi.clone(),
    )
}

/// The reference page.
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "Server",
    responses((status = 200, description = "This document for people.", body = String, content_type = "text/html")))]
pub(crate) async fn docs(State(app): State<App>) -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, app.reference.policy.clone()),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, Html(app.reference.html.clone()))
}
