//! What Vapi sends to us.

use domain::Outcome;
use serde_json::{Value, json};

use super::{KEY, SECRET, callback_bytes, callback_event, end_of, headers, instant};
use crate::model::{CallStatus, CallbackError, EndFault, EndOutcome, Provider, RawCallback};
use crate::vapi::VAPI;

fn call() -> Value {
    json!({
        "id": "019d2ad0", "name": KEY, "type": "outboundPhoneCall",
        "assistantOverrides": {"metadata": {"attempt_id": KEY}},
        "monitor": {"controlUrl": "https://calls.vapi.ai/1/control"}
    })
}

fn status_update(status: &str) -> Value {
    json!({"message": {
        "type": "status-update", "status": status, "timestamp": 1_774_539_796_145_u64,
        "call": call(), "customer": {"number": "+14155550123", "externalId": KEY},
        "assistant": {"name": "A"}, "phoneNumber": {"id": "n"}, "artifact": {"transcript": "AI: H"}
    }})
}

fn report() -> Value {
    json!({"message": {
        "type": "end-of-call-report", "endedReason": "customer-ended-call",
        "startedAt": "2026-03-26T15:43:20.000Z", "endedAt": "2026-03-26T15:46:39.000Z",
        "cost": 0.0812, "costs": [{"type": "llm", "cost": 0.01}],
        "artifact": {
            "transcript": "AI: Hi\nUser: Hello", "messages": [{"role": "bot", "message": "Hi"}],
            "recordingUrl": "https://rec.example/mono.wav",
            "recording": {"stereoUrl": "https://rec.example/stereo.wav"}
        },
        "analysis": {
            "summary": "Said hello.", "structuredData": {"mood": "good"}, "successEvaluation": "true"
        },
        "timestamp": 1_774_539_999_000_u64, "call": call(), "customer": {"number": "+14155550123"}
    }})
}

fn outcome(outcome: Outcome) -> EndOutcome {
    EndOutcome {
        outcome,
        fault: EndFault::None,
        recognised: true,
    }
}

#[test]
fn status_updates_tell_progress() {
    for (status, expected) in [
        ("scheduled", CallStatus::Queued),
        ("queued", CallStatus::Queued),
        ("ringing", CallStatus::Ringing),
        ("in-progress", CallStatus::InProgress),
        ("forwarding", CallStatus::InProgress),
        ("something-new", CallStatus::Queued),
    ] {
        let event = callback_event(&status_update(status));
        assert_eq!(event.status, expected, "{status}");
        assert_eq!(event.attempt_key.as_deref(), Some(KEY));
        assert_eq!(event.provider_call_id, "019d2ad0");
        assert_eq!(event.at, Some(instant("2026-03-26T15:43:16.145Z")));
        assert_eq!(
            event.control_url.as_deref(),
            Some("https://calls.vapi.ai/1/control")
        );
        assert_eq!(event.to.as_deref(), Some("+14155550123"));
    }
}

#[test]
fn an_ended_status_update_brings_the_outcome_and_waits_for_the_report() {
    let mut body = status_update("ended");
    body["message"]["endedReason"] = json!("customer-did-not-answer");
    let event = callback_event(&body);
    let end = end_of(&event);
    assert_eq!(end.outcome, Some(outcome(Outcome::NoAnswer)));
    assert_eq!(end.reason.as_deref(), Some("customer-did-not-answer"));
    assert_eq!((end.final_report, &end.transcript), (false, &None));
}

#[test]
fn the_report_brings_everything() {
    let event = callback_event(&report());
    let end = end_of(&event);
    assert_eq!(end.outcome, Some(outcome(Outcome::Answered)));
    assert_eq!(end.started_at, Some(instant("2026-03-26T15:43:20Z")));
    assert_eq!(end.ended_at, Some(instant("2026-03-26T15:46:39Z")));
    assert_eq!(event.at, end.ended_at);
    assert_eq!(end.cost_micro_usd, Some(81_200));
    assert_eq!(end.transcript.as_deref(), Some("AI: Hi\nUser: Hello"));
    assert_eq!(end.summary.as_deref(), Some("Said hello."));
    assert_eq!(
        end.recording_url.as_deref(),
        Some("https://rec.example/mono.wav")
    );
    assert_eq!(end.structured_data, Some(json!({"mood": "good"})));
    assert!(end.final_report);
}

#[test]
fn odd_details_lose_only_themselves() {
    let odd = [
        json!(null),
        json!(7),
        json!("x"),
        json!([]),
        json!({}),
        json!([{"a": [1]}]),
        json!(true),
        json!(1e300),
        json!(-1),
    ];
    let details = [
        "startedAt",
        "endedAt",
        "cost",
        "costs",
        "artifact",
        "analysis",
        "timestamp",
        "customer",
        "assistant",
    ];
    for detail in details {
        for value in &odd {
            let mut body = report();
            body["message"][detail] = value.clone();
            let event = callback_event(&body);
            assert_eq!(
                end_of(&event).outcome,
                Some(outcome(Outcome::Answered)),
                "{detail} {value}"
            );
            assert_eq!(event.attempt_key.as_deref(), Some(KEY), "{detail} {value}");
        }
    }
    for detail in ["transcript", "recordingUrl", "recording", "messages"] {
        for value in &odd {
            let mut body = report();
            body["message"]["artifact"][detail] = value.clone();
            let event = callback_event(&body);
            assert_eq!(
                end_of(&event).summary.as_deref(),
                Some("Said hello."),
                "{detail} {value}"
            );
        }
    }
}

