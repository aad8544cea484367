//! What an answer to "place this call" proves.

use domain::Outcome;
use http::HeaderValue;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::{KEY, answer, answer_json, end_of, placed};
use crate::model::{CallStatus, EndFault, PlaceAnswer, Provider, ProviderAnswer, Refusal};
use crate::vapi::VAPI;

fn created() -> Value {
    json!({
        "id": "019d2ad0-6eb1-7aac-9377-0fc25d8bc1ad", "orgId": "org", "type": "outboundPhoneCall",
        "status": "queued", "createdAt": "2026-03-26T15:43:16.145Z", "name": KEY, "cost": 0,
        "customer": {"name": "Ann", "number": "+14155550123", "externalId": KEY},
        "assistantOverrides": {"metadata": {"attempt_id": KEY}},
        "monitor": {"listenUrl": "wss://x", "controlUrl": "https://calls.vapi.ai/1/control"},
        "subscriptionLimits": {
            "concurrencyBlocked": false, "concurrencyLimit": 10, "remainingConcurrentCalls": 8
        }
    })
}

fn refusal(answer: &ProviderAnswer) -> Refusal {
    match VAPI.read_place_call(answer) {
        PlaceAnswer::Refused { refusal, .. } => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn is_unknown(answer: &ProviderAnswer) -> bool {
    matches!(VAPI.read_place_call(answer), PlaceAnswer::Unknown { .. })
}

#[test]
fn a_created_call_is_placed_with_its_control_address() {
    for status in [200, 201, 202] {
        let (id, control_url, events) = placed(&answer_json(status, &created()));
        assert_eq!(id, "019d2ad0-6eb1-7aac-9377-0fc25d8bc1ad");
        assert_eq!(
            control_url.as_deref(),
            Some("https://calls.vapi.ai/1/control")
        );
        assert_eq!(events, []);
    }
}

#[test]
fn a_success_that_names_no_call_proves_nothing() {
    let bodies = [
        json!({}),
        json!({"id": ""}),
        json!({"id": "  "}),
        json!({"id": 7}),
        json!({"id": null}),
        json!({"id": "x".repeat(201)}),
        json!(["019d", "queued"]),
        json!([{"id": "019d"}]),
        json!("019d"),
        json!({"results": [{"id": "019d"}], "errors": []}),
        json!({"call": {"id": "019d"}}),
    ];
    for body in bodies {
        assert!(is_unknown(&answer_json(201, &body)), "{body}");
    }
    for text in [
        "",
        "OK",
        "<html>",
        "{\"id\":\"019d\"",
        "{\"id\":\"019d\"} trailing",
    ] {
        assert!(is_unknown(&answer(201, text)), "{text}");
    }
}

#[test]
fn a_call_blocked_by_concurrency_exists_but_never_rang() {
    let mut body = created();
    body["subscriptionLimits"]["concurrencyBlocked"] = json!(true);
    let (id, _, events) = placed(&answer_json(201, &body));
    let [event] = events.as_slice() else {
        panic!("one event: {events:?}")
    };
    assert_eq!(
        (
            event.provider_call_id.as_str(),
            event.attempt_key.as_deref()
        ),
        (&*id, Some(KEY))
    );
    let Some(outcome) = end_of(event).outcome else {
        panic!("an outcome")
    };
    assert_eq!(outcome.outcome, Outcome::FailedTransient);
    assert_eq!(
        (outcome.fault, outcome.recognised),
        (EndFault::Capacity, true)
    );
}

#[test]
fn signs_of_life_outweigh_the_concurrency_flag() {
    for (field, value) in [("status", "ringing"), ("startedAt", "2026-03-26T15:43:18Z")] {
        let mut body = created();
        body["subscriptionLimits"]["concurrencyBlocked"] = json!(true);
        body[field] = json!(value);
        let (_, _, events) = placed(&answer_json(201, &body));
        let over = events
            .iter()
            .any(|event| matches!(event.status, CallStatus::Ended(_)));
        assert!(!over, "{field}");
    }
}

#[test]
fn a_call_that_is_over_at_once_says_how() {
    let mut body = created();
    body["status"] = json!("ended");
    body["endedReason"] = json!("call.start.error-subscription-insufficient-credits");
    let (_, _, events) = placed(&answer_json(201, &body));
    let [event] = events.as_slice() else {
        panic!("one event: {events:?}")
    };
    let Some(outcome) = end_of(event).outcome else {
        panic!("an outcome")
    };
    assert_eq!(
        (outcome.outcome, outcome.fault),
        (Outcome::FailedPermanent, EndFault::Configuration)
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_bad_request_is_classified_by_its_text() {
    let cases = [
        (
            json!({"error": "Over Concurrency Limit"}),
            Refusal::Capacity,
        ),
        (
            json!({"message": "Concurrent call limit of 10 reached"}),
            Refusal::Capacity,
        ),
        (
            json!({"message": "Numbers Bought On Vapi Have A Daily Outbound Call Limit. Import."}),
            Refusal::NumberDailyLimit,
        ),
        (
            json!({"message": "Wallet has insufficient credits"}),
            Refusal::Payment,
        ),
        (
            json!({"message": "Billing limit reached"}),
            Refusal::Payment,
        ),
        (json!({"message": "Subscription frozen"}), Refusal::Payment),
        (
            json!({"message": ["customer.number must be a valid phone number in the E.164 format"],
                   "error": "Bad Request", "statusCode": 400}),
            Refusal::InvalidNumber,
        ),
        (
            json!({"message": "customer.number must be a string"}),
            Refusal::InvalidNumber,
        ),
        (
            json!({"message": "Not a valid phone number"}),
            Refusal::InvalidNumber,
        ),
        (
            json!({"message": "customer.number is not E164; see numberE164CheckEnabled"}),
            Refusal::InvalidNumber,
        ),
        (
            json!({"message": ["property foo should not exist"]}),
            Refusal::Configuration,
        ),
        (
            json!({"message": ["property foo should not exist",
                               "customer.number must be a valid phone number"]}),
            Refusal::Configuration,
        ),
        (
            json!({"message": "phoneNumber.number must be a valid phone number (E.164)"}),
            Refusal::Configuration,
        ),
        (
            json!({"message": "customer.numberE164CheckEnabled must be a boolean"}),
            Refusal::Configuration,
        ),
        (
            json!({"message": "assistantId must be a UUID"}),
            Refusal::Configuration,
        ),
        (
            json!({"message": "Couldn't Get Phone Number"}),
            Refusal::Configuration,
        ),
        (json!({}), Refusal::Configuration),
        (json!([1, 2]), Refusal::Configuration),
    ];
    for (body, expected) in cases {
        assert_eq!(refusal(&answer_json(400, &body)), expected, "{body}");
    }
    assert_eq!(
        refusal(&answer(400, "Over Concurrency Limit")),
        Refusal::Capacity
    );
    assert_eq!(refusal(&answer(400, "")), Refusal::Configuration);
}

#[test]
fn documented_failures_of_the_request_are_refusals() {
    let body = json!({"message": "no", "statusCode": 0});
    for (status, expected) in [
        (401, Refusal::Credentials),
        (403, Refusal::Credentials),
        (402, Refusal::Payment),
        (404, Refusal::Configuration),
        (
            429,
            Refusal::RateLimited {
                retry_after_ms: None,
            },
        ),
    ] {
        assert_eq!(refusal(&answer_json(status, &body)), expected, "{status}");
    }
}

#[test]
fn too_many_requests_says_when_to_come_back_if_the_vendor_did() {
    for (header, expected) in [
        ("7", Some(7_000)),
        (" 0 ", Some(0)),
        ("99999999", Some(86_400_000)),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ] {
        let mut limited = answer(429, r#"{"message":"Rate limit exceeded"}"#);
        limited
            .headers
            .insert(RETRY_AFTER, HeaderValue::from_static(header));
        assert_eq!(
            refusal(&limited),
            Refusal::RateLimited {
                retry_after_ms: expected
            },
            "{header}"
        );
    }
    let full = answer(429, r#"{"message":"Over Concurrency Limit"}"#);
    assert_eq!(refusal(&full), Refusal::Capacity);
}

#[test]
fn everything_else_proves_nothing_whatever_its_body_says() {
    let bodies = [
        created().to_string(),
        json!({"message": "Over Concurrency Limit"}).to_string(),
        "upstream timed out".to_owned(),
    ];
    let definite = [400, 401, 402, 403, 404, 429];
    let others = (100..200)
        .chain(300..600)
        .filter(|status| !definite.contains(status));
    for status in others.chain([0, 999]) {
        for body in &bodies {
            assert!(is_unknown(&answer(status, body.clone())), "{status} {body}");
        }
    }
}

#[test]
fn the_vendors_words_are_cut_and_cleaned_for_people() {
    let long = json!({"message": ["ü".repeat(400), "b\u{0}\n".repeat(200)]});
    let PlaceAnswer::Refused { message, .. } = VAPI.read_place_call(&answer_json(400, &long))
    else {
        panic!("a refusal")
    };
    assert_eq!(message.chars().count(), 500);
    assert!(message.starts_with('ü') && !message.contains(char::is_control));
    let PlaceAnswer::Unknown { message } = VAPI.read_place_call(&answer(503, "x".repeat(9_000)))
    else {
        panic!("unknown")
    };
    assert!(message.starts_with("HTTP 503: xxx") && message.len() == 500);
}
