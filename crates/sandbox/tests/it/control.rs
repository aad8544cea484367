//! The control endpoints.

use std::time::Duration;

use http::Method;
use sandbox::Request;
use serde_json::{Value, json};

use crate::bench::{Bench, KEY, PHONE, call_body};

#[test]
fn a_scenario_is_changed_key_by_key_and_read_back() {
    let mut bench = Bench::new(&json!({}));
    let before = bench.get("/control/scenario").body_json();
    let put = bench.ask(
        Method::PUT,
        "/control/scenario",
        Some(json!({"answer_rate": 0.1, "faults": {"get_500": 0.5}})),
    );
    assert_eq!(put.status, 200);
    let after = bench.get("/control/scenario").body_json();
    assert_eq!(put.body_json(), after);
    assert_eq!(after["answer_rate"], 0.1);
    assert_eq!(after["faults"]["get_500"], 0.5);
    assert_eq!(after["voicemail_rate"], before["voicemail_rate"]);
    let back = bench.ask(Method::PUT, "/control/scenario", Some(before.clone()));
    assert_eq!(back.body_json(), before, "what is printed can be put back");
}

#[test]
fn unknown_keys_and_bad_values_are_named_and_change_nothing() {
    let mut bench = Bench::new(&json!({}));
    let before = bench.get("/control/scenario").body_json();
    let bad =
        json!({"answer_rate": 0.9, "ring_secs": 1, "faults": {"downn": 1}, "concurrency": -1});
    let answer = bench.ask(Method::PUT, "/control/scenario", Some(bad));
    assert_eq!(answer.status, 422);
    for name in ["ring_secs", "faults.downn", "concurrency"] {
        assert!(
            answer.body_json()["message"].to_string().contains(name),
            "{name}"
        );
    }
    assert_eq!(bench.get("/control/scenario").body_json(), before);
}

#[test]
fn requests_are_logged_whatever_became_of_them() {
    let mut bench = Bench::new(&json!({}));
    bench.call(PHONE);
    bench.get("/vapi/assistant/none");
    bench.send(&Request::new(Method::GET, "/retell/v2/get-call/1").bearer(KEY));
    bench.send(&Request::new(Method::GET, "/unknown"));
    bench.get("/control/health");
    let text = String::from_utf8(bench.get("/control/requests").body.to_vec()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["path"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("/vapi/call", 201),
            ("/vapi/assistant/none", 404),
            ("/retell/v2/get-call/1", 501),
            ("/unknown", 404)
        ]
    );
    assert_eq!(lines[0]["attempt_key"], "key-of-attempt");
    assert_eq!(lines[0]["account"], KEY);
    assert_eq!(
        (&lines[0]["withheld"], &lines[3]["account"]),
        (&json!(false), &json!(null))
    );
}

#[test]
fn the_ring_log_can_be_read_from_a_line_on() {
    let mut bench = Bench::new(&json!({}));
    for _ in 0..3 {
        bench.call(PHONE);
    }
    let rest = bench.get("/control/rings?after=ring_0000000001");
    let text = String::from_utf8(rest.body.to_vec()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("ring_0000000002"));
    assert_eq!(rest.headers[0].1, "application/x-ndjson");
    assert_eq!(bench.get("/control/rings?after=x").status, 400);
}

#[test]
fn a_reset_forgets_everything() {
    let mut bench = Bench::with_seed(5, &json!({"answer_rate": 0.2}));
    bench.call(PHONE);
    bench.ask(
        Method::PUT,
        "/control/scenario",
        Some(json!({"answer_rate": 0.9})),
    );
    assert_eq!(
        bench
            .ask(Method::POST, "/control/reset", Some(json!({"sed": 1})))
            .status,
        422
    );
    assert_eq!(bench.ask(Method::POST, "/control/reset", None).status, 200);
    assert!(bench.rings().is_empty());
    assert_eq!(bench.world.requests(0).count(), 0);
    assert_eq!(
        (
            bench.world.seed(),
            bench.world.live_calls(),
            bench.world.next_due_at()
        ),
        (5, 0, None)
    );
    assert_eq!(
        bench.get("/control/scenario").body_json()["answer_rate"],
        0.2
    );
    bench.call(PHONE);
    bench.pass(Duration::from_secs(600));
    let stale = bench.world.due_callbacks(bench.now).remove(0);
    bench.ask(Method::POST, "/control/reset", Some(json!({"seed": 6})));
    bench.world.callback_failed(bench.now, &stale, None);
    assert_eq!(bench.world.next_due_at(), None);
    assert_eq!(bench.get("/control/health").body_json()["seed"], 6);
}

#[test]
fn the_root_says_what_this_is() {
    let mut bench = Bench::new(&json!({}));
    assert_eq!(bench.get("/").body_json()["vendors"]["vapi"], "/vapi");
    assert_eq!(bench.get("/control/none").status, 404);
    bench.create(&call_body(PHONE));
    assert_eq!(bench.get("/control/health").body_json()["live_calls"], 1);
}
