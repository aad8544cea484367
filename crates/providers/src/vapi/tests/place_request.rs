//! The request that places a call.

use http::Method;
use serde_json::json;

use super::{KEY, json as parse, line, place_call};
use crate::model::{CallingEntity, LineAccess, Provider};
use crate::vapi::{SANDBOX, VAPI};

#[test]
fn a_call_by_an_assistant_has_exactly_the_documented_body() {
    let request = VAPI.place_call(&line(), &place_call(CallingEntity::Assistant));
    assert_eq!(
        (request.method, request.url.as_str()),
        (Method::POST, "https://api.vapi.ai/call")
    );
    assert_eq!(request.headers["authorization"], "Bearer key-1");
    assert!(request.headers["authorization"].is_sensitive());
    assert_eq!(request.headers["content-type"], "application/json");
    let expected = json!({
        "name": "01J9ZQ3W8V6T5R4E3W2Q1A0S9D",
        "assistantId": "speaker-1",
        "assistantOverrides": {
            "variableValues": {"first_name": "Ann", "visits": 3},
            "metadata": {"attempt_id": "01J9ZQ3W8V6T5R4E3W2Q1A0S9D", "campaign_id": "campaign-7"},
            "serverMessages": ["status-update", "end-of-call-report", "hang"],
            "server": {
                "url": "https://us.example/hooks/vapi/line/01J9ZQ3W8V6T5R4E3W2Q1A0S9D",
                "headers": {"X-Vapi-Secret": "whsec_5f1c"},
                "timeoutSeconds": 20,
                "backoffPlan": {"type": "exponential", "maxRetries": 5, "baseDelaySeconds": 1}
            }
        },
        "phoneNumberId": "number-1",
        "customer": {
            "number": "+14155550123",
            "name": "Ann",
            "externalId": "01J9ZQ3W8V6T5R4E3W2Q1A0S9D"
        }
    });
    assert_eq!(parse(&request.body), expected);
}

#[test]
fn a_squad_speaks_with_the_same_overrides_under_its_own_name() {
    let squad = parse(
        &VAPI
            .place_call(&line(), &place_call(CallingEntity::Squad))
            .body,
    );
    let assistant = parse(
        &VAPI
            .place_call(&line(), &place_call(CallingEntity::Assistant))
            .body,
    );
    assert_eq!(squad["squadId"], "speaker-1");
    assert_eq!(squad["squadOverrides"], assistant["assistantOverrides"]);
    assert!(squad.get("assistantId").is_none() && squad.get("assistantOverrides").is_none());
}

#[test]
fn a_workflow_gets_variables_only_because_its_overrides_know_nothing_else() {
    let body = parse(
        &VAPI
            .place_call(&line(), &place_call(CallingEntity::Workflow))
            .body,
    );
    let expected = json!({
        "name": KEY,
        "workflowId": "speaker-1",
        "workflowOverrides": {"variableValues": {"first_name": "Ann", "visits": 3}},
        "phoneNumberId": "number-1",
        "customer": {"number": "+14155550123", "name": "Ann", "externalId": KEY}
    });
    assert_eq!(body, expected);
}

#[test]
fn without_a_public_address_no_reports_are_asked_for() {
    let mut call = place_call(CallingEntity::Assistant);
    call.callback = None;
    let body = parse(&VAPI.place_call(&line(), &call).body);
    let overrides = &body["assistantOverrides"];
    assert!(overrides.get("server").is_none() && overrides.get("serverMessages").is_none());
    assert_eq!(overrides["metadata"]["attempt_id"], KEY);
}

#[test]
fn a_name_is_cut_between_characters_and_left_out_when_blank() {
    let mut call = place_call(CallingEntity::Assistant);
    for (given, sent) in [
        (Some("Ü".repeat(41)), Some("Ü".repeat(40))),
        (Some("  Ann  ".to_owned()), Some("Ann".to_owned())),
        (Some("   ".to_owned()), None),
        (None, None),
    ] {
        call.customer_name = given;
        let body = parse(&VAPI.place_call(&line(), &call).body);
        let name = body["customer"].get("name").and_then(|name| name.as_str());
        assert_eq!(name, sent.as_deref());
    }
}

#[test]
fn the_sandbox_needs_no_key_of_its_own() {
    let mut bare = LineAccess {
        base_url: "http://127.0.0.1:9100/vapi/".to_owned(),
        ..line()
    };
    bare.credentials.0.clear();
    let request = SANDBOX.place_call(&bare, &place_call(CallingEntity::Assistant));
    assert_eq!(request.url, "http://127.0.0.1:9100/vapi/call");
    assert_eq!(request.headers["authorization"], "Bearer sandbox");
    assert_eq!(
        SANDBOX.get_call(&line(), "c1").headers["authorization"],
        "Bearer key-1"
    );
}
