//! What must hold for every answer and every callback, however broken.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{KEY, answer, callback_bytes};
use crate::model::{PlaceAnswer, Provider, ProviderAnswer};
use crate::vapi::VAPI;
use crate::vapi::ended_reason::judge;

/// Words of the vendor's format, so that random documents get past the first check.
const FIELDS: &[&str] = &[
    "id",
    "name",
    "status",
    "message",
    "type",
    "call",
    "customer",
    "number",
    "externalId",
    "endedReason",
    "startedAt",
    "endedAt",
    "timestamp",
    "cost",
    "artifact",
    "analysis",
    "structuredData",
    "assistantOverrides",
    "metadata",
    "attempt_id",
    "monitor",
    "controlUrl",
    "subscriptionLimits",
    "concurrencyBlocked",
    "error",
    "transcript",
    "recordingUrl",
];
const WORDS: &[&str] = &[
    "",
    "ended",
    "queued",
    "ringing",
    "status-update",
    "end-of-call-report",
    "voicemail",
    KEY,
    "Over Concurrency Limit",
    "2026-03-26T15:43:16Z",
    "https://x.example/",
    "E.164",
    "\u{0}ü",
];

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        let field = prop::sample::select(FIELDS).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((field, inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        documents().prop_map(|document| document.to_string().into_bytes()),
        documents().prop_map(|document| json!({"message": document}).to_string().into_bytes()),
        // Cut or flipped somewhere, as by a broken connection.
        (documents(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(document, at, byte)| {
                let mut bytes = document.to_string().into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }
        ),
        (documents(), any::<prop::sample::Index>()).prop_map(|(document, at)| {
            let mut bytes = document.to_string().into_bytes();
            bytes.truncate(at.index(bytes.len()));
            bytes
        }),
    ]
}

fn statuses() -> impl Strategy<Value = u16> {
    prop_oneof![
        any::<u16>(),
        100..600_u16,
        Just(200),
        Just(201),
        Just(400),
        Just(429)
    ]
}

fn read_everything(answer: &ProviderAnswer) {
    let _ = VAPI.read_place_call(answer);
    let _ = VAPI.read_get_call(answer);
    let _ = VAPI.read_search_calls(answer);
    let _ = VAPI.read_hang_up(answer);
    let _ = VAPI.read_verify_credentials(answer);
    let _ = VAPI.read_get_assistant(answer);
    let _ = VAPI.read_list_assistants(answer);
    let _ = VAPI.read_get_phone_number(answer);
    let _ = VAPI.read_list_phone_numbers(answer);
}

/// The id in a body, read in the plainest way.
fn id_of(body: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_str(&String::from_utf8_lossy(body)).ok()?;
    document.as_object()?.get("id")?.as_str().map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..Default::default() })]

    #[test]
    fn no_bytes_panic_any_reader(status in statuses(), body in bodies()) {
        let _ = callback_bytes(&body);
        read_everything(&answer(status, body));
    }

    #[test]
    fn placed_needs_a_success_and_an_id(status in statuses(), body in bodies()) {
        let id = id_of(&body);
        if let PlaceAnswer::Placed { provider_call_id, .. } =
            VAPI.read_place_call(&answer(status, body))
        {
            prop_assert!((200..300).contains(&status));
            prop_assert!(!provider_call_id.trim().is_empty());
            prop_assert_eq!(Some(provider_call_id), id);
        }
    }

    #[test]
    fn refused_needs_one_of_the_documented_statuses(status in statuses(), body in bodies()) {
        let documented = [400, 401, 402, 403, 404, 429];
        match VAPI.read_place_call(&answer(status, body)) {
            PlaceAnswer::Refused { message, .. } => {
                prop_assert!(documented.contains(&status));
                prop_assert!(message.chars().count() <= 500);
            }
            PlaceAnswer::Unknown { message } => {
                prop_assert!(!documented.contains(&status));
                prop_assert!(message.chars().count() <= 500);
            }
            PlaceAnswer::Placed { .. } => prop_assert!((200..300).contains(&status)),
        }
    }

    #[test]
    fn every_event_names_a_call_and_a_short_key(body in bodies()) {
        for event in callback_bytes(&body).unwrap_or_default() {
            prop_assert!(!event.provider_call_id.trim().is_empty());
            let key = event.attempt_key.unwrap_or_else(|| KEY.to_owned());
            prop_assert!((1..=40).contains(&key.chars().count()));
        }
    }

    #[test]
    fn any_reason_is_judged(reason in ".{0,60}") {
        let judged = judge(Some(&reason), None);
        prop_assert!(judged.recognised || judged.outcome == domain::Outcome::FailedTransient);
    }
}
