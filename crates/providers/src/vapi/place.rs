//! The request that places a call, and what its answer proves.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method};
use serde::Serialize;
use serde_json::{Map, Value};

use super::ended_reason::CONCURRENCY_REACHED;
use super::words::{Words, cut_chars, describe};
use super::{lenient, read, requests, wire};
use crate::model::{
    CallEnd, CallEvent, CallStatus, CallingEntity, EndFault, EndOutcome, PlaceAnswer, PlaceCall,
    ProviderAnswer, ProviderRequest, Refusal,
};

/// Longest display name Vapi takes.
const MAX_CUSTOMER_NAME_CHARS: usize = 40;
/// Longest pause that is believed: a day.
const MAX_RETRY_AFTER_SECONDS: u64 = 86_400;
/// Usual size of a body; more only costs a reallocation.
const USUAL_BODY_BYTES: usize = 1_536;

/// Without this list Vapi sends every word spoken.
const SERVER_MESSAGES: [&str; 3] = ["status-update", "end-of-call-report", "hang"];

/// Without a plan Vapi tries once; a restart of ours must not lose the end of a call.
const CALLBACK_RETRIES: BackoffPlan = BackoffPlan {
    kind: "exponential",
    max_retries: 5,
    base_delay_seconds: 1,
};
/// How long Vapi waits for our answer.
const CALLBACK_TIMEOUT_SECONDS: u32 = 20;

/// Borrowed throughout: thousands of these are written per second.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    name: &'a str,
    #[serde(flatten)]
    speaker: Speaker<'a>,
    phone_number_id: &'a str,
    customer: Customer<'a>,
}

/// Exactly one kind of object speaks.
#[derive(Serialize)]
#[serde(untagged)]
enum Speaker<'a> {
    #[serde(rename_all = "camelCase")]
    Assistant {
        assistant_id: &'a str,
        assistant_overrides: Overrides<'a>,
    },
    #[serde(rename_all = "camelCase")]
    Squad {
        squad_id: &'a str,
        squad_overrides: Overrides<'a>,
    },
    /// Overrides of a workflow are documented to hold variables only, and Vapi answers 400 to a
    /// property it does not know. Its calls are found by name and external id, and reported to
    /// the address saved at Vapi, or seen by asking.
    #[serde(rename_all = "camelCase")]
    Workflow {
        workflow_id: &'a str,
        workflow_overrides: WorkflowOverrides<'a>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkflowOverrides<'a> {
    variable_values: &'a Map<String, Value>,
}

/// Both kinds share the schema `AssistantOverrides`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overrides<'a> {
    variable_values: &'a Map<String, Value>,
    metadata: Metadata<'a>,
    #[serde(flatten)]
    reporting: Option<Reporting<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    attempt_id: &'a str,
    campaign_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reporting<'a> {
    server_messages: [&'static str; 3],
    server: Server<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Server<'a> {
    url: &'a str,
    headers: ServerHeaders<'a>,
    timeout_seconds: u32,
    backoff_plan: BackoffPlan,
}

/// A static header needs no credential saved at Vapi, which per-call addresses would not get.
#[derive(Serialize)]
struct ServerHeaders<'a> {
    #[serde(rename = "X-Vapi-Secret")]
    secret: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackoffPlan {
    #[serde(rename = "type")]
    kind: &'static str,
    max_retries: u32,
    base_delay_seconds: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Customer<'a> {
    number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    external_id: &'a str,
}

/// `POST {base}/call`.
pub(super) fn request(base: &str, key: &str, call: &PlaceCall) -> ProviderRequest {
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
    if serde_json::to_writer(&mut body, &body_of(call)).is_err() {
        // Texts and maps with text keys cannot fail; were it so, an empty body is refused by Vapi
        // whereas half of one might not be.
        body.clear();
    }
    let mut url = requests::root(base);
    url.push_str("/call");
    let mut headers = requests::authorised_headers(key);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ProviderRequest {
        method: Method::POST,
        url,
        headers,
        body: Bytes::from(body),
    }
}

fn body_of(call: &PlaceCall) -> Body<'_> {
    let id = call.assistant_id.as_str();
    let speaker = match call.entity {
        CallingEntity::Assistant => Speaker::Assistant {
            assistant_id: id,
            assistant_overrides: overrides_of(call),
        },
        CallingEntity::Squad => Speaker::Squad {
            squad_id: id,
            squad_overrides: overrides_of(call),
        },
        CallingEntity::Workflow => Speaker::Workflow {
            workflow_id: id,
            workflow_overrides: WorkflowOverrides {
                variable_values: &call.variables,
            },
        },
    };
    let name = call
        .customer_name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    Body {
        name: &call.attempt_key,
        speaker,
        phone_number_id: &call.phone_number_id,
        customer: Customer {
            number: call.to.as_str(),
            name: name.map(|name| cut_chars(name, MAX_CUSTOMER_NAME_CHARS)),
            external_id: &call.attempt_key,
        },
    }
}

fn overrides_of(call: &PlaceCall) -> Overrides<'_> {
    let reporting = call.callback.as_ref().map(|target| Reporting {
        server_messages: SERVER_MESSAGES,
        server: Server {
            url: &target.url,
            headers: ServerHeaders {
                secret: &target.secret,
            },
            timeout_seconds: CALLBACK_TIMEOUT_SECONDS,
            backoff_plan: CALLBACK_RETRIES,
        },
    });
    Overrides {
        variable_values: &call.variables,
        metadata: Metadata {
            attempt_id: &call.attempt_key,
            campaign_id: &call.campaign_id,
        },
        reporting,
    }
}