#[test]
fn a_message_without_a_reason_decides_nothing() {
    let mut body = report();
    body["message"]["endedReason"] = json!(null);
    let event = callback_event(&body);
    assert_eq!(
        (end_of(&event).outcome, end_of(&event).final_report),
        (None, true)
    );
    assert_eq!(
        end_of(&callback_event(&status_update("ended"))).outcome,
        None
    );
    body["message"]["call"]["endedReason"] = json!("voicemail");
    assert_eq!(
        end_of(&callback_event(&body)).outcome,
        Some(outcome(Outcome::Voicemail))
    );
}

#[test]
fn a_reason_nobody_knows_is_judged_by_its_class_and_marked() {
    let mut body = report();
    body["message"]["endedReason"] = json!("x".repeat(500));
    let event = callback_event(&body);
    let Some(judged) = end_of(&event).outcome else {
        panic!("an outcome")
    };
    assert_eq!(
        (judged.outcome, judged.recognised),
        (Outcome::Answered, false)
    );
    assert_eq!(
        end_of(&event).reason.as_deref(),
        Some("x".repeat(200).as_str())
    );
}

#[test]
fn half_a_character_does_not_lose_the_transcript() {
    // JavaScript writes this when it cuts an emoji in two.
    let text = report().to_string().replace("User: Hello", r"User: \ud83d");
    let events = callback_bytes(text.as_bytes());
    let Ok([event]) = events.as_deref() else {
        panic!("one event: {events:?}")
    };
    let Some(transcript) = &end_of(event).transcript else {
        panic!("a transcript")
    };
    assert!(
        transcript.starts_with("AI: Hi\nUser: \u{fffd}"),
        "{transcript:?}"
    );
    let mut bytes = report().to_string().into_bytes();
    let at = bytes
        .windows(5)
        .position(|window| window == b"Hello")
        .unwrap_or_default();
    bytes[at] = 0xff;
    assert!(matches!(callback_bytes(&bytes).as_deref(), Ok([_])));
}

#[test]
fn sizes_are_bounded() {
    let mut body = report();
    let message = &mut body["message"];
    message["artifact"]["transcript"] = json!("ü".repeat(600_000));
    message["analysis"]["summary"] = json!("s".repeat(70_000));
    message["analysis"]["structuredData"] = json!({"a": "x".repeat(256 * 1024)});
    message["artifact"]["recordingUrl"] = json!(format!("https://{}", "x".repeat(5_000)));
    let event = callback_event(&body);
    let end = end_of(&event);
    assert_eq!(end.transcript.as_ref().map(String::len), Some(1_048_576));
    assert_eq!(end.summary.as_ref().map(String::len), Some(65_536));
    assert_eq!(end.structured_data, None);
    assert_eq!(
        end.recording_url.as_deref(),
        Some("https://rec.example/stereo.wav")
    );
}

#[test]
fn deep_nesting_is_neither_followed_nor_fatal() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = report().to_string().replace(r#"{"mood":"good"}"#, &deep);
    let events = callback_bytes(text.as_bytes());
    let Ok([event]) = events.as_deref() else {
        panic!("one event")
    };
    assert_eq!(end_of(event).structured_data, None);
    assert_eq!(end_of(event).summary.as_deref(), Some("Said hello."));
}

#[test]
fn a_recording_must_be_a_web_address() {
    for bad in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "",
        "//rec.example/x",
    ] {
        let mut body = report();
        body["message"]["artifact"] = json!({"recordingUrl": bad});
        assert_eq!(end_of(&callback_event(&body)).recording_url, None, "{bad}");
    }
}

#[test]
fn absurd_instants_and_prices_are_ignored() {
    for absurd in [
        json!("1066-10-14T00:00:00Z"),
        json!(0),
        json!(9e18),
        json!("soon"),
        json!(""),
    ] {
        let mut body = report();
        body["message"]["startedAt"] = absurd.clone();
        body["message"]["endedAt"] = absurd.clone();
        body["message"]["timestamp"] = absurd.clone();
        let event = callback_event(&body);
        let end = end_of(&event);
        assert_eq!(
            (end.started_at, end.ended_at, event.at),
            (None, None, None),
            "{absurd}"
        );
    }
    for (cost, micro) in [
        (json!(0), Some(0)),
        (json!(0.000_000_4), Some(0)),
        (json!(0.000_000_6), Some(1)),
        (json!(1_000_000), Some(1_000_000_000_000)),
        (json!(1_000_001), None),
        (json!(-0.5), None),
        (json!("0.5"), None),
    ] {
        let mut body = report();
        body["message"]["cost"] = cost.clone();
        assert_eq!(
            end_of(&callback_event(&body)).cost_micro_usd,
            micro,
            "{cost}"
        );
    }
}

