//! Answers of look-ups.

use domain::Outcome;
use serde_json::{Value, json};

use super::{KEY, answer, answer_json, end_of, instant, looked_up};
use crate::model::{
    Assistant, CallStatus, EndFault, EndOutcome, LookupError, Provider, ProviderNumber,
};
use crate::vapi::VAPI;

fn call(status: &str) -> Value {
    json!({
        "id": "c-1", "status": status, "name": KEY,
        "createdAt": "2026-03-26T15:43:16.145Z", "customer": {"number": "+14155550123"},
        "monitor": {"controlUrl": "https://calls.vapi.ai/1/control"}
    })
}

#[test]
fn progress_is_read_from_the_status() {
    for (status, expected) in [
        ("scheduled", CallStatus::Queued),
        ("queued", CallStatus::Queued),
        ("ringing", CallStatus::Ringing),
        ("in-progress", CallStatus::InProgress),
        ("forwarding", CallStatus::InProgress),
        ("deletion-failed", CallStatus::Queued),
        ("something-new", CallStatus::Queued),
    ] {
        let event = looked_up(&call(status));
        assert_eq!(event.status, expected, "{status}");
        assert_eq!(event.attempt_key.as_deref(), Some(KEY));
        assert_eq!(event.provider_call_id, "c-1");
        assert_eq!(event.to.as_deref(), Some("+14155550123"));
        assert_eq!(
            event.control_url.as_deref(),
            Some("https://calls.vapi.ai/1/control")
        );
    }
}

#[test]
fn an_unknown_status_claims_what_the_instants_prove() {
    let mut body = call("paused");
    body["startedAt"] = json!("2026-03-26T15:43:20Z");
    let event = looked_up(&body);
    assert_eq!(event.status, CallStatus::InProgress);
    assert_eq!(event.at, Some(instant("2026-03-26T15:43:20Z")));
    body["endedAt"] = json!("2026-03-26T15:44:20Z");
    let event = looked_up(&body);
    let expected = EndOutcome {
        outcome: Outcome::Answered,
        fault: EndFault::None,
        recognised: false,
    };
    assert_eq!(end_of(&event).outcome, Some(expected));
}

#[test]
fn an_ended_call_brings_what_it_left_behind() {
    let mut body = call("ended");
    body["endedReason"] = json!("customer-ended-call");
    body["startedAt"] = json!("2026-03-26T15:43:20.000Z");
    body["endedAt"] = json!("2026-03-26T15:44:20.500Z");
    body["costBreakdown"] = json!({"total": 0.081_25});
    body["artifact"] = json!({
        "transcript": "AI: Hi\nUser: Hello",
        "recording": {"mono": {"combinedUrl": "https://rec.example/m.wav"}}
    });
    body["analysis"] = json!({"summary": "Said hello.", "structuredData": {"mood": "good"}});
    let event = looked_up(&body);
    let end = end_of(&event);
    assert_eq!(event.at, Some(instant("2026-03-26T15:44:20.5Z")));
    assert_eq!(end.started_at, Some(instant("2026-03-26T15:43:20Z")));
    assert_eq!(end.ended_at, event.at);
    assert_eq!(end.reason.as_deref(), Some("customer-ended-call"));
    assert_eq!(end.cost_micro_usd, Some(81_250));
    assert_eq!(end.transcript.as_deref(), Some("AI: Hi\nUser: Hello"));
    assert_eq!(
        end.recording_url.as_deref(),
        Some("https://rec.example/m.wav")
    );
    assert_eq!(end.summary.as_deref(), Some("Said hello."));
    assert_eq!(end.structured_data, Some(json!({"mood": "good"})));
    assert!(end.final_report);
}

#[test]
fn a_report_is_final_only_when_there_is_something_in_it() {
    let mut body = call("ended");
    body["endedReason"] = json!("customer-did-not-answer");
    body["artifact"] = json!({"messages": []});
    body["analysis"] = json!({});
    let event = looked_up(&body);
    assert!(!end_of(&event).final_report);
    assert_eq!(
        end_of(&event).outcome.map(|it| it.outcome),
        Some(Outcome::NoAnswer)
    );
    body["analysis"] = json!({"successEvaluation": "false"});
    assert!(end_of(&looked_up(&body)).final_report);
}