/// What the answer to `POST /call` proves.
///
/// Refused are only 400, 401, 402, 403, 404 and 429, which the SDK or the documentation give as
/// failures of the request. A time-out of a proxy (408), a conflict (409), "too early" (425), any
/// other 4xx, every 5xx and every redirect leave open whether a call was made.
pub(super) fn read(answer: &ProviderAnswer) -> PlaceAnswer {
    match answer.status {
        200..=299 => read_created(answer),
        400 => refused(bad_request, answer),
        401 | 403 => refused(|_| Refusal::Credentials, answer),
        402 => refused(|_| Refusal::Payment, answer),
        404 => refused(|_| Refusal::Configuration, answer),
        429 => refused(|words| too_many(words, answer), answer),
        _ => PlaceAnswer::Unknown {
            message: describe(answer),
        },
    }
}

fn refused(judge: impl FnOnce(&Words) -> Refusal, answer: &ProviderAnswer) -> PlaceAnswer {
    let words = Words::of(answer);
    PlaceAnswer::Refused {
        refusal: judge(&words),
        message: words.shown,
    }
}

fn read_created(answer: &ProviderAnswer) -> PlaceAnswer {
    let text = String::from_utf8_lossy(&answer.body);
    let call: Option<wire::Call> = lenient::object(&text);
    let Some((call, id)) = call.and_then(|call| call.id().map(str::to_owned).map(|id| (call, id)))
    else {
        let message = format!("HTTP {}, but the body names no call", answer.status);
        return PlaceAnswer::Unknown { message };
    };
    let control_url = call.control_url();
    let events = if never_started(&call) {
        vec![blocked(&call, &id)]
    } else {
        let event = read::event_of(call, id.clone());
        // That it is queued is what "placed" means already.
        Some(event)
            .filter(|event| event.status != CallStatus::Queued)
            .into_iter()
            .collect()
    };
    PlaceAnswer::Placed {
        provider_call_id: id,
        control_url,
        events,
    }
}

/// "True if this call was blocked by the concurrency limit": the object exists, no phone rings.
/// Signs of life outweigh the flag, because a second call would be the worse mistake.
fn never_started(call: &wire::Call) -> bool {
    let alive = matches!(
        call.status.as_deref(),
        Some("ringing" | "in-progress" | "forwarding")
    );
    call.concurrency_blocked() && !alive && call.started_at.is_none()
}

fn blocked(call: &wire::Call, id: &str) -> CallEvent {
    let outcome = EndOutcome {
        outcome: domain::Outcome::FailedTransient,
        fault: EndFault::Capacity,
        recognised: true,
    };
    let reason = call.ended_reason.as_deref().unwrap_or(CONCURRENCY_REACHED);
    let end = CallEnd {
        outcome: Some(outcome),
        reason: Some(cut_chars(reason, wire::MAX_REASON_CHARS).to_owned()),
        ended_at: call.ended_at,
        ..CallEnd::default()
    };
    CallEvent {
        attempt_key: call.attempt_key(),
        provider_call_id: id.to_owned(),
        at: call.ended_at,
        control_url: call.control_url(),
        to: call.customer.as_ref().and_then(wire::Customer::number),
        made: call.made(),
        status: CallStatus::Ended(Box::new(end)),
    }
}

/// Vapi answers 400 to limits, missing credit and wrong requests alike; only the text differs.
fn bad_request(words: &Words) -> Refusal {
    if words.say(&["concurren"]) {
        return Refusal::Capacity;
    }
    if words.say(&["daily outbound call limit"]) {
        return Refusal::NumberDailyLimit;
    }
    if words.say(&["credit", "billing", "frozen"]) {
        return Refusal::Payment;
    }
    // A request that is wrong in two ways says so in two sentences; the lead's number is blamed
    // only when nothing else is wrong, because that ends the lead.
    if words
        .sentences
        .iter()
        .all(|sentence| blames_callee(sentence))
    {
        return Refusal::InvalidNumber;
    }
    Refusal::Configuration
}

/// Whether a sentence (in lower case) says that the called number is not callable.
fn blames_callee(sentence: &str) -> bool {
    // The name of the switch may be mentioned in any sentence about numbers.
    let sentence = sentence.replace("numbere164checkenabled", "");
    let about_caller = sentence.contains("phonenumber") && !sentence.contains("customer");
    if about_caller || sentence.contains("should not exist") {
        return false;
    }
    ["customer.number must be", "e.164", "e164", "valid phone"]
        .iter()
        .any(|text| sentence.contains(text))
}

fn too_many(words: &Words, answer: &ProviderAnswer) -> Refusal {
    if words.say(&["concurren"]) {
        return Refusal::Capacity;
    }
    // Vapi documents no `Retry-After`; a proxy before it may send one. Dates are not read, for
    // that needs the time.
    let seconds = answer
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|text| text.trim().parse::<u64>().ok());
    let retry_after_ms = seconds.map(|seconds| seconds.min(MAX_RETRY_AFTER_SECONDS) * 1_000);
    Refusal::RateLimited { retry_after_ms }
}
