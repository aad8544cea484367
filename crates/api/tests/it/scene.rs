//! Campaigns that dial, and a vendor that reports.

use std::collections::HashMap;
use std::sync::Arc;

use domain::LineId;
use domain::ambient::{Clock, random_key};
use serde_json::{Value, json};
use store::{Store, Tick};

use crate::support::{Reply, Server, global};

/// The callback secret of [`Server::line`].
pub(crate) const SECRET: &str = "hook-secret";

/// A line and a campaign on it that runs; the campaign's path.
pub(crate) async fn running_campaign(server: &Server) -> (LineId, String) {
    let line = server.line().await;
    let id = server.campaign(line).await;
    let path = format!("/api/v2/voice-campaigns/{id}");
    let started = server.command(&format!("{path}/start")).await;
    assert_eq!(started.status, 200, "{}", started.body);
    (line, path)
}

/// Adds a lead; its path.
pub(crate) async fn lead(server: &Server, campaign: &str, phone: &str) -> String {
    let reply = server
        .post(
            &format!("{campaign}/leads"),
            &json!({ "phone_number": phone }),
        )
        .await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    format!(
        "{campaign}/leads/{}",
        reply.body["data"]["campaign_lead_id"].as_str().unwrap()
    )
}

/// Reserves what may be dialed now; attempt keys by number.
pub(crate) async fn dial(server: &Server) -> HashMap<String, String> {
    let entropy = Arc::clone(&server.entropy);
    let tick = Tick {
        now: server.clock.now(),
        keys: Box::new(move || random_key(entropy.as_ref(), "")),
        max_lines: 10,
        max_calls: 100,
    };
    let ticked = server.store.tick(tick).await.unwrap();
    let keys = ticked.dispatches.into_iter();
    keys.map(|dispatch| (dispatch.phone.as_str().to_owned(), dispatch.attempt_key))
        .collect()
}

/// Path of the callbacks of a line.
pub(crate) async fn hook(server: &Server, line: LineId) -> String {
    let record = server.store.get_line(server.tenant_id, line).await.unwrap();
    format!("/hooks/vapi/{}", record.line_key)
}

/// Reports to `path` as the vendor does.
pub(crate) async fn report(server: &Server, path: &str, message: &Value) -> Reply {
    let call = server
        .request(http::Method::POST, path)
        .no_token()
        .header("x-vapi-secret", SECRET);
    call.json(&json!({ "message": message })).send().await
}

/// A status update of the vendor.
pub(crate) fn status_update(key: Option<&str>, id: &str, status: &str) -> Value {
    let monitor = json!({ "controlUrl": format!("https://api.vapi.ai/{id}/control") });
    json!({ "type": "status-update", "status": status, "call": { "id": id, "name": key, "monitor": monitor } })
}

/// The last report of the vendor, about a call that began at [`crate::support::NOW`].
pub(crate) fn end_report(key: Option<&str>, id: &str, reason: &str) -> Value {
    json!({
        "type": "end-of-call-report", "endedReason": reason, "cost": 0.25,
        "startedAt": "2026-01-05T15:00:10Z", "endedAt": "2026-01-05T15:00:40Z",
        "artifact": { "transcript": "AI: hello", "recordingUrl": "https://example.com/r.wav" },
        "analysis": { "summary": "=1+1", "structuredData": { "interested": true } },
        "call": { "id": id, "name": key },
    })
}

/// The only call there is.
pub(crate) async fn only_call(server: &Server) -> Value {
    let calls = server.get("/api/v2/calls").await;
    let calls = calls.body["data"].as_array().unwrap().clone();
    assert_eq!(calls.len(), 1);
    calls[0].clone()
}

/// A whole body without the id of its request, to compare answers byte for byte.
pub(crate) fn without_request_id(reply: &Reply) -> String {
    let text = String::from_utf8(reply.bytes.to_vec()).unwrap();
    text.replace(reply.body["request_id"].as_str().unwrap(), "")
}

/// That to this tenant's token and to a stranger's the same is missing in the same words.
pub(crate) async fn hidden_from_strangers(
    server: &Server,
    method: http::Method,
    path: &str,
    missing: &str,
    body: Option<&Value>,
) {
    let stranger = server.stranger().await;
    let ask = async |path: &str| {
        let call = server.request(method.clone(), path).token(&stranger);
        let call = match body {
            Some(body) => call.json(body),
            None => call,
        };
        call.send().await
    };
    let (foreign, missing) = (ask(path).await, ask(missing).await);
    assert_eq!(foreign.status, 404, "{path}: {}", foreign.body);
    assert_eq!(
        without_request_id(&foreign),
        without_request_id(&missing),
        "{path}"
    );
}

/// The global id of a line.
pub(crate) fn line_id(line: LineId) -> String {
    global("TenantVoiceProvider", line.raw())
}
