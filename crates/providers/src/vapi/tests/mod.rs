//! Tests of the adapter through the trait, with fixtures in the documented shapes.

mod callback;
mod ended_reason;
mod place_answer;
mod place_request;
mod properties;
mod read;
mod requests;

use bytes::Bytes;
use domain::PhoneNumber;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::VAPI;
use crate::model::{
    CallEnd, CallEvent, CallStatus, CallbackTarget, CallingEntity, Credentials, LineAccess,
    PlaceAnswer, PlaceCall, Provider, ProviderAnswer, RawCallback,
};

/// The key every fixture carries.
const KEY: &str = "01J9ZQ3W8V6T5R4E3W2Q1A0S9D";
const SECRET: &str = "whsec_5f1c";

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("not JSON: {error}"))
}

fn instant(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn credentials(value: Value) -> Credentials {
    Credentials(object(value))
}

fn line() -> LineAccess {
    LineAccess {
        base_url: "https://api.vapi.ai".to_owned(),
        credentials: credentials(serde_json::json!({"api_key": "key-1"})),
    }
}

fn place_call(entity: CallingEntity) -> PlaceCall {
    let Some(to) = PhoneNumber::parse("+14155550123") else {
        panic!("a good number")
    };
    PlaceCall {
        attempt_key: KEY.to_owned(),
        campaign_id: "campaign-7".to_owned(),
        entity,
        assistant_id: "speaker-1".to_owned(),
        phone_number_id: "number-1".to_owned(),
        to,
        customer_name: Some("Ann".to_owned()),
        variables: object(serde_json::json!({"first_name": "Ann", "visits": 3})),
        callback: Some(CallbackTarget {
            url: format!("https://us.example/hooks/vapi/line/{KEY}"),
            secret: SECRET.to_owned(),
        }),
    }
}

fn answer(status: u16, body: impl Into<Bytes>) -> ProviderAnswer {
    ProviderAnswer {
        status,
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

fn answer_json(status: u16, body: &Value) -> ProviderAnswer {
    answer(status, body.to_string())
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let Ok(value) = HeaderValue::from_str(value) else {
            panic!("a good value")
        };
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

/// The events of a callback with the right secret.
fn callback_bytes(body: &[u8]) -> Result<Vec<CallEvent>, crate::model::CallbackError> {
    let headers = headers(&[("x-vapi-secret", SECRET)]);
    let verified = VAPI.verify_callback(
        RawCallback {
            headers: &headers,
            body,
        },
        SECRET,
    )?;
    VAPI.read_callback(&verified)
}

/// The only event of a callback.
fn callback_event(body: &Value) -> CallEvent {
    match callback_bytes(body.to_string().as_bytes()).as_deref() {
        Ok([event]) => event.clone(),
        other => panic!("not one event: {other:?}"),
    }
}

/// The only event of a `GET /call/{id}`.
fn looked_up(body: &Value) -> CallEvent {
    match VAPI.read_get_call(&answer_json(200, body)).as_deref() {
        Ok([event]) => event.clone(),
        other => panic!("not one event: {other:?}"),
    }
}

fn end_of(event: &CallEvent) -> &CallEnd {
    match &event.status {
        CallStatus::Ended(end) => end,
        other => panic!("not over: {other:?}"),
    }
}

fn placed(answer: &ProviderAnswer) -> (String, Option<String>, Vec<CallEvent>) {
    match VAPI.read_place_call(answer) {
        PlaceAnswer::Placed {
            provider_call_id,
            control_url,
            events,
        } => (provider_call_id, control_url, events),
        other => panic!("not placed: {other:?}"),
    }
}