#[test]
fn the_key_is_found_in_the_name_or_the_customer_too() {
    for call in [
        json!({"id": "c", "squadOverrides": {"metadata": {"attempt_id": KEY}}}),
        json!({"id": "c", "workflowOverrides": {"metadata": {"attempt_id": KEY}}}),
        json!({"id": "c", "name": KEY}),
        json!({"id": "c", "customer": {"externalId": KEY}}),
        json!({"id": "c"}),
    ] {
        let mut body = status_update("ringing");
        body["message"]["call"] = call.clone();
        assert_eq!(
            callback_event(&body).attempt_key.as_deref(),
            Some(KEY),
            "{call}"
        );
    }
}

#[test]
fn other_messages_are_of_no_interest() {
    for kind in [
        "hang",
        "conversation-update",
        "assistant.started",
        "",
        "something-new",
    ] {
        let body = json!({"message": {"type": kind, "call": call()}});
        assert_eq!(
            callback_bytes(body.to_string().as_bytes()),
            Ok(Vec::new()),
            "{kind}"
        );
    }
}

#[test]
fn what_is_not_in_the_documented_form_is_malformed() {
    let mut no_id = report();
    no_id["message"]["call"]["id"] = json!("");
    let mut no_call = report();
    no_call["message"]["call"] = json!(null);
    for body in [
        no_id,
        no_call,
        json!({}),
        json!([]),
        json!("message"),
        json!({"message": "status-update"}),
        json!({"message": ["status-update"]}),
        json!([{"type": "status-update"}]),
        json!({"message": {"type": 5}}),
        json!({"message": {"status": "ended", "call": call()}}),
    ] {
        let read = callback_bytes(body.to_string().as_bytes());
        assert_eq!(read, Err(CallbackError::Malformed), "{body}");
    }
    for bytes in [&b""[..], b"{", b"\xff\xfe", b"null"] {
        assert_eq!(callback_bytes(bytes), Err(CallbackError::Malformed));
    }
}

#[test]
fn only_the_right_secret_verifies() {
    let bearer = format!("Bearer {SECRET}");
    let lower = format!("bearer  {SECRET}");
    let basic = format!("Basic {SECRET}");
    let cases: [(&[(&'static str, &str)], bool); 13] = [
        (&[("x-vapi-secret", SECRET)], true),
        (
            &[("x-vapi-secret", SECRET), ("x-vapi-secret", SECRET)],
            true,
        ),
        (
            &[("x-vapi-secret", SECRET), ("x-vapi-secret", "other")],
            false,
        ),
        (&[("x-vapi-secret", "whsec_5f1C")], false),
        (&[("x-vapi-secret", "whsec_5f1")], false),
        (&[("x-vapi-secret", "")], false),
        (&[("authorization", &bearer)], true),
        (&[("authorization", &lower)], true),
        (&[("authorization", &basic)], false),
        (&[("authorization", SECRET)], false),
        (
            &[
                ("x-vapi-secret", SECRET),
                ("authorization", "Bearer of the account"),
            ],
            true,
        ),
        (
            &[("x-vapi-secret", "other"), ("authorization", &bearer)],
            false,
        ),
        (&[], false),
    ];
    for (given, good) in cases {
        let headers = headers(given);
        let raw = RawCallback {
            headers: &headers,
            body: b"body",
        };
        let verified = VAPI.verify_callback(raw, SECRET);
        assert_eq!(verified.is_ok(), good, "{given:?}");
        match verified {
            Ok(callback) => assert_eq!(callback.body(), b"body"),
            Err(error) => assert_eq!(error, CallbackError::Unauthentic),
        }
    }
}

#[test]
fn an_empty_secret_matches_nothing() {
    for (name, value) in [
        ("x-vapi-secret", ""),
        ("authorization", "Bearer "),
        ("authorization", ""),
    ] {
        let headers = headers(&[(name, value)]);
        let raw = RawCallback {
            headers: &headers,
            body: b"",
        };
        assert!(VAPI.verify_callback(raw, "").is_err(), "{name}: {value}");
    }
}

#[test]
fn no_text_holds_what_a_database_cannot_store() {
    let text = report()
        .to_string()
        .replace("User: Hello", r"User: Hel\u0000lo");
    let text = text.replace("customer-ended-call", r"customer-\u0000ended-call");
    assert!(text.contains(r"\u0000"));
    let events = callback_bytes(text.as_bytes());
    let Ok([event]) = events.as_deref() else {
        panic!("one event: {events:?}")
    };
    let transcript = end_of(event).transcript.as_deref();
    assert!(transcript.is_some_and(|text| text.contains("User: Hello")));
    assert!(!format!("{event:?}").contains(r"\0"), "{event:?}");
}
