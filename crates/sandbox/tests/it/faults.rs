//! Every fault, one at a time, then in a crowd.

use std::time::Duration;

use http::Method;
use sandbox::{Outcome, Request};
use serde_json::{Value, json};

use crate::bench::{Bench, KEY, PHONE, answer_of, call_body, kinds};

fn with_fault(fault: &str, value: &Value) -> Bench {
    Bench::new(&json!({
        "faults": {fault: value},
        "phones": {PHONE: {"outcome": "ANSWERED", "ring_seconds": 5, "talk_seconds": 30}}
    }))
}

/// The number of rings, and the record of the only create request.
fn after_one_create(bench: &mut Bench) -> (usize, sandbox::RequestRecord, sandbox::Reply) {
    let reply = bench.create(&call_body(PHONE));
    let record = bench.world.requests(0).last().unwrap().clone();
    (bench.rings().len(), record, reply)
}

#[test]
fn a_swallowed_request_makes_no_call() {
    let mut bench = with_fault("create_timeout", &json!(1));
    let (rings, record, reply) = after_one_create(&mut bench);
    assert!(matches!(reply.outcome, Outcome::Withheld));
    assert_eq!(reply.after, Duration::from_secs(120));
    assert_eq!((rings, record.status, record.is_withheld), (0, None, true));
    assert_eq!(
        (record.provider_call, record.fault),
        (None, Some("create_timeout"))
    );
    assert_eq!(record.attempt_key.as_deref(), Some("key-of-attempt"));
    assert!(bench.settle().is_empty());
}

#[test]
fn a_lost_answer_leaves_a_call_that_rings_and_calls_back() {
    let mut bench = with_fault("create_timeout_after_accept", &json!(1));
    let (rings, record, reply) = after_one_create(&mut bench);
    assert!(matches!(reply.outcome, Outcome::Withheld));
    assert_eq!((rings, record.is_withheld), (1, true));
    assert_eq!(record.provider_call, Some(bench.rings()[0].provider_call));
    assert_eq!(bench.settle().len(), 5);
    let listed = bench.get("/vapi/call").body_json();
    assert_eq!(listed[0]["name"], "att_1", "the list knows the call");
}

#[test]
fn errors_come_with_and_without_a_call() {
    for (fault, status, rings) in [
        ("create_500", 500, 0),
        ("create_429", 429, 0),
        ("create_500_after_accept", 500, 1),
    ] {
        let mut bench = with_fault(fault, &json!(1));
        let (rang, record, reply) = after_one_create(&mut bench);
        assert_eq!((rang, reply.status()), (rings, Some(status)), "{fault}");
        assert_eq!(record.fault, Some(fault));
    }
}

#[test]
fn garbage_hides_a_call_that_was_made() {
    let mut bench = with_fault("create_garbage", &json!(1));
    for n in 0..40 {
        let answer = answer_of(bench.create(&call_body(&format!("+1415{n:07}"))));
        assert_eq!(answer.status, 201);
        assert!(!answer.body_json()["id"].is_string());
    }
    assert_eq!(bench.rings().len(), 40);
}

#[test]
fn a_late_answer_is_late_but_the_call_is_made_at_once() {
    let mut bench = with_fault("create_delay_seconds", &json!(7.5));
    let (rings, _, reply) = after_one_create(&mut bench);
    assert_eq!(
        (rings, reply.status(), reply.after),
        (1, Some(201), Duration::from_millis(7_500))
    );
}

#[test]
fn lost_callbacks_do_not_come() {
    let mut bench = with_fault("webhook_loss", &json!(1));
    let id = bench.call(PHONE);
    assert!(bench.settle().is_empty());
    assert_eq!(bench.read(&id)["status"], "ended");
}

