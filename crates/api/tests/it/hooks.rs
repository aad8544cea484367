use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::scene::{
    SECRET, dial, end_report, hook, lead, line_id, only_call, report, running_campaign,
    status_update,
};
use crate::support::Server;

const PHONE: &str = "+14155552671";

/// A call that is being placed: path of its line's callbacks, and its key.
async fn dialed(server: &Server) -> (String, String) {
    let (line, campaign) = running_campaign(server).await;
    lead(server, &campaign, PHONE).await;
    let key = dial(server).await.remove(PHONE).unwrap();
    (hook(server, line).await, key)
}

async fn state(server: &Server) -> String {
    only_call(server).await["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_report_is_kept_before_it_is_answered_and_repeats_change_nothing() {
    let server = Server::start().await;
    let (hook, key) = dialed(&server).await;
    // The report can be here before the answer to the call itself.
    let reply = report(
        &server,
        &hook,
        &status_update(Some(&key), "call-1", "ringing"),
    )
    .await;
    assert_eq!(
        (reply.status.as_u16(), reply.body),
        (200, json!({ "status": "success" }))
    );
    assert_eq!(state(&server).await, "RINGING");
    server.clock.advance(Duration::from_secs(60));
    let end = end_report(Some(&key), "call-1", "customer-ended-call");
    assert_eq!(report(&server, &hook, &end).await.status, 200);
    let call = only_call(&server).await;
    assert_eq!(
        (&call["state"], &call["outcome"]),
        (&json!("ENDED"), &json!("ANSWERED"))
    );
    // Twice, late and out of order.
    assert_eq!(report(&server, &hook, &end).await.status, 200);
    assert_eq!(
        report(
            &server,
            &hook,
            &status_update(Some(&key), "call-1", "ringing")
        )
        .await
        .status,
        200
    );
    assert_eq!(only_call(&server).await, call);
}

#[tokio::test]
async fn an_event_without_a_key_takes_that_of_its_address() {
    let server = Server::start().await;
    let (hook, key) = dialed(&server).await;
    let other = "abcdefghijkmnpqrstuvwxyz23";
    let contradiction = report(
        &server,
        &format!("{hook}/{other}"),
        &status_update(Some(&key), "call-1", "ringing"),
    )
    .await;
    assert_eq!(
        (contradiction.status.as_u16(), state(&server).await.as_str()),
        (200, "DISPATCHING")
    );
    let stray = report(&server, &hook, &status_update(None, "call-9", "ringing")).await;
    assert_eq!(
        (stray.status.as_u16(), state(&server).await.as_str()),
        (200, "DISPATCHING")
    );
    let unknown = report(
        &server,
        &format!("{hook}/{other}"),
        &status_update(None, "call-8", "ringing"),
    )
    .await;
    assert_eq!(
        (unknown.status.as_u16(), state(&server).await.as_str()),
        (200, "DISPATCHING")
    );
    report(
        &server,
        &format!("{hook}/{key}"),
        &status_update(None, "call-1", "ringing"),
    )
    .await;
    assert_eq!(state(&server).await, "RINGING");
    // From here the vendor's id is enough.
    report(
        &server,
        &hook,
        &status_update(None, "call-1", "in-progress"),
    )
    .await;
    assert_eq!(state(&server).await, "IN_PROGRESS");
}

#[tokio::test]
async fn only_the_lines_own_secret_is_proof() {
    let server = Server::start().await;
    let (hook, key) = dialed(&server).await;
    let body = json!({ "message": status_update(Some(&key), "call-1", "ringing") });
    let send = async |secret: Option<&str>| {
        let call = server.request(Method::POST, &hook).no_token().json(&body);
        match secret {
            Some(secret) => call.header("x-vapi-secret", secret).send().await,
            None => call.send().await,
        }
    };
    for secret in [None, Some(""), Some("hook-secre"), Some("hook-secret2")] {
        let refused = send(secret).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (401, "callback_unauthentic")
        );
    }
    // A token of the API is none either.
    let refused = server.request(Method::POST, &hook).json(&body).send().await;
    assert_eq!(refused.status, 401);
    assert_eq!(state(&server).await, "DISPATCHING");
    assert_eq!(send(Some(SECRET)).await.status, 200);
}

#[tokio::test]
async fn a_new_secret_counts_at_once() {
    let server = Server::start().await;
    let (line, campaign) = running_campaign(&server).await;
    lead(&server, &campaign, PHONE).await;
    let hook = hook(&server, line).await;
    assert_eq!(
        report(&server, &hook, &status_update(None, "call-1", "ringing"))
            .await
            .status,
        200
    );
    let change = json!({ "webhook_secret": "another-secret-of-ours" });
    server
        .patch(
            &format!("/api/v2/voice-providers/{}", line_id(line)),
            &change,
        )
        .await;
    assert_eq!(
        report(&server, &hook, &status_update(None, "call-1", "ringing"))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn addresses_that_do_not_exist_are_not_found() {
    let server = Server::start().await;
    let (hook, _) = dialed(&server).await;
    let message = status_update(None, "call-1", "ringing");
    let paths = [
        "/hooks/vapi/abcdefghijkmnpqrstuvwxyz23".to_owned(),
        format!("/hooks/vapi/{}", "x".repeat(1_000)),
        hook.replace("/vapi/", "/sandbox/"),
        hook.replace("/vapi/", "/VAPI/"),
        "/hooks/vapi/%ff".to_owned(),
        "/hooks/vapi/%00".to_owned(),
        format!("{hook}/%00"),
        format!("{hook}/a%20key"),
    ];
    for path in paths {
        let reply = report(&server, &path, &message).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code()),
            (404, "not_found"),
            "{path}"
        );
    }
    assert_eq!(
        server
            .request(Method::GET, &hook)
            .no_token()
            .send()
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn bodies_that_are_not_the_vendors_are_refused() {
    let server = Server::start().await;
    let (hook, _) = dialed(&server).await;
    let send = async |body: &str| {
        server
            .request(Method::POST, &hook)
            .no_token()
            .header("x-vapi-secret", SECRET)
            .text(body)
            .send()
            .await
    };
    for body in [
        "",
        "x",
        "[]",
        "{}",
        r#"{"message":{}}"#,
        r#"{"message":{"type":"status-update"}}"#,
    ] {
        let refused = send(body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "malformed_json"),
            "{body}"
        );
    }
    assert_eq!(send(&"x".repeat(5 * 1024 * 1024 + 1)).await.status, 413);
    let of_no_interest: Value = json!({ "message": { "type": "transcript" } });
    assert_eq!(send(&of_no_interest.to_string()).await.status, 200);
}
