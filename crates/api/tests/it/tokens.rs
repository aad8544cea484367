use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::support::{Server, global};

#[tokio::test]
async fn the_secret_is_shown_once_and_authenticates() {
    let server = Server::start().await;
    let made = server
        .post(
            "/api/v2/tokens",
            &json!({ "name": "CRM", "scopes": ["read"] }),
        )
        .await;
    assert_eq!(made.status, 201);
    let secret = made.body["data"]["token_secret"].as_str().unwrap();
    assert!(api::token::is_well_formed(secret));
    assert_eq!(made.body["data"]["scopes"], json!(["read"]));

    let listed = server
        .request(Method::GET, "/api/v2/tokens")
        .token(secret)
        .send()
        .await;
    assert_eq!(listed.status, 200);
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 2);
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(secret));

    let id = made.body["data"]["token_id"].as_str().unwrap();
    let one = server.get(&format!("/api/v2/tokens/{id}")).await;
    assert_eq!(one.body["data"]["masked"], json!(api::token::mask(secret)));
    assert_eq!(one.body["data"].get("token_secret"), None);
}

#[tokio::test]
async fn a_disabled_deleted_or_expired_token_is_refused_at_once_and_alike() {
    let server = Server::start().await;
    let body = json!({ "name": "short", "scopes": ["read"], "expires_at": "2026-01-05T16:00:00Z" });
    let made = server.post("/api/v2/tokens", &body).await;
    let secret = made.body["data"]["token_secret"].as_str().unwrap();
    let path = format!(
        "/api/v2/tokens/{}",
        made.body["data"]["token_id"].as_str().unwrap()
    );
    let look = async || {
        server
            .request(Method::GET, "/api/v2/tokens")
            .token(secret)
            .header("x-request-id", "r")
            .send()
            .await
    };
    assert_eq!(look().await.status, 200);

    assert_eq!(
        server.patch(&path, &json!({ "enabled": false })).await.body["data"]["enabled"],
        false
    );
    let disabled = look().await;
    assert_eq!(disabled.status, 401);
    assert_eq!(disabled.header("www-authenticate"), "Bearer");

    assert_eq!(
        server
            .patch(&path, &json!({ "enabled": true }))
            .await
            .status,
        200
    );
    assert_eq!(look().await.status, 200);
    server.clock.advance(Duration::from_secs(3600));
    let expired = look().await;
    assert_eq!(expired.status, 401);

    assert_eq!(server.delete(&path).await.status, 200);
    assert_eq!(server.get(&path).await.status, 404);
    let deleted = look().await;
    let other = server
        .request(Method::GET, "/api/v2/tokens")
        .token("cmp_x")
        .header("x-request-id", "r")
        .send()
        .await;
    for reply in [&expired, &deleted, &other] {
        assert_eq!(reply.bytes, disabled.bytes);
    }
}

#[tokio::test]
async fn every_fault_of_a_body_is_told() {
    let server = Server::start().await;
    let body =
        json!({ "nmae": "x", "scopes": ["read", "fly"], "expires_at": "2020-01-01T00:00:00Z" });
    let reply = server.post("/api/v2/tokens", &body).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (422, "validation_failed")
    );
    assert_eq!(
        reply.faults(),
        [
            "expires_at: in_the_past",
            "name: required",
            "nmae: unknown_field",
            "scopes[1]: invalid_choice"
        ]
    );
}

#[tokio::test]
async fn changing_tokens_needs_admin_and_admin_may_do_everything() {
    let server = Server::start().await;
    let writer = server.token_with("writer", &["read", "write"]).await;
    let admin = server.token_with("admin", &["admin"]).await;
    let body = json!({ "name": "x", "scopes": ["read"] });
    let refused = server
        .request(Method::POST, "/api/v2/tokens")
        .token(&writer)
        .json(&body)
        .send()
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "insufficient_scope")
    );
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("`admin`")
    );
    let made = server
        .request(Method::POST, "/api/v2/tokens")
        .token(&admin)
        .json(&body)
        .send()
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(
        server
            .request(Method::GET, "/api/v2/tokens")
            .token(&admin)
            .send()
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn another_tenants_token_looks_exactly_like_a_missing_one() {
    let server = Server::start().await;
    let stranger = server.stranger().await;
    let mine = server.get("/api/v2/tokens").await.body["data"][0]["token_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let look = async |id: &str| {
        let path = format!("/api/v2/tokens/{id}");
        server
            .request(Method::GET, &path)
            .token(&stranger)
            .header("x-request-id", "same")
            .send()
            .await
    };
    let foreign = look(&mine).await;
    let missing = look(&global("ApiToken", 4_711)).await;
    let garbage = look("nonsense").await;
    assert_eq!(foreign.status, 404);
    assert_eq!(foreign.bytes, missing.bytes);
    assert_eq!(foreign.bytes, garbage.bytes);
}
