use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::support::{Call, Mood, Reply, Server, campaign_body, global};

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
    let all = join_all((0..200).map(|_| create(&server, "k", &body).send())).await;
    assert_eq!(count(&server).await, 1);
    let first: Vec<_> = all
        .iter()
        .filter(|reply| reply.status == 201 && !replayed(reply))
        .collect();
    assert_eq!(first.len(), 1);
    for reply in &all {
        match reply.status.as_u16() {
            201 => assert_eq!(reply.bytes, first[0].bytes),
            409 => assert_eq!(reply.code(), "idempotency_running"),
            _ => panic!("{}", reply.body),
        }
    }
    // Once it is answered, every repetition is, however many come at once.
    let again = join_all((0..50).map(|_| create(&server, "k", &body).send())).await;
    assert!(
        again
            .iter()
            .all(|reply| replayed(reply) && reply.bytes == first[0].bytes)
    );
}

#[tokio::test]
async fn a_key_whose_request_is_running_is_refused() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    let asked = server.vendor.requests();
    server.vendor.set_answering(false);
    let first = async { create(&server, "k", &body).send().await };
    let meanwhile = async {
        server.vendor.requested(asked + 1).await;
        let again = create(&server, "k", &body).send().await;
        assert_eq!(
            (again.status.as_u16(), again.code()),
            (409, "idempotency_running")
        );
        assert_eq!(again.header("retry-after"), "1");
        let mut other = body.clone();
        other["name"] = json!("Other");
        let mismatch = create(&server, "k", &other).send().await;
        assert_eq!(
            (mismatch.status.as_u16(), mismatch.code()),
            (422, "idempotency_mismatch")
        );
        let stranger = server.stranger().await;
        let path = "/api/v2/tokens";
        let theirs = server
            .request(Method::POST, path)
            .token(&stranger)
            .header("idempotency-key", "k")
            .json(&json!({ "name": "x", "scopes": ["read"] }))
            .send()
            .await;
        assert_eq!(theirs.status, 201, "{}", theirs.body);
        server.vendor.set_answering(true);
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    assert_eq!((first.status.as_u16(), replayed(&first)), (201, false));
    let again = create(&server, "k", &body).send().await;
    assert!(replayed(&again) && again.bytes == first.bytes);
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn a_request_that_breaks_off_leaves_no_stuck_key() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    let asked = server.vendor.requests();
    server.vendor.set_answering(false);
    // The caller goes away while the vendor is asked.
    tokio::select! {
        _ = create(&server, "k", &body).send() => panic!("nobody answers"),
        () = server.vendor.requested(asked + 1) => {}
    }
    server.vendor.set_answering(true);
    let again = create(&server, "k", &body).send().await;
    assert_eq!((again.status.as_u16(), replayed(&again)), (201, false));

    // A failure frees its key as well.
    server.vendor.set(Mood::Down);
    assert_eq!(create(&server, "f", &body).send().await.status, 503);
    server.vendor.set(Mood::Well);
    assert_eq!(create(&server, "f", &body).send().await.status, 201);
}

#[tokio::test]
async fn a_post_without_an_effect_in_the_store_is_repeated_without_asking_again() {
    let server = Server::start().await;
    let line = server.line().await;
    let path = format!(
        "/api/v2/voice-providers/{}/verify",
        global("TenantVoiceProvider", line.raw())
    );
    let verify = async |key: &str| {
        server
            .request(Method::POST, &path)
            .header("idempotency-key", key)
            .send()
            .await
    };
    let first = verify("k").await;
    assert_eq!((first.status.as_u16(), replayed(&first)), (200, false));
    let asked = server.vendor.requests();
    let again = verify("k").await;
    assert!(replayed(&again) && again.bytes == first.bytes);
    assert_eq!(server.vendor.requests(), asked);
    assert!(!replayed(&verify("other").await));
}

#[tokio::test]
async fn a_repetition_has_the_etag_of_the_first_answer_if_that_had_one() {
    let server = Server::start().await;
    let body = campaign_body(server.line().await);
    let first = create(&server, "k", &body).send().await;
    let again = create(&server, "k", &body).send().await;
    assert_eq!(
        (first.header("etag"), again.header("etag")),
        ("\"1\"", "\"1\"")
    );

    server
        .patch(
            "/api/v2/tenant",
            &json!({ "test_call_numbers": ["+14155552671"] }),
        )
        .await;
    let id = first.body["data"]["campaign_id"].as_str().unwrap();
    let path = format!("/api/v2/voice-campaigns/{id}/test-call");
    let call = async || {
        server
            .request(Method::POST, &path)
            .header("idempotency-key", "k")
            .json(&json!({ "phone_number": "+14155552671" }))
            .send()
            .await
    };
    let (first, again) = (call().await, call().await);
    assert!(first.status == 202 && replayed(&again), "{}", first.body);
    // A call tells the campaign's revision, but has none of its own.
    assert_eq!((first.header("etag"), again.header("etag")), ("", ""));
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
