//! What surrounds every request: its id, its span, its time limit, panics, the error envelope,
//! and the headers that all answers carry.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ambient::random_key;
use futures_util::FutureExt;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method};
use tracing::Instrument;

use crate::error::{ApiError, Problem};
use crate::state::App;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 100;

/// Wraps the whole router.
pub(crate) async fn surround(State(app): State<App>, request: Request, next: Next) -> Response {
    let request_id = request_id(&app, request.headers());
    let method = request.method().clone();
    let route = route(&request);
    // Never the path itself: callback addresses hold a secret.
    let span = tracing::info_span!(
        "request",
        request.id = %request_id,
        http.method = %method,
        http.route = route,
        token.id = tracing::field::Empty,
    );
    let began_at = app.now();
    let response = run(&app, request, next).instrument(span.clone()).await;
    let response = complete(response, &request_id, &span);
    let seconds = app.now().duration_since(began_at).as_secs_f64();
    span.in_scope(|| record(&method, &route, response.status().as_u16(), seconds));
    response
}

async fn run(app: &App, request: Request, next: Next) -> Response {
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(app.options.request_timeout, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let reason = panic.downcast_ref::<&str>().map(ToString::to_string);
            let reason = reason.or_else(|| panic.downcast_ref::<String>().cloned());
            ApiError::Internal(format!("panic: {}", reason.unwrap_or_default())).into_response()
        }
        Err(_) => ApiError::RequestTimeout.into_response(),
    }
}

/// Writes the error envelope, if the answer is a failure, and the common headers.
fn complete(mut response: Response, request_id: &str, span: &tracing::Span) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.body(request_id));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(reason) = &problem.reason {
            span.in_scope(|| tracing::error!(error.code = problem.code, reason, "request failed"));
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    response
}

fn record(method: &Method, route: &str, status: u16, seconds: f64) {
    tracing::info!(
        http.status = status,
        duration_seconds = seconds,
        "request answered"
    );
    let labels = [
        ("method", method_label(method).to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    metrics::counter!("campanile_http_requests_total", &labels).increment(1);
    metrics::histogram!("campanile_http_request_seconds", &labels[..2]).record(seconds);
}

/// Methods are free text; a label must be one of few.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn route(request: &Request) -> String {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned())
}

fn request_id(app: &App, headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    match given.filter(|id| is_sane(id)) {
        Some(id) => id.to_owned(),
        None => random_key(app.entropy.as_ref(), "req_"),
    }
}

fn is_sane(id: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.bytes().all(sane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_request_ids_are_taken_over() {
        assert!(is_sane("a") && is_sane("01HZ-x_y.z") && is_sane(&"x".repeat(100)));
        assert!(!is_sane("") && !is_sane("a b") && !is_sane("a\nb") && !is_sane(&"x".repeat(101)));
    }
}
