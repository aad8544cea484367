//! The course of single calls, and what their create requests may hold.

use std::time::Duration;

use http::Method;
use sandbox::Request;
use serde_json::{Value, json};

use crate::bench::{Bench, KEY, PHONE, answer_of, call_body, create_request, kinds};

fn scripted(outcome: &Value) -> Bench {
    Bench::new(&json!({
        "queue_seconds": 1,
        "phones": {PHONE: {"outcome": outcome, "ring_seconds": 10, "talk_seconds": 60}}
    }))
}

#[test]
fn an_answered_call_rings_talks_and_ends_with_a_report() {
    let mut bench = scripted(&json!("ANSWERED"));
    let start = bench.now;
    let created = answer_of(bench.create(&call_body(PHONE))).body_json();
    assert_eq!(created["status"], "queued");
    assert_eq!(created["customer"]["externalId"], "lead-1");
    assert_eq!(
        created["assistantOverrides"]["metadata"]["attempt_key"],
        "key-of-attempt"
    );
    assert_eq!(created["subscriptionLimits"]["concurrencyBlocked"], false);
    assert_eq!(
        created["subscriptionLimits"]["remainingConcurrentCalls"],
        99_999
    );
    let id = created["id"].as_str().unwrap();
    let control = created["monitor"]["controlUrl"].as_str().unwrap();
    assert_eq!(
        control,
        format!("http://sandbox.test/vapi/call/{id}/control")
    );

    let callbacks = bench.settle();
    let after: Vec<f64> = callbacks
        .iter()
        .map(|(at, _)| at.duration_since(start).as_secs_f64())
        .collect();
    assert_eq!(
        kinds(&callbacks),
        [
            "status-update ringing",
            "status-update in-progress",
            "hang",
            "status-update ended",
            "end-of-call-report"
        ]
    );
    assert_eq!(after, [1.0, 11.0, 71.0, 71.0, 71.5]);

    let report = &callbacks[4].1["message"];
    assert_eq!(report["startedAt"], "2026-03-02T10:00:11.000Z");
    assert_eq!(report["endedAt"], "2026-03-02T10:01:11.000Z");
    assert_eq!(report["durationSeconds"], 60.0);
    assert_eq!(report["cost"], 0.064);
    assert!(report["transcript"].as_str().unwrap().starts_with("AI: "));
    assert_eq!(report["artifact"]["transcript"], report["transcript"]);
    assert_eq!(report["analysis"]["summary"], report["summary"]);
    let recording = format!("http://sandbox.test/vapi/call/{id}/mono-recording.wav");
    assert_eq!(report["recordingUrl"], json!(recording));
    assert_eq!(report["call"]["id"], id);
    assert_eq!(report["call"]["name"], "att_1");
    assert_eq!(
        report["call"]["assistantOverrides"]["metadata"]["attempt_key"],
        "key-of-attempt"
    );
    assert_eq!(report["customer"]["number"], PHONE);

    let call = bench.read(id);
    assert_eq!(call["status"], "ended");
    assert_eq!(call["endedReason"], report["endedReason"]);
    assert_eq!(call["artifact"]["transcript"], report["transcript"]);
}

#[test]
fn the_ring_log_has_every_field_of_the_contract_and_follows_the_call() {
    let mut bench = scripted(&json!("ANSWERED"));
    let id = bench.call(PHONE);
    let line: Value = serde_json::from_str(bench.ring_lines().trim()).unwrap();
    assert_eq!(
        line,
        json!({
            "ring_id": "ring_0000000000", "received_at": "2026-03-02T10:00:00.000000Z",
            "rang_at": null, "ended_at": null, "vendor": "vapi", "account": KEY,
            "assistant_id": "asst_abc123",
            "phone_number_id": "pn_abc123", "to": PHONE, "attempt_key": "key-of-attempt",
            "provider_call_id": id, "outcome": null, "variables": {"first_name": "Ann"}
        })
    );
    bench.settle();
    let line: Value = serde_json::from_str(bench.ring_lines().trim()).unwrap();
    assert_eq!(line["rang_at"], "2026-03-02T10:00:01.000000Z");
    assert_eq!(line["ended_at"], "2026-03-02T10:01:11.000000Z");
    assert_eq!(line["outcome"], "ANSWERED");
}

#[test]
fn every_outcome_ends_with_the_vendors_reason() {
    let cases = [
        ("VOICEMAIL", "voicemail", true),
        ("BUSY", "customer-busy", true),
        ("NO_ANSWER", "customer-did-not-answer", true),
        ("REJECTED", "vonage-rejected", true),
        (
            "INVALID_NUMBER",
            "twilio-reported-customer-misdialed",
            false,
        ),
        (
            "FAILED_TRANSIENT",
            "call.in-progress.error-providerfault-outbound-sip-503-service-unavailable",
            false,
        ),
        (
            "FAILED_PERMANENT",
            "call.in-progress.error-providerfault-outbound-sip-403-forbidden",
            false,
        ),
    ];
    for (outcome, reason, rings) in cases {
        let mut bench = scripted(&json!(outcome));
        let id = bench.call(PHONE);
        let callbacks = bench.settle();
        assert_eq!(bench.read(&id)["endedReason"], reason);
        let ring = &bench.rings()[0];
        assert_eq!(ring.outcome.as_deref(), Some(outcome));
        assert_eq!(ring.rang_at.is_some(), rings, "{outcome}");
        assert!(ring.ended_at.is_some());
        assert_eq!(
            kinds(&callbacks)
                .iter()
                .any(|kind| kind == "status-update ringing"),
            rings
        );
        assert_eq!(kinds(&callbacks).last().unwrap(), "end-of-call-report");
    }
}

