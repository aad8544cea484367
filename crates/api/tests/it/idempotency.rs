use http::Method;
use serde_json::json;

use crate::support::{Call, Reply, Server, campaign_body};

fn create<'a>(server: &'a Server, key: &str, body: &serde_json::Value) -> Call<'a> {
    server
        .request(Method::POST, "/api/v2/voice-campaigns")
        .header("idempotency-key", key)
        .json(body)
}

async fn count(server: &Server) -> usize {
    server.get("/api/v2/voice-campaigns").await.body["data"]
        .as_array()
        .unwrap()
        .len()
}

fn replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

#[tokio::test]
async fn a_repeated_request_has_one_effect_and_the_same_bytes() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    let first = create(&server, "k1", &body).send().await;
    let asked = server.vendor.requests();
    let again = create(&server, "k1", &body).send().await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.bytes, again.bytes);
    assert!(!replayed(&first) && replayed(&again));
    assert_eq!(count(&server).await, 1);
    assert_eq!(server.vendor.requests(), asked, "a replay asks nobody");
}

#[tokio::test]
async fn requests_at_the_same_time_have_one_effect() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    let all =
        futures_util::future::join_all((0..20).map(|_| create(&server, "k", &body).send())).await;
    assert_eq!(count(&server).await, 1);
    assert!(
        all.iter()
            .all(|reply| reply.status == 201 && reply.bytes == all[0].bytes)
    );
    assert_eq!(all.iter().filter(|reply| !replayed(reply)).count(), 1);
}

#[tokio::test]
async fn spelling_does_not_matter_but_meaning_does() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    assert_eq!(create(&server, "k", &body).send().await.status, 201);
    let reordered: serde_json::Map<_, _> = body
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .rev()
        .collect();
    assert!(replayed(
        &create(&server, "k", &reordered.into()).send().await
    ));
    let mut other = body.clone();
    other["name"] = json!("Other");
    let mismatch = create(&server, "k", &other).send().await;
    assert_eq!(
        (mismatch.status.as_u16(), mismatch.code()),
        (422, "idempotency_mismatch")
    );
}

#[tokio::test]
async fn the_key_belongs_to_tenant_and_path() {
    let server = Server::start().await;
    let body = json!({ "name": "x", "scopes": ["read"] });
    let post = |path: &'static str| {
        server
            .request(Method::POST, path)
            .header("idempotency-key", "k")
    };
    assert_eq!(post("/api/v2/tokens").json(&body).send().await.status, 201);
    let stranger = server.stranger().await;
    let other = post("/api/v2/tokens")
        .token(&stranger)
        .json(&body)
        .send()
        .await;
    assert!(other.status == 201 && !replayed(&other));
    let campaign = server.campaign(server.line().await).await;
    let path: &'static str = format!("/api/v2/voice-campaigns/{campaign}/duplicate").leak();
    assert!(!replayed(&post(path).send().await));
}

#[tokio::test]
async fn a_new_tokens_secret_is_replayed_but_nowhere_readable_in_the_database() {
    let server = Server::start().await;
    let body = json!({ "name": "x", "scopes": ["read"] });
    let make = async || {
        server
            .request(Method::POST, "/api/v2/tokens")
            .header("idempotency-key", "k")
            .json(&body)
            .send()
            .await
    };
    let (first, again) = (make().await, make().await);
    assert_eq!(first.bytes, again.bytes);
    let secret = first.body["data"]["token_secret"]
        .as_str()
        .unwrap()
        .as_bytes();
    for file in std::fs::read_dir(server.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn failures_are_not_kept() {
    let server = Server::start().await;
    let mut body = campaign_body(server.line().await);
    body["name"] = json!("");
    assert_eq!(create(&server, "k", &body).send().await.status, 422);
    body["name"] = json!("Mended");
    assert_eq!(create(&server, "k", &body).send().await.status, 201);
}

#[tokio::test]
async fn a_key_that_is_no_key_is_refused() {
    let server = Server::start().await;
    let body = json!({ "name": "x", "scopes": ["read"] });
    let long = "x".repeat(256);
    for key in ["", &long, "tab\there"] {
        let reply = server
            .request(Method::POST, "/api/v2/tokens")
            .header("idempotency-key", key)
            .json(&body)
            .send()
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (400, "invalid_idempotency_key")
        );
    }
}