#[test]
fn doubled_callbacks_come_twice_with_the_same_bytes() {
    let mut bench = with_fault("webhook_duplicate", &json!(1));
    bench.call(PHONE);
    let mut bodies: Vec<_> = bench
        .settle()
        .iter()
        .map(|(_, body)| body.to_string())
        .collect();
    bodies.sort();
    assert_eq!(bodies.len(), 10);
    assert!(bodies.chunks(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn held_back_callbacks_are_overtaken_and_none_is_lost() {
    let mut bench = with_fault("webhook_reorder", &json!(1));
    bench.call(PHONE);
    let callbacks = bench.settle();
    assert_eq!(callbacks.len(), 5);
    let in_order = [
        "status-update ringing",
        "status-update in-progress",
        "hang",
        "status-update ended",
        "end-of-call-report",
    ];
    let mut arrived = kinds(&callbacks);
    assert_ne!(arrived, in_order);
    arrived.sort();
    let mut expected = in_order.map(str::to_owned);
    expected.sort();
    assert_eq!(arrived, expected);
    assert!(bench.world.next_due_at().is_none());
}

#[test]
fn late_callbacks_are_late_by_real_time() {
    let mut bench = with_fault("webhook_delay_seconds", &json!(100));
    bench.call(PHONE);
    let rang_at = {
        bench.pass(Duration::from_secs(3));
        bench.rings()[0].rang_at.unwrap()
    };
    let first = bench.settle()[0].0;
    assert_eq!(first.duration_since(rang_at).as_secs(), 100);
}

#[test]
fn the_first_callback_may_come_before_the_answer() {
    let mut bench = with_fault("webhook_before_response", &json!(1));
    let reply = bench.create(&call_body(PHONE));
    assert_eq!(reply.after, Duration::from_secs(1));
    let callbacks = bench.world.due_callbacks(bench.now);
    assert_eq!(callbacks.len(), 1, "it is due at the moment of the request");
    assert_eq!(reply.after_callback_of, Some(callbacks[0].call));
}

#[test]
fn the_list_lags_while_single_reads_do_not() {
    let mut bench = with_fault("list_lag_seconds", &json!(60));
    let id = bench.call(PHONE);
    assert_eq!(bench.read(&id)["id"], json!(id));
    bench.pass(Duration::from_millis(59_999));
    assert_eq!(bench.get("/vapi/call").body_json(), json!([]));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.get("/vapi/call").body_json()[0]["id"], json!(id));
}

#[test]
fn reads_fail_without_touching_anything() {
    let mut bench = with_fault("get_500", &json!(1));
    let id = bench.call(PHONE);
    assert_eq!(bench.get(&format!("/vapi/call/{id}")).status, 500);
    assert_eq!(bench.get("/vapi/call").status, 500);
    assert_eq!(bench.get("/vapi/assistant").status, 500);
    assert_eq!(bench.get("/control/health").status, 200);
}

#[test]
fn when_it_is_down_nothing_answers_but_control() {
    let mut bench = with_fault("down", &json!(true));
    let (mut refused, mut closed) = (0, 0);
    for n in 0..100 {
        let reply = match n % 3 {
            0 => bench.create(&call_body(&format!("+1415{n:07}"))),
            1 => bench.send(&Request::new(Method::GET, "/vapi/call").bearer(KEY)),
            _ => bench.send(&Request::new(Method::GET, "/vapi/assistant").bearer(KEY)),
        };
        match reply.status() {
            Some(status) => refused += usize::from(status == 503),
            None => closed += usize::from(reply.after.is_zero()),
        }
    }
    assert_eq!(refused + closed, 100);
    assert!(refused > 20 && closed > 20, "{refused} {closed}");
    assert!(bench.rings().is_empty());
    let up = bench.ask(
        Method::PUT,
        "/control/scenario",
        Some(json!({"faults": {"down": false}})),
    );
    assert_eq!(up.status, 200);
    bench.call(PHONE);
}

#[test]
fn failed_callbacks_are_tried_again_only_by_plan() {
    let mut bench =
        Bench::new(&json!({"phones": {PHONE: {"outcome": "INVALID_NUMBER"}}, "queue_seconds": 0}));
    let mut body = call_body(PHONE);
    body["assistantOverrides"]["serverMessages"] = json!(["end-of-call-report"]);
    bench.create(&body);
    bench.pass(Duration::from_secs(5));
    let callback = bench.world.due_callbacks(bench.now).remove(0);
    bench.world.callback_failed(bench.now, &callback, Some(500));
    assert_eq!(bench.world.next_due_at(), None, "none by default");

    body["assistantOverrides"]["server"]["backoffPlan"] = json!({
        "type": "exponential", "maxRetries": 2, "baseDelaySeconds": 1, "excludedStatusCodes": [410]
    });
    bench.create(&body);
    bench.pass(Duration::from_secs(5));
    let mut callback = bench.world.due_callbacks(bench.now).remove(0);
    for wait in [1, 2] {
        bench.world.callback_failed(bench.now, &callback, None);
        let next = bench.world.next_due_at().unwrap();
        assert_eq!(next.duration_since(bench.now).as_secs(), wait);
        bench.now = next;
        callback = bench.world.due_callbacks(next).remove(0);
    }
    bench.world.callback_failed(bench.now, &callback, None);
    assert_eq!(bench.world.next_due_at(), None, "the plan is used up");
    callback.attempt = 0;
    bench.world.callback_failed(bench.now, &callback, Some(410));
    assert_eq!(
        bench.world.next_due_at(),
        None,
        "an excluded status is final"
    );
}

#[test]
fn in_a_crowd_of_faults_the_two_logs_agree() {
    let mut bench = Bench::new(&json!({"faults": {
        "create_timeout": 0.1, "create_timeout_after_accept": 0.1, "create_500": 0.1,
        "create_500_after_accept": 0.1, "create_429": 0.1, "create_garbage": 0.1, "down": 0.05,
        "webhook_loss": 0.2, "webhook_duplicate": 0.2, "webhook_reorder": 0.3
    }}));
    for n in 0..3_000 {
        bench.create(&call_body(&format!("+1415{:07}", n % 500)));
        bench.pass(Duration::from_millis(50));
    }
    bench.settle();
    let made: Vec<_> = bench
        .world
        .requests(0)
        .filter_map(|record| record.provider_call)
        .collect();
    let rang: Vec<_> = bench
        .world
        .rings(0)
        .map(|ring| ring.provider_call)
        .collect();
    assert_eq!(
        made, rang,
        "every call made is in the ring log, once, in order"
    );
    let told = bench
        .world
        .requests(0)
        .filter(|record| record.status == Some(201))
        .count();
    assert!(
        told < rang.len() && rang.len() < 3_000,
        "{told} {}",
        rang.len()
    );
    assert!(bench.world.rings(0).all(|ring| ring.ended_at.is_some()));
}
