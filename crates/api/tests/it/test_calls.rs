use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::scene::{
    dial, end_report, hidden_from_strangers, hook, only_call, report, running_campaign,
};
use crate::support::Server;

const PHONE: &str = "+14155552671";

async fn allow(server: &Server, numbers: Value) {
    let changed = server
        .patch("/api/v2/tenant", &json!({ "test_call_numbers": numbers }))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(changed.body["data"]["test_call_numbers"], numbers);
}

#[tokio::test]
async fn the_numbers_for_test_calls_are_the_tenants() {
    let server = Server::start().await;
    let tenant = async || server.get("/api/v2/tenant").await.body["data"].clone();
    assert_eq!(tenant().await["test_call_numbers"], json!([]));
    allow(&server, json!([PHONE, "+14155552672"])).await;
    let unchanged = server.patch("/api/v2/tenant", &json!({})).await;
    assert_eq!(unchanged.body["data"], tenant().await);
    let patch = async |numbers: Value| {
        let body = json!({ "test_call_numbers": numbers });
        server.patch("/api/v2/tenant", &body).await.faults()
    };
    assert_eq!(
        patch(json!([PHONE, "x", PHONE])).await,
        [
            "test_call_numbers[1]: invalid_format",
            "test_call_numbers[2]: duplicate"
        ]
    );
    let many: Vec<_> = (0..21).map(|n| format!("+1415555{n:04}")).collect();
    assert_eq!(patch(json!(many)).await, ["test_call_numbers: too_many"]);
    assert_eq!(
        patch(Value::Null).await,
        ["test_call_numbers: not_nullable"]
    );
    assert_eq!(
        tenant().await["test_call_numbers"],
        json!([PHONE, "+14155552672"])
    );
    let writer = server.token_with("writer", &["write"]).await;
    let refused = server
        .request(Method::PATCH, "/api/v2/tenant")
        .token(&writer)
        .json(&json!({ "test_call_numbers": [] }));
    assert_eq!(refused.send().await.status, 403);
}

#[tokio::test]
async fn a_test_call_goes_to_a_number_of_the_list_and_is_followed() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    allow(&server, json!([PHONE])).await;
    let path = format!("{campaign}/test-call");
    let body = json!({ "phone_number": PHONE });
    let ask = async || {
        let call = server.request(Method::POST, &path);
        call.header("idempotency-key", "once")
            .json(&body)
            .send()
            .await
    };
    let placed = ask().await;
    assert_eq!(placed.status, 202, "{}", placed.body);
    let data = &placed.body["data"];
    assert_eq!(
        (&data["state"], &data["test"], &data["campaign_lead_id"]),
        (&json!("DISPATCHING"), &json!(true), &Value::Null)
    );
    let replayed = ask().await;
    assert_eq!(
        (replayed.status.as_u16(), &replayed.bytes),
        (202, &placed.bytes)
    );
    let second = server.post(&path, &body).await;
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (409, "takes_no_test_call"),
        "it is up"
    );
    let keys = dial(&server).await;
    assert_eq!(keys.len(), 1);
    let hook = hook(&server, line).await;
    server.clock.advance(Duration::from_secs(60));
    let end = end_report(Some(&keys[PHONE]), "call-1", "customer-ended-call");
    report(&server, &hook, &end).await;
    let call = only_call(&server).await;
    assert_eq!(
        (&call["call_id"], &call["outcome"], &call["test"]),
        (&data["call_id"], &json!("ANSWERED"), &json!(true))
    );
    let exported = server.get("/api/v2/calls/export.csv").await;
    let text = String::from_utf8(exported.bytes.to_vec()).unwrap();
    assert!(text.contains(",,1,+14155552671,ENDED,"), "{text}");
}

#[tokio::test]
async fn a_test_call_tells_what_it_lacks() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    let path = format!("{campaign}/test-call");
    let body = json!({ "phone_number": PHONE });
    assert_eq!(
        server.post(&path, &body).await.faults(),
        ["phone_number: not_on_allow_list"]
    );
    assert_eq!(
        server
            .post(&path, &json!({ "phone_number": "x" }))
            .await
            .faults(),
        ["phone_number: invalid_format"]
    );
    let mut numberless = crate::support::campaign_body(line);
    numberless
        .as_object_mut()
        .unwrap()
        .remove("phone_number_id");
    let draft = server.post("/api/v2/voice-campaigns", &numberless).await;
    assert_eq!(draft.status, 201, "{}", draft.body);
    let draft = draft.body["data"]["campaign_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        server
            .post(&format!("/api/v2/voice-campaigns/{draft}/test-call"), &body)
            .await
            .faults(),
        [
            "phone_number: not_on_allow_list",
            "phone_number_id: no_number"
        ]
    );
    allow(&server, json!([PHONE])).await;
    assert_eq!(
        server.command(&format!("{campaign}/stop")).await.status,
        200
    );
    let stopped = server.post(&path, &body).await;
    assert_eq!(
        (stopped.status.as_u16(), stopped.code()),
        (409, "takes_no_test_call")
    );
    let missing = "/api/v2/voice-campaigns/VoiceCampaign:1/test-call";
    hidden_from_strangers(&server, Method::POST, &path, missing, Some(&body)).await;
}