#[test]
fn no_such_object_bad_key_and_the_rest_are_told_apart() {
    let lost = [
        answer(404, ""),
        answer(400, r#"{"message":["id must be a UUID"]}"#),
        answer(200, r#"{"id":"c-1","status":"not-found"}"#),
    ];
    for one in &lost {
        assert_eq!(VAPI.read_get_call(one), Err(LookupError::NotFound));
    }
    for status in [401, 403] {
        let refused = answer(status, r#"{"message":"Invalid Key"}"#);
        let text = format!("HTTP {status}: Invalid Key");
        assert_eq!(
            VAPI.read_get_call(&refused),
            Err(LookupError::Unauthorized(text.clone()))
        );
        assert_eq!(
            VAPI.read_verify_credentials(&refused),
            Err(LookupError::Unauthorized(text))
        );
    }
    for one in [
        answer(500, ""),
        answer(429, "slow"),
        answer(302, ""),
        answer(400, "no"),
    ] {
        assert!(matches!(
            VAPI.read_get_call(&one),
            Err(LookupError::Unexpected(_))
        ));
    }
    for body in [
        "",
        "[]",
        "[{\"id\":\"c-1\"}]",
        "null",
        "{}",
        "{\"id\":\"\"}",
        "<html>",
    ] {
        let unreadable = VAPI.read_get_call(&answer(200, body));
        assert!(
            matches!(unreadable, Err(LookupError::Unexpected(_))),
            "{body}"
        );
    }
}

#[test]
fn a_search_gives_every_call_and_admits_when_it_may_be_cut() {
    let page = |rows: usize| Value::Array(vec![call("ringing"); rows]);
    for (rows, cut) in [
        (0, false),
        (2, false),
        (999, false),
        (1_000, true),
        (1_001, true),
    ] {
        let found = VAPI.read_search_calls(&answer_json(200, &page(rows)));
        assert_eq!(
            found.map(|(events, cut)| (events.len(), cut)),
            Ok((rows, cut))
        );
    }
    let odd = json!([call("queued"), {"name": KEY}, 7, null, ["c-9"]]);
    let found = VAPI.read_search_calls(&answer_json(200, &odd));
    assert_eq!(
        found.map(|(events, cut)| (events.len(), cut)),
        Ok((1, true))
    );
    for bad in [
        answer(200, "{}"),
        answer(200, "["),
        answer(404, "[]"),
        answer(503, "[]"),
    ] {
        let failed = VAPI.read_search_calls(&bad);
        assert!(matches!(failed, Err(LookupError::Unexpected(_))), "{bad:?}");
    }
}

#[test]
fn the_attempt_key_is_found_wherever_the_vendor_echoes_it() {
    for body in [
        json!({"id": "c", "assistantOverrides": {"metadata": {"attempt_id": KEY}}, "name": "x"}),
        json!({"id": "c", "squadOverrides": {"metadata": {"attempt_id": KEY}}, "name": "x"}),
        json!({"id": "c", "workflowOverrides": {"metadata": {"attempt_id": KEY}}, "name": "x"}),
        json!({"id": "c", "assistantOverrides": {"metadata": {"attempt_id": 5}}, "name": KEY}),
        json!({"id": "c", "assistantOverrides": "odd", "name": KEY}),
        json!({"id": "c", "name": "", "customer": {"externalId": KEY}}),
        json!({"id": "c", "name": "n".repeat(41), "customer": {"externalId": KEY}}),
    ] {
        assert_eq!(looked_up(&body).attempt_key.as_deref(), Some(KEY), "{body}");
    }
    assert_eq!(looked_up(&json!({"id": "c"})).attempt_key, None);
}

#[test]
fn credentials_are_proven_by_a_list_only() {
    assert_eq!(VAPI.read_verify_credentials(&answer(200, "[]")), Ok(()));
    for body in ["", "{}", "<html>welcome</html>"] {
        let read = VAPI.read_verify_credentials(&answer(200, body));
        assert!(matches!(read, Err(LookupError::Unexpected(_))), "{body}");
    }
}

#[test]
fn a_hang_up_is_taken_or_its_address_is_gone() {
    for status in [200, 204] {
        assert_eq!(VAPI.read_hang_up(&answer(status, "")), Ok(()), "{status}");
    }
    for status in [404, 410] {
        let gone = VAPI.read_hang_up(&answer(status, ""));
        assert_eq!(gone, Err(LookupError::NotFound), "{status}");
    }
    assert!(VAPI.read_hang_up(&answer(500, "")).is_err());
    assert!(VAPI.read_hang_up(&answer(302, "")).is_err());
}

#[test]
fn assistants_are_read_with_their_names() {
    let named = |id: &str, name: Option<&str>| Assistant {
        assistant_id: id.to_owned(),
        name: name.map(str::to_owned),
    };
    let one = answer(200, r#"{"id":"a-1","name":" Ann ","model":{}}"#);
    assert_eq!(VAPI.read_get_assistant(&one), Ok(named("a-1", Some("Ann"))));
    let unnamed = answer(200, r#"{"id":"w-1","name":7}"#);
    assert_eq!(VAPI.read_get_assistant(&unnamed), Ok(named("w-1", None)));
    assert_eq!(
        VAPI.read_get_assistant(&answer(404, "")),
        Err(LookupError::NotFound)
    );
    let list = answer(
        200,
        r#"[{"id":"a-1"},{"name":"no id"},5,{"id":"a-2","name":"B"}]"#,
    );
    assert_eq!(
        VAPI.read_list_assistants(&list),
        Ok(vec![named("a-1", None), named("a-2", Some("B"))])
    );
    let many = Value::Array(vec![json!({"id": "a"}); 1_500]);
    let read = VAPI.read_list_assistants(&answer_json(200, &many));
    assert_eq!(read.map(|rows| rows.len()), Ok(1_000));
}

#[test]
fn numbers_are_read_and_shown_in_e164_only() {
    let list = answer(
        200,
        r#"[{"id":"n-1","provider":"twilio","number":"+14155550100","name":"Main"},
            {"id":"n-2","provider":"byo-phone-number","number":"5550100"},
            {"id":"n-3","provider":"vapi","sipUri":"sip:x@y"}]"#,
    );
    let number = |id: &str, e164: Option<&str>, name: Option<&str>| ProviderNumber {
        phone_number_id: id.to_owned(),
        e164: e164.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    assert_eq!(
        VAPI.read_list_phone_numbers(&list),
        Ok(vec![
            number("n-1", Some("+14155550100"), Some("Main")),
            number("n-2", None, None),
            number("n-3", None, None)
        ])
    );
    let one = answer(200, r#"{"id":"n-1","number":"+14155550100"}"#);
    assert_eq!(
        VAPI.read_get_phone_number(&one),
        Ok(number("n-1", Some("+14155550100"), None))
    );
    assert_eq!(
        VAPI.read_get_phone_number(&answer(404, "")),
        Err(LookupError::NotFound)
    );
}
