//! From a callback to facts in the store.

use axum::extract::Request;
use domain::LineId;
use failpoint::Failpoint;
use http::StatusCode;
use lines::{echo_facts, strange_call};
use providers::{CallEvent, CallbackError, RawCallback};
use serde::Serialize;
use store::{Adoption, Applied, AttemptFact, StrangeCall};
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
    let keys = [Some(&address.line_key), address.attempt_key.as_ref()];
    if !keys.into_iter().flatten().all(|key| may_be_a_key(key)) {
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
    apply(app, line.line_id, events.collect()).await?;
    Ok(Answer::of(StatusCode::OK, &Received { status: "success" }))
}

/// Whether a part of an address can be a key of ours. Anybody can ask for any address, and not every
/// text can be looked for.
fn may_be_a_key(text: &str) -> bool {
    text.len() <= MAX_KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn apply(app: &App, line_id: LineId, events: Vec<CallEvent>) -> ApiResult<()> {
    let told = events.iter().cloned();
    let facts: Vec<AttemptFact> = told.flat_map(|event| echo_facts(line_id, event)).collect();
    if facts.is_empty() {
        return Ok(());
    }
    let applied = app.store.apply_facts(app.now(), facts).await?;
    failpoint::reach(Failpoint::CallbackApplied);
    if !applied.contains(&Applied::Unmatched) {
        return Ok(());
    }
    let strange = events.into_iter();
    let strange: Vec<StrangeCall> = strange
        .filter_map(|event| strange_call(line_id, event, &app.vault))
        .collect();
    if strange.is_empty() {
        // A stray call of the account, or one of another server.
        tracing::info!(
            line.id = line_id.raw(),
            "a callback is about no call of ours"
        );
        return Ok(());
    }
    // It carries a key of this installation: if it is not on record, the database went back.
    let adoptions = app.store.adopt_calls(app.now(), strange).await?;
    for adoption in adoptions {
        let became = match adoption {
            Adoption::Known => "known",
            Adoption::Adopted(_) => "adopted",
            Adoption::Unmatched => "unmatched",
        };
        metrics::counter!("campanile_strange_calls_total", "became" => became).increment(1);
    }
    Ok(())
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
