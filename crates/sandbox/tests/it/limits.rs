//! Concurrency and calls per second.

use std::time::Duration;

use serde_json::json;

use crate::bench::{Bench, KEY, PHONE, answer_of, call_body, create_request};

#[test]
fn above_the_pace_comes_429_and_the_pace_itself_is_let_through() {
    let mut bench = Bench::new(&json!({"calls_per_second": 5}));
    let statuses: Vec<_> = (0..8)
        .map(|_| bench.create(&call_body(PHONE)).status().unwrap())
        .collect();
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429, 429, 429]);
    let refused = answer_of(bench.create(&call_body(PHONE)));
    assert_eq!(refused.body_json()["message"], "Rate limit exceeded");
    for _ in 0..20 {
        bench.pass(Duration::from_millis(200));
        assert_eq!(bench.create(&call_body(PHONE)).status(), Some(201));
    }
    let other = create_request("key-two", &call_body(PHONE));
    assert_eq!(
        bench.send(&other).status(),
        Some(201),
        "each key has a pace of its own"
    );
}

#[test]
fn the_concurrency_limit_counts_live_calls_and_refuses_in_three_shapes() {
    for (shape, status, message) in [
        ("400", 400, json!("Over Concurrency Limit")),
        ("429", 429, json!("Over Concurrency Limit")),
        ("blocked", 201, json!(null)),
    ] {
        let mut bench = Bench::new(&json!({"concurrency": 2, "concurrency_refusal": shape}));
        bench.call(PHONE);
        bench.call("+14155550101");
        let answer = answer_of(bench.create(&call_body("+14155550102")));
        let body = answer.body_json();
        assert_eq!(
            (answer.status, &body["message"]),
            (status, &message),
            "{shape}"
        );
        if shape == "blocked" {
            assert_eq!(body["subscriptionLimits"]["concurrencyBlocked"], true);
            let call = bench.read(body["id"].as_str().unwrap());
            assert_eq!(
                call["endedReason"],
                "call.start.error-subscription-concurrency-limit-reached"
            );
            assert_eq!(call["startedAt"], json!(null));
        }
        assert_eq!(bench.rings().len(), 2, "what was refused does not ring");
        let record = bench
            .world
            .requests(0)
            .find(|record| record.fault == Some("concurrency"));
        assert_eq!(record.unwrap().status, Some(status));
        let other = create_request("key-two", &call_body(PHONE));
        assert_eq!(
            bench.send(&other).status(),
            Some(201),
            "each key has a limit of its own"
        );
        bench.settle();
        assert_eq!(
            bench.create(&call_body(PHONE)).status(),
            Some(201),
            "ended calls free their place"
        );
    }
}

#[test]
fn the_live_calls_never_exceed_the_limit_in_the_ring_log() {
    let mut bench = Bench::new(&json!({"concurrency": 7}));
    for n in 0..2_000 {
        bench.create(&call_body(&format!("+1415{n:07}")));
        bench.pass(Duration::from_millis(700));
    }
    bench.settle();
    let mut changes: Vec<_> = bench
        .rings()
        .iter()
        .flat_map(|ring| [(ring.received_at, 1), (ring.ended_at.unwrap(), -1)])
        .collect();
    changes.sort();
    let mut live = 0;
    for (_, change) in changes {
        live += change;
        assert!(live <= 7);
    }
    assert_eq!((live, bench.world.live_calls()), (0, 0));
    assert!(
        bench
            .world
            .requests(0)
            .all(|record| record.account.as_deref() == Some(KEY))
    );
}