#[test]
fn a_scripted_reason_is_reported_as_it_is() {
    let mut bench = scripted(&json!({"ended_reason": "exceeded-max-duration"}));
    let id = bench.call(PHONE);
    bench.settle();
    let call = bench.read(&id);
    assert_eq!(call["endedReason"], "exceeded-max-duration");
    assert!(call["startedAt"].is_string());
}

#[test]
fn a_call_can_be_hung_up_through_its_control_address_without_a_key() {
    let mut bench = scripted(&json!("ANSWERED"));
    let id = bench.call(PHONE);
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.read(&id)["status"], "in-progress");
    let control = Request::new(Method::POST, &format!("/vapi/call/{id}/control"));
    let hang_up = control.json(&json!({"type": "end-call"}));
    assert_eq!(bench.send(&hang_up).status(), Some(200));
    assert_eq!(bench.send(&hang_up).status(), Some(400));
    let call = bench.read(&id);
    assert_eq!(
        (&call["status"], &call["endedReason"]),
        (&json!("ended"), &json!("manually-canceled"))
    );
    assert_eq!(bench.world.live_calls(), 0);
    assert_eq!(bench.rings()[0].outcome.as_deref(), Some("CANCELED"));
    assert_eq!(bench.settle().len(), 5);
}

#[test]
fn only_the_wanted_messages_are_sent_with_the_given_headers() {
    let mut bench = scripted(&json!("BUSY"));
    let mut body = call_body(PHONE);
    body["assistantOverrides"]["serverMessages"] = json!(["end-of-call-report"]);
    bench.create(&body);
    bench.now = bench.world.next_due_at().unwrap();
    while bench.world.next_due_at().is_some() {
        bench.pass(Duration::from_secs(60));
        for callback in bench.world.due_callbacks(bench.now) {
            assert_eq!(callback.target.url, "http://127.0.0.1:1/hook");
            let headers = &callback.target.headers;
            assert!(headers.contains(&("x-dialer-token".into(), "t".into())));
            assert!(headers.contains(&("x-vapi-secret".into(), "s3cret".into())));
            let body: Value = serde_json::from_slice(&callback.body).unwrap();
            assert_eq!(body["message"]["type"], "end-of-call-report");
        }
    }
}

#[test]
fn squads_and_workflows_have_their_own_overrides() {
    for (id_key, id, overrides) in [
        ("squadId", "sq_abc123", "squadOverrides"),
        ("workflowId", "wf_abc123", "workflowOverrides"),
    ] {
        let mut bench = scripted(&json!("BUSY"));
        let mut body = call_body(PHONE);
        let fields = body.as_object_mut().unwrap();
        fields.remove("assistantId");
        let settings = fields.remove("assistantOverrides").unwrap();
        fields.insert(id_key.to_owned(), json!(id));
        fields.insert(overrides.to_owned(), settings);
        assert_eq!(bench.create(&body).status(), Some(201));
        assert_eq!(bench.settle().len(), 3);
        let rings = bench.rings();
        assert_eq!(rings[0].assistant_id.as_deref(), Some(id));
        assert_eq!(rings[0].attempt_key.as_deref(), Some("key-of-attempt"));
    }
}

#[test]
fn callbacks_fall_back_to_the_saved_assistants_server() {
    let mut bench = scripted(&json!("BUSY"));
    let saved = json!({"name": "Mine", "server": {"url": "http://127.0.0.1:2/saved"}});
    let created = bench.ask(Method::POST, "/vapi/assistant", Some(saved));
    assert_eq!(created.status, 201);
    let mut body = call_body(PHONE);
    body["assistantId"] = created.body_json()["id"].clone();
    body["assistantOverrides"]
        .as_object_mut()
        .unwrap()
        .remove("server");
    assert_eq!(bench.create(&body).status(), Some(201));
    bench.pass(Duration::from_secs(120));
    let callbacks = bench.world.due_callbacks(bench.now);
    assert!(!callbacks.is_empty());
    assert!(
        callbacks
            .iter()
            .all(|callback| callback.target.url == "http://127.0.0.1:2/saved")
    );
}

#[test]
fn the_attempt_key_is_found_where_the_caller_put_it() {
    let mut bench = Bench::new(&json!({}));
    let mut body = call_body(PHONE);
    bench.create(&body);
    body["assistantOverrides"]
        .as_object_mut()
        .unwrap()
        .remove("metadata");
    bench.create(&body);
    body.as_object_mut().unwrap().remove("name");
    bench.create(&body);
    body["customer"]
        .as_object_mut()
        .unwrap()
        .remove("externalId");
    bench.create(&body);
    let keys: Vec<_> = bench
        .rings()
        .into_iter()
        .map(|ring| ring.attempt_key)
        .collect();
    assert_eq!(
        keys,
        [
            Some("key-of-attempt".into()),
            Some("att_1".into()),
            Some("lead-1".into()),
            None
        ]
    );
}

