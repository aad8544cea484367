//! Requests for look-ups, the credentials' shape, and the facts about the vendor.

use http::Method;
use serde_json::json;

use super::{credentials, instant, line};
use crate::model::{CallSearch, CallingEntity, LineAccess, Provider, ProviderRequest};
use crate::vapi::{SANDBOX, VAPI};

fn assert_get(request: &ProviderRequest, url: &str) {
    assert_eq!((&request.method, request.url.as_str()), (&Method::GET, url));
    assert_eq!(request.headers["authorization"], "Bearer key-1");
    assert!(request.body.is_empty());
}

fn search(entity: CallingEntity) -> CallSearch {
    CallSearch {
        assistant_id: "a&b".to_owned(),
        entity,
        phone_number_id: "number 1".to_owned(),
        created_from: instant("2026-03-26T15:43:16.145999Z"),
        created_until: instant("2026-03-26T15:45:00.000001Z"),
    }
}

#[test]
fn objects_are_asked_for_by_kind_and_id() {
    let root = "https://api.vapi.ai";
    let line = line();
    assert_get(&VAPI.get_call(&line, "c-1"), &format!("{root}/call/c-1"));
    for (entity, collection) in [
        (CallingEntity::Assistant, "assistant"),
        (CallingEntity::Workflow, "workflow"),
        (CallingEntity::Squad, "squad"),
    ] {
        assert_get(
            &VAPI.get_assistant(&line, entity, "x"),
            &format!("{root}/{collection}/x"),
        );
    }
    assert_get(
        &VAPI.get_phone_number(&line, "n"),
        &format!("{root}/phone-number/n"),
    );
    assert_get(
        &VAPI.verify_credentials(&line),
        &format!("{root}/assistant?limit=1"),
    );
    assert_get(
        &VAPI.list_assistants(&line),
        &format!("{root}/assistant?limit=1000"),
    );
    assert_get(
        &VAPI.list_phone_numbers(&line),
        &format!("{root}/phone-number?limit=1000"),
    );
}

#[test]
fn an_id_stays_one_path_segment_whatever_it_holds() {
    for (id, segment) in [
        ("../assistant?limit=1", "..%2Fassistant%3Flimit%3D1"),
        ("a b#ü%", "a%20b%23%C3%BC%25"),
        (".", "%252E"),
        ("..", "%252E%252E"),
    ] {
        let url = VAPI.get_call(&line(), id).url;
        assert_eq!(url, format!("https://api.vapi.ai/call/{segment}"));
        let parsed = url::Url::parse(&url).map(|url| url.path().to_owned());
        assert_eq!(
            parsed,
            Ok(format!("/call/{segment}")),
            "no folder is resolved"
        );
    }
}

#[test]
fn a_search_names_the_window_in_milliseconds_that_never_shrink_it() {
    assert_get(
        &VAPI.search_calls(&line(), &search(CallingEntity::Assistant)),
        "https://api.vapi.ai/call?assistantId=a%26b&phoneNumberId=number+1\
         &createdAtGe=2026-03-26T15%3A43%3A16.145Z&createdAtLe=2026-03-26T15%3A45%3A00.001Z\
         &limit=1000",
    );
}

#[test]
fn a_search_for_squads_and_workflows_has_no_filter_for_who_speaks() {
    for entity in [CallingEntity::Squad, CallingEntity::Workflow] {
        let url = VAPI.search_calls(&line(), &search(entity)).url;
        assert!(
            !url.contains("a%26b") && url.contains("phoneNumberId="),
            "{url}"
        );
    }
}

#[test]
fn hanging_up_posts_to_the_control_address_without_the_key() {
    let control = "https://calls.vapi.ai/1/control?x=1";
    let Some(request) = VAPI.hang_up(&line(), "c-1", Some(control)) else {
        panic!("a request")
    };
    assert_eq!(
        (request.method, request.url.as_str()),
        (Method::POST, control)
    );
    assert_eq!(&request.body[..], br#"{"type":"end-call"}"#);
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn hanging_up_needs_an_address_that_is_as_safe_as_the_line() {
    let refused = [
        "",
        "/control",
        "http://calls.vapi.ai/1",
        "wss://calls.vapi.ai/1",
        "file:///etc/passwd",
        "https://user:word@calls.vapi.ai/1",
    ];
    for control in refused {
        assert!(
            VAPI.hang_up(&line(), "c-1", Some(control)).is_none(),
            "{control}"
        );
    }
    assert!(VAPI.hang_up(&line(), "c-1", None).is_none());
    let local = LineAccess {
        base_url: "http://127.0.0.1:9100/vapi".to_owned(),
        ..line()
    };
    assert!(
        SANDBOX
            .hang_up(&local, "c-1", Some("http://127.0.0.1:9100/c"))
            .is_some()
    );
}

#[test]
fn credentials_are_a_key_and_perhaps_the_organisation() {
    let faults = |value| VAPI.check_credentials(&credentials(value));
    assert_eq!(faults(json!({"api_key": "k"})), []);
    assert_eq!(
        faults(json!({"api_key": "k".repeat(500), "organization_id": "o"})),
        []
    );
    for bad in [
        json!({}),
        json!({"api_key": ""}),
        json!({"api_key": null}),
        json!({"api_key": 7}),
        json!({"api_key": "k".repeat(501)}),
        json!({"api_key": "a b"}),
        json!({"api_key": "a\nb"}),
        json!({"api_key": "schlüssel"}),
    ] {
        let found = faults(bad.clone());
        assert!(
            matches!(found.as_slice(), [(field, _)] if field == "api_key"),
            "{bad}: {found:?}"
        );
    }
    let found = faults(json!({"apiKey": "k", "organization_id": 1}));
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["api_key", "apiKey", "organization_id"]);
}

#[test]
fn the_sandbox_takes_no_credentials_or_good_ones() {
    assert_eq!(SANDBOX.check_credentials(&credentials(json!({}))), []);
    assert_eq!(
        SANDBOX.check_credentials(&credentials(json!({"api_key": "k"}))),
        []
    );
    assert_eq!(
        SANDBOX
            .check_credentials(&credentials(json!({"api_key": ""})))
            .len(),
        1
    );
    assert_eq!(
        SANDBOX
            .check_credentials(&credentials(json!({"seed": 1})))
            .len(),
        1
    );
}

#[test]
fn both_differ_only_in_how_soon_their_list_is_trusted() {
    let (vapi, sandbox) = (VAPI.capabilities(), SANDBOX.capabilities());
    assert_eq!(
        (vapi.list_settle_ms, sandbox.list_settle_ms),
        (900_000, 30_000)
    );
    assert_eq!(
        (
            vapi.default_max_concurrent_calls,
            vapi.default_max_calls_per_second
        ),
        (10, 5)
    );
    assert_eq!(vapi.max_talk_ms, sandbox.max_talk_ms);
}
