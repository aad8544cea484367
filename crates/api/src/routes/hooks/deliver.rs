//! From a callback to facts in the store.

use axum::extract::Request;
use failpoint::Failpoint;
use http::StatusCode;
use lines::echo_facts;
use providers::{CallEvent, CallbackError, RawCallback};
use serde::Serialize;
use store::{Applied, AttemptFact};
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::body::read_bytes;
use crate::error::{ApiError, ApiResult};
use crate::state::App;

/// Most bytes of a callback; reports with long transcripts have a few hundred KiB.
const CALLBACK_LIMIT: usize = 5 * 1024 * 1024;
/// Longest key that is looked up.
const MAX_KEY_BYTES: usize = 100;

/// That a callback is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Received {
    /// Always `success`: what the callback says is durable, or of no interest.
    #[schema(example = "success")]
    status: &'static str,
}

/// Where a callback was sent.
pub(super) struct Address {
    pub(super) provider: String,
    pub(super) line_key: String,
    pub(super) attempt_key: Option<String>,
}

/// Verifies a callback and applies what it says. Answered only when that is durable: a failure
/// makes the vendor send it again.
pub(super) async fn deliver(app: &App, address: Address, request: Request) -> ApiResult<Answer> {
    const NO_SUCH: ApiError = ApiError::NotFound("callback address");
    if address.line_key.len() > MAX_KEY_BYTES {
        return Err(NO_SUCH);
    }
    let line = app
        .store
        .line_by_key(&address.line_key)
        .await?
        .ok_or(NO_SUCH)?;
    let open = app
        .hook_lines
        .open(app, &line)
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    if open.kind.hook_segment() != address.provider {
        return Err(NO_SUCH);
    }
    let (parts, body) = request.into_parts();
    let body = read_bytes(body, CALLBACK_LIMIT).await?;
    let adapter = open.adapter();
    let raw = RawCallback {
        headers: &parts.headers,
        body: &body,
    };
    let verified = adapter
        .verify_callback(raw, &open.webhook_secret)
        .map_err(refused)?;
    failpoint::reach(Failpoint::CallbackVerified);
    let events = adapter.read_callback(&verified).map_err(refused)?;
    let events = events
        .into_iter()
        .filter_map(|event| attributed(event, address.attempt_key.as_deref()));
    let facts: Vec<AttemptFact> = events
        .flat_map(|event| echo_facts(line.line_id, event))
        .collect();
    if !facts.is_empty() {
        let applied = app.store.apply_facts(app.now(), facts).await?;
        failpoint::reach(Failpoint::CallbackApplied);
        let unmatched = applied
            .iter()
            .filter(|applied| **applied == Applied::Unmatched)
            .count();
        if unmatched > 0 {
            // A stray call of the account, or one of another server.
            tracing::info!(
                line.id = line.line_id.raw(),
                unmatched,
                "a callback is about no call of ours"
            );
        }
    }
    Ok(Answer::of(StatusCode::OK, &Received { status: "success" }))
}

fn refused(error: CallbackError) -> ApiError {
    match error {
        CallbackError::Unauthentic => ApiError::CallbackUnauthentic,
        CallbackError::Malformed => ApiError::MalformedJson(
            "The callback's body is not in the vendor's documented form.".to_owned(),
        ),
    }
}

/// The event with the key of its address where it echoes none; nothing when the two contradict
/// each other, because then one of them is about another call.
fn attributed(mut event: CallEvent, attempt_key: Option<&str>) -> Option<CallEvent> {
    let Some(attempt_key) = attempt_key else {
        return Some(event);
    };
    match &event.attempt_key {
        Some(echoed) if echoed != attempt_key => {
            tracing::warn!("a callback names another call than its address: ignored");
            return None;
        }
        Some(_) => {}
        None => event.attempt_key = Some(attempt_key.to_owned()),
    }
    Some(event)
}
