//! Where a call's callbacks go and which are wanted: the `server` and `serverMessages` settings
//! that calls, assistants and numbers have in common.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::validate::{Object, object, refuse_unknown, text};
use crate::world::{BackoffPlan, CallbackTarget, Wants};

const SERVER_KEYS: [&str; 8] = [
    "url",
    "headers",
    "timeoutSeconds",
    "credentialId",
    "backoffPlan",
    "secret",
    "staticIpAddressesEnabled",
    "encryptedPaths",
];
const SERVER_MESSAGES: [&str; 28] = [
    "assistant.started",
    "assistant.speechStarted",
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "hang",
    "language-changed",
    "language-change-detected",
    "model-output",
    "phone-call-control",
    "speech-update",
    "status-update",
    "transcript",
    "transcript[transcriptType=\"final\"]",
    "tool-calls",
    "transfer-destination-request",
    "handoff-destination-request",
    "transfer-update",
    "user-interrupted",
    "voice-input",
    "chat.created",
    "chat.deleted",
    "session.created",
    "session.updated",
    "session.deleted",
    "call.deleted",
    "call.delete.failed",
    "call.artifact.upload",
];

/// Where callbacks go, by the first of these settings that names an address.
pub(crate) fn callback_target(settings: &[&Object]) -> Option<CallbackTarget> {
    settings
        .iter()
        .find_map(|settings| read_server(object(settings, "server")?).ok())
}

/// Which messages are wanted, by the first of these settings that says so; status updates and the
/// report else.
pub(crate) fn wants(settings: &[&Object]) -> Wants {
    let listed = settings
        .iter()
        .find_map(|settings| settings.get("serverMessages")?.as_array());
    let has = |name: &str, default| {
        listed.map_or(default, |listed| {
            listed.iter().any(|message| message == name)
        })
    };
    Wants {
        status_update: has("status-update", true),
        end_of_call_report: has("end-of-call-report", true),
        hang: has("hang", false),
    }
}

/// Checks `server` and `serverMessages`; `prefix` stands before the names of what is wrong.
pub(super) fn check_settings(settings: &Object, prefix: &str, problems: &mut Vec<String>) {
    if let Some(messages) = settings.get("serverMessages") {
        let is_known = |message: &Value| {
            message
                .as_str()
                .is_some_and(|own| SERVER_MESSAGES.contains(&own))
        };
        if !messages
            .as_array()
            .is_some_and(|messages| messages.iter().all(is_known))
        {
            problems.push(format!(
                "each value in {prefix}serverMessages must be one of the following values: {}",
                SERVER_MESSAGES.join(", ")
            ));
        }
    }
    match settings.get("server") {
        None | Some(Value::Null) => {}
        Some(Value::Object(server)) => {
            let found = read_server(server).err().unwrap_or_default();
            problems.extend(
                found
                    .into_iter()
                    .map(|problem| format!("{prefix}{problem}")),
            );
        }
        Some(_) => problems.push(format!("{prefix}server must be an object")),
    }
}

/// Reads a `server` object, or says what is wrong with it.
pub(super) fn read_server(server: &Object) -> Result<CallbackTarget, Vec<String>> {
    let mut problems = Vec::new();
    refuse_unknown(server, "server.", &[&SERVER_KEYS], &mut problems);
    let address = text(server, "url").unwrap_or("");
    let is_address = url::Url::parse(address)
        .is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.host().is_some());
    if !is_address {
        problems.push("server.url must be a URL address".to_owned());
    }
    let timeout_seconds = server
        .get("timeoutSeconds")
        .map_or(Some(20.0), Value::as_f64);
    let timeout_seconds = timeout_seconds.filter(|seconds| (1.0..=300.0).contains(seconds));
    if timeout_seconds.is_none() {
        problems.push("server.timeoutSeconds must be a number from 1 to 300".to_owned());
    }
    let headers = read_headers(server, &mut problems);
    let backoff = object(server, "backoffPlan").map(|plan| read_backoff(plan, &mut problems));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(CallbackTarget {
        url: address.to_owned(),
        headers,
        timeout: Duration::from_secs_f64(timeout_seconds.unwrap_or(20.0)),
        backoff,
    })
}

fn read_headers(server: &Object, problems: &mut Vec<String>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &Value| {
        let text = value
            .as_str()
            .filter(|text| HeaderValue::from_str(text).is_ok());
        match (HeaderName::try_from(name), text) {
            (Ok(name), Some(text)) => headers.push((name.as_str().to_owned(), text.to_owned())),
            _ => problems.push(format!("server.headers.{name} must be a valid header")),
        }
    };
    for (name, value) in object(server, "headers").into_iter().flatten() {
        add(name, value);
    }
    if let Some(secret) = server.get("secret").filter(|secret| !secret.is_null()) {
        add("x-vapi-secret", secret);
    }
    headers
}

fn read_backoff(plan: &Object, problems: &mut Vec<String>) -> BackoffPlan {
    let kind = plan.get("type").map_or(Some("fixed"), Value::as_str);
    if !matches!(kind, Some("fixed" | "exponential")) {
        problems.push("server.backoffPlan.type must be fixed or exponential".to_owned());
    }
    let mut number = |key: &str| {
        let value = plan.get(key).map_or(Some(0.0), Value::as_f64);
        value
            .filter(|value| (0.0..=10.0).contains(value))
            .unwrap_or_else(|| {
                problems.push(format!(
                    "server.backoffPlan.{key} must be a number from 0 to 10"
                ));
                0.0
            })
    };
    let retries = number("maxRetries");
    let base_delay_seconds = number("baseDelaySeconds");
    let excluded = plan.get("excludedStatusCodes").and_then(Value::as_array);
    let codes = excluded.into_iter().flatten().filter_map(Value::as_u64);
    BackoffPlan {
        is_exponential: kind == Some("exponential"),
        max_retries: (0..=10)
            .rev()
            .find(|&whole| f64::from(whole) <= retries)
            .unwrap_or(0),
        base_delay_seconds,
        excluded_status_codes: codes.filter_map(|code| u16::try_from(code).ok()).collect(),
    }
}
