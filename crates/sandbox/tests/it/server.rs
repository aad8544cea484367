//! The sandbox over HTTP, on the real clock.

use std::time::Duration;

use http::Method;
use sandbox::{Options, Sandbox, Scenario};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    bench::{PHONE, call_body},
    web::{PATIENCE, Receiver, Web},
};

/// Calls that last a thousandth of what they would, and this change of the scenario.
async fn fast_sandbox(change: &Value) -> (Sandbox, Web) {
    let scenario = Scenario::default()
        .changed_by(&json!({"calls_per_second": 100_000, "concurrency": 100_000}))
        .and_then(|scenario| scenario.changed_by(change))
        .unwrap();
    let sandbox = Sandbox::start(Options {
        seed: 1,
        time_scale: 1_000.0,
        scenario,
    })
    .await
    .unwrap();
    let web = Web::new(sandbox.base_url());
    (sandbox, web)
}

fn body_for(receiver: &Receiver, phone: &str) -> Value {
    let mut body = call_body(phone);
    body["assistantOverrides"]["server"]["url"] = json!(receiver.url());
    body
}

#[tokio::test]
async fn a_call_runs_its_course_and_calls_back() {
    let (sandbox, web) =
        fast_sandbox(&json!({"phones": {PHONE: {"outcome": "ANSWERED"}}, "talk_seconds": 100}))
            .await;
    let receiver = Receiver::start(0).await;
    let created = web
        .json(
            Method::POST,
            "/vapi/call",
            Some(&body_for(&receiver, PHONE)),
        )
        .await;
    let callbacks = receiver.wait_for(5).await;
    for callback in &callbacks {
        assert_eq!(callback.headers["x-dialer-token"], "t");
        assert_eq!(callback.headers["x-vapi-secret"], "s3cret");
        assert_eq!(callback.headers["content-type"], "application/json");
        assert_eq!(callback.message()["call"]["id"], created["id"]);
    }
    let report = callbacks
        .iter()
        .find(|got| got.message()["type"] == "end-of-call-report")
        .unwrap();
    let seconds = report.message()["durationSeconds"].as_f64().unwrap();
    assert!(
        (99.0..=101.0).contains(&seconds),
        "the duration is in scenario time: {seconds}"
    );
    let path = format!("/vapi/call/{}", created["id"].as_str().unwrap());
    assert_eq!(web.json(Method::GET, &path, None).await["status"], "ended");
    let control = created["monitor"]["controlUrl"].as_str().unwrap();
    assert!(control.starts_with(&sandbox.base_url()), "{control}");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_crowd_of_calls_loses_nothing() {
    const CALLS: usize = 400;
    let (sandbox, web) = fast_sandbox(&json!({"answer_rate": 1})).await;
    let receiver = Receiver::start(0).await;
    let mut requests = JoinSet::new();
    for n in 0..CALLS {
        let (web, body) = (web.clone(), body_for(&receiver, &format!("+1415{n:07}")));
        requests.spawn(async move { web.json(Method::POST, "/vapi/call", Some(&body)).await });
    }
    requests.join_all().await;
    let callbacks = receiver.wait_for(5 * CALLS).await;
    let reports = callbacks
        .iter()
        .filter(|got| got.message()["type"] == "end-of-call-report");
    assert_eq!(reports.count(), CALLS);
    let (status, log) = web.ask(Method::GET, "/control/rings", None).await.unwrap();
    assert_eq!(status, 200);
    let lines: Vec<Value> = log
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), CALLS);
    assert!(lines.iter().all(|line| line["ended_at"].is_string()));
    assert_eq!(sandbox.with_world(|world| world.live_calls()), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_withheld_answer_holds_the_connection_and_a_closed_one_does_not() {
    let (sandbox, web) = fast_sandbox(&json!({"faults": {"create_timeout": 1}})).await;
    let body = call_body(PHONE);
    let asked = web.ask(Method::POST, "/vapi/call", Some(&body));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), asked)
            .await
            .is_err()
    );
    web.json(
        Method::PUT,
        "/control/scenario",
        Some(&json!({"faults": {"create_timeout": 0, "down": 1}})),
    )
    .await;
    let mut closed = 0;
    for n in 0..20 {
        match web
            .ask(
                Method::POST,
                "/vapi/call",
                Some(&call_body(&format!("+1415{n:07}"))),
            )
            .await
        {
            Ok((status, _)) => assert_eq!(status, 503),
            Err(_) => closed += 1,
        }
    }
    assert!(closed > 0);
    let (_, log) = web
        .ask(Method::GET, "/control/requests", None)
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&log).lines().count(), 21);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_first_callback_is_delivered_before_the_answer() {
    let (sandbox, web) = fast_sandbox(&json!({"faults": {"webhook_before_response": 1}})).await;
    let receiver = Receiver::start(0).await;
    for n in 0..5 {
        let phone = format!("+1415{n:07}");
        let body = body_for(&receiver, &phone);
        let asked = web.json(Method::POST, "/vapi/call", Some(&body));
        // The answer waits for the callback, not for the bound of one second.
        let answered = tokio::time::timeout(Duration::from_millis(900), asked).await;
        assert!(answered.is_ok());
        let is_there = receiver
            .received()
            .iter()
            .any(|got| got.message()["customer"]["number"] == json!(phone));
        assert!(
            is_there,
            "the callback for {phone} must be there by the time of the answer"
        );
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn failed_callbacks_are_sent_again_by_plan() {
    let (sandbox, web) =
        fast_sandbox(&json!({"phones": {PHONE: {"outcome": "INVALID_NUMBER"}}})).await;
    let receiver = Receiver::start(1).await;
    let mut body = body_for(&receiver, PHONE);
    body["assistantOverrides"]["serverMessages"] = json!(["end-of-call-report"]);
    body["assistantOverrides"]["server"]["backoffPlan"] =
        json!({"type": "fixed", "maxRetries": 3, "baseDelaySeconds": 0});
    web.json(Method::POST, "/vapi/call", Some(&body)).await;
    let callbacks = receiver.wait_for(2).await;
    assert_eq!(callbacks[0].bytes, callbacks[1].bytes);
    sandbox.stop().await;
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let (sandbox, web) = fast_sandbox(&json!({})).await;
    let body = json!({"name": "x".repeat(1024 * 1024)});
    // The server may answer and close before all of the body is sent.
    if let Ok((status, _)) = web.ask(Method::POST, "/vapi/call", Some(&body)).await {
        assert_eq!(status, 413);
    }
    assert_eq!(sandbox.with_world(|world| world.rings(0).count()), 0);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_served_listener_stops_in_time_even_with_a_held_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = Web::new(format!("http://{}", listener.local_addr().unwrap()));
    let shutdown = CancellationToken::new();
    let scenario = Scenario::from_json(r#"{"faults":{"create_timeout":1}}"#).unwrap();
    let options = Options {
        scenario,
        ..Options::default()
    };
    let mut server = JoinSet::new();
    server.spawn(sandbox::serve(listener, options, shutdown.clone()));
    let health = web.json(Method::GET, "/control/health", None).await;
    assert_eq!(health["status"], "ok");
    let mut held = JoinSet::new();
    let holding = web.clone();
    held.spawn(async move {
        let body = call_body(PHONE);
        holding.ask(Method::POST, "/vapi/call", Some(&body)).await
    });
    let arrived = async {
        while web.json(Method::GET, "/control/health", None).await["requests"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
    shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(4), server.join_next()).await;
    assert!(stopped.is_ok());
    assert!(held.join_next().await.unwrap().unwrap().is_err());
    assert!(web.ask(Method::GET, "/control/health", None).await.is_err());
}