/// A good create body with one value replaced.
fn body_with(path: &[&str], value: Value) -> Value {
    let mut body = call_body(PHONE);
    let (last, parents) = path.split_last().unwrap();
    let mut place = &mut body;
    for key in parents {
        place = &mut place[*key];
    }
    place[*last] = value;
    body
}

#[test]
fn bodies_that_the_vendor_refuses_are_refused_in_its_words() {
    let cases = [
        (
            body_with(&["colour"], json!(1)),
            "property colour should not exist",
        ),
        (
            body_with(&["name"], json!("x".repeat(41))),
            "name must be shorter than or equal to 40 characters",
        ),
        (
            body_with(&["customer", "number"], json!("4155550100")),
            "E.164",
        ),
        (
            body_with(&["customer"], Value::Null),
            "customer must be an object",
        ),
        (
            body_with(&["customer", "age"], json!(7)),
            "customer.property age should not exist",
        ),
        (body_with(&["squadId"], json!("sq_abc123")), "Only one of"),
        (body_with(&["assistantId"], Value::Null), "must be provided"),
        (body_with(&["phoneNumberId"], Value::Null), "phoneNumberId"),
        (
            body_with(&["assistantOverrides", "serverMessages"], json!(["statsu"])),
            "serverMessages must be one of",
        ),
        (
            body_with(&["assistantOverrides", "server"], json!({"url": "nowhere"})),
            "server.url must be a URL",
        ),
        (
            body_with(&["assistantOverrides", "metadata"], json!("x")),
            "metadata must be an object",
        ),
    ];
    let mut bench = Bench::new(&json!({}));
    for (body, wanted) in cases {
        let answer = answer_of(bench.create(&body));
        let error = answer.body_json();
        assert_eq!(
            (answer.status, &error["statusCode"]),
            (400, &json!(400)),
            "{error}"
        );
        assert!(
            error["message"].to_string().contains(wanted),
            "{wanted} in {error}"
        );
        assert_eq!(error["error"], "Bad Request");
    }
    assert!(bench.rings().is_empty(), "no refused request may ring");
}

#[test]
fn bodies_that_name_nothing_known_or_cannot_be_read_are_refused() {
    let mut bench = Bench::new(&json!({}));
    for (key, message) in [
        ("assistantId", "Assistant"),
        ("phoneNumberId", "Phone Number"),
    ] {
        let answer = answer_of(bench.create(&body_with(&[key], json!("nope"))));
        assert_eq!(answer.status, 400);
        assert!(
            answer.body_json()["message"]
                .as_str()
                .unwrap()
                .contains(message)
        );
    }
    let batch = answer_of(bench.create(&body_with(&["customers"], json!([]))));
    assert_eq!(batch.status, 400);
    let mut broken = create_request(KEY, &json!({}));
    broken.body = "{".into();
    assert_eq!(bench.send(&broken).status(), Some(400));
    broken.body = vec![b' '; 1024 * 1024 + 1].into();
    assert_eq!(bench.send(&broken).status(), Some(413));
    assert!(bench.rings().is_empty(), "no refused request may ring");
}

#[test]
fn keys_are_accounts_of_their_own_and_some_are_refused() {
    let mut bench = Bench::new(&json!({}));
    let status =
        |bench: &mut Bench, key: &str| bench.send(&create_request(key, &call_body(PHONE))).status();
    assert_eq!(status(&mut bench, "bad-key"), Some(401));
    assert_eq!(status(&mut bench, "broke-key"), Some(402));
    let anonymous = Request::new(Method::POST, "/vapi/call").json(&call_body(PHONE));
    assert_eq!(bench.send(&anonymous).status(), Some(401));
    let broke_read = Request::new(Method::GET, "/vapi/assistant").bearer("broke-key");
    assert_eq!(bench.send(&broke_read).status(), Some(200));
    let id = bench.call(PHONE);
    let foreign = Request::new(Method::GET, &format!("/vapi/call/{id}")).bearer("key-two");
    assert_eq!(bench.send(&foreign).status(), Some(404));
    let foreign_list = Request::new(Method::GET, "/vapi/call").bearer("key-two");
    assert_eq!(answer_of(bench.send(&foreign_list)).body_json(), json!([]));
}

#[test]
fn a_scheduled_call_waits_for_its_time() {
    let mut bench = scripted(&json!("NO_ANSWER"));
    let mut body = call_body(PHONE);
    body["schedulePlan"] = json!({"earliestAt": "2026-03-02T11:00:00Z"});
    assert_eq!(
        answer_of(bench.create(&body)).body_json()["status"],
        "scheduled"
    );
    bench.settle();
    assert_eq!(
        bench.rings()[0].rang_at,
        Some("2026-03-02T11:00:01Z".parse().unwrap())
    );
}
