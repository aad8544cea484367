//! What the vendor accepts in a request to make a call.
//!
//! Like the vendor, it reports every fault of a body at once, in the words of its validation
//! library.

use jiff::Timestamp;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::settings::{check_settings, read_server};
use crate::{phone::is_e164, world::ResourceKind};

const CALL_KEYS: [&str; 17] = [
    "name",
    "schedulePlan",
    "transport",
    "assistantId",
    "assistantVersion",
    "assistant",
    "assistantOverrides",
    "squadId",
    "squadVersion",
    "squad",
    "squadOverrides",
    "workflowId",
    "workflow",
    "workflowOverrides",
    "phoneNumberId",
    "phoneNumber",
    "customerId",
];
const CUSTOMER_KEYS: [&str; 9] = [
    "number",
    "name",
    "externalId",
    "email",
    "extension",
    "sipUri",
    "numberE164CheckEnabled",
    "assistantOverrides",
    "squadOverrides",
];
/// What an assistant and its overrides have in common.
const ASSISTANT_KEYS: [&str; 33] = [
    "transcriber",
    "model",
    "voice",
    "firstMessage",
    "firstMessageInterruptionsEnabled",
    "firstMessageMode",
    "voicemailDetection",
    "clientMessages",
    "serverMessages",
    "maxDurationSeconds",
    "backgroundSound",
    "modelOutputInMessagesEnabled",
    "transportConfigurations",
    "observabilityPlan",
    "credentials",
    "hooks",
    "name",
    "voicemailMessage",
    "endCallMessage",
    "endCallPhrases",
    "compliancePlan",
    "metadata",
    "backgroundSpeechDenoisingPlan",
    "analysisPlan",
    "artifactPlan",
    "startSpeakingPlan",
    "stopSpeakingPlan",
    "monitorPlan",
    "credentialIds",
    "server",
    "keypadInputPlan",
    "silenceTimeoutSeconds",
    "backgroundDenoisingEnabled",
];
const OVERRIDE_ONLY_KEYS: [&str; 2] = ["variableValues", "tools:append"];
pub(super) type Object = Map<String, Value>;

/// A request to make a call, found to be in order as far as its form goes.
#[derive(Debug)]
pub(crate) struct CallOrder {
    pub(crate) name: Option<Box<str>>,
    pub(crate) phone: Box<str>,
    pub(crate) customer: Box<RawValue>,
    /// The saved object that holds the conversation; `None` when it came with the request.
    pub(crate) saved: Option<(ResourceKind, Box<str>)>,
    pub(crate) phone_number_id: Option<Box<str>>,
    /// The properties to send back as they came.
    pub(crate) echo: Vec<(&'static str, Box<RawValue>)>,
    pub(crate) variables: Option<Box<RawValue>>,
    pub(crate) earliest_at: Option<Timestamp>,
}

/// Reads a create body, or says everything that is wrong with it.
pub(crate) fn call_order(body: &Object) -> Result<CallOrder, Vec<String>> {
    let mut problems = Vec::new();
    refuse_unknown(body, "", &[&CALL_KEYS, &["customer"]], &mut problems);
    refuse_long(body, "", "name", 40, &mut problems);
    let saved = conversation(body, &mut problems);
    let phone = customer(body, &mut problems);
    let phone_number_id = text(body, "phoneNumberId").map(Box::from);
    let how_many = match (&phone_number_id, object(body, "phoneNumber")) {
        (None, None) => Some("One of"),
        (Some(_), Some(_)) => Some("Only one of"),
        _ => None,
    };
    problems.extend(
        how_many.map(|words| format!("{words} phoneNumberId, phoneNumber must be provided.")),
    );
    for key in ["assistantOverrides", "squadOverrides", "workflowOverrides"] {
        check_overrides(body, key, &mut problems);
    }
    let earliest_at = earliest_at(body, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let unreadable = |error: serde_json::Error| vec![error.to_string()];
    let mut echo = Vec::new();
    for key in CALL_KEYS.into_iter().filter(|key| *key != "name") {
        if let Some(value) = body.get(key).filter(|value| !value.is_null()) {
            echo.push((key, to_raw_value(value).map_err(unreadable)?));
        }
    }
    let variables = overrides(body).and_then(|overrides| overrides.get("variableValues"));
    Ok(CallOrder {
        name: text(body, "name").map(Box::from),
        phone: Box::from(phone),
        customer: to_raw_value(&body.get("customer")).map_err(unreadable)?,
        saved,
        phone_number_id,
        echo,
        variables: variables
            .map(to_raw_value)
            .transpose()
            .map_err(unreadable)?,
        earliest_at,
    })
}

/// The number that a create body asks for, in order or not.
pub(crate) fn wanted_phone(body: &Object) -> Option<&str> {
    text(object(body, "customer")?, "number")
}

/// The caller's name for the attempt: `metadata.attempt_key`, else the call's name, else the
/// customer's external id.
pub(crate) fn attempt_key(body: &Object) -> Option<&str> {
    let metadata = overrides(body).and_then(|overrides| object(overrides, "metadata"));
    metadata
        .and_then(|metadata| text(metadata, "attempt_key"))
        .or_else(|| text(body, "name"))
        .or_else(|| text(object(body, "customer")?, "externalId"))
}

/// The overrides of whatever holds the conversation.
pub(crate) fn overrides(body: &Object) -> Option<&Object> {
    ["assistantOverrides", "squadOverrides", "workflowOverrides"]
        .into_iter()
        .find_map(|key| object(body, key))
}

/// The conversation that came with the request instead of a saved one.
pub(crate) fn transient(body: &Object) -> Option<&Object> {
    ["assistant", "squad", "workflow"]
        .into_iter()
        .find_map(|key| object(body, key))
}

/// What is wrong with the body of a saved assistant.
pub(crate) fn assistant_problems(body: &Object) -> Vec<String> {
    let mut problems = Vec::new();
    refuse_unknown(body, "", &[&ASSISTANT_KEYS], &mut problems);
    refuse_long(body, "", "name", 40, &mut problems);
    check_settings(body, "", &mut problems);
    problems
}

/// What is wrong with the body of a saved phone number.
pub(crate) fn phone_number_problems(body: &Object, is_new: bool) -> Vec<String> {
    const PROVIDERS: [&str; 5] = ["byo-phone-number", "twilio", "vonage", "vapi", "telnyx"];
    let mut problems = Vec::new();
    refuse_long(body, "", "name", 40, &mut problems);
    let provider = text(body, "provider");
    if (is_new || provider.is_some()) && !provider.is_some_and(|own| PROVIDERS.contains(&own)) {
        problems.push(format!(
            "provider must be one of the following values: {}",
            PROVIDERS.join(", ")
        ));
    }
    let needs_number = is_new && matches!(provider, Some("twilio" | "vonage" | "telnyx"));
    match text(body, "number") {
        None if needs_number => problems.push("number must be a string".to_owned()),
        Some(number) if !is_e164(number) => problems.push(not_e164("number")),
        _ => {}
    }
    if let Some(server) = object(body, "server") {
        problems.extend(read_server(server).err().unwrap_or_default());
    }
    problems
}

/// What is wrong with a new name for a call.
pub(crate) fn rename_problems(body: &Object) -> Vec<String> {
    let mut problems = Vec::new();
    refuse_unknown(body, "", &[&["name"]], &mut problems);
    refuse_long(body, "", "name", 40, &mut problems);
    problems
}

pub(super) fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

pub(super) fn object<'a>(object: &'a Object, key: &str) -> Option<&'a Object> {
    object.get(key)?.as_object()
}

pub(super) fn refuse_unknown(
    object: &Object,
    prefix: &str,
    known: &[&[&str]],
    problems: &mut Vec<String>,
) {
    for key in object
        .keys()
        .filter(|key| !known.iter().any(|keys| keys.contains(&key.as_str())))
    {
        problems.push(format!("{prefix}property {key} should not exist"));
    }
}

fn refuse_long(object: &Object, prefix: &str, key: &str, limit: usize, problems: &mut Vec<String>) {
    match object.get(key) {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.chars().count() <= limit => {}
        Some(Value::String(_)) => problems.push(format!(
            "{prefix}{key} must be shorter than or equal to {limit} characters"
        )),
        Some(_) => problems.push(format!("{prefix}{key} must be a string")),
    }
}

fn not_e164(key: &str) -> String {
    format!(
        "{key} must be a valid phone number in the E.164 format. \
         Hot tip, you may be missing the country code (Eg. US: +1)."
    )
}

/// Finds the one thing that holds the conversation.
fn conversation(body: &Object, problems: &mut Vec<String>) -> Option<(ResourceKind, Box<str>)> {
    const SAVED: [(&str, ResourceKind); 3] = [
        ("assistantId", ResourceKind::Assistant),
        ("squadId", ResourceKind::Squad),
        ("workflowId", ResourceKind::Workflow),
    ];
    const CHOICES: &str = "assistantId, assistant, squadId, squad, workflowId, workflow";
    let mut saved = None;
    let mut count = 0;
    for (key, kind) in SAVED {
        if let Some(value) = body.get(key).filter(|value| !value.is_null()) {
            count += 1;
            match value.as_str() {
                Some(id) => saved = Some((kind, Box::from(id))),
                None => problems.push(format!("{key} must be a string")),
            }
        }
        let transient = key.trim_end_matches("Id");
        match body.get(transient) {
            None | Some(Value::Null) => {}
            Some(Value::Object(_)) => count += 1,
            Some(_) => problems.push(format!("{transient} must be an object")),
        }
    }
    match count {
        0 => problems.push(format!("One of {CHOICES} must be provided.")),
        1 => {}
        _ => problems.push(format!("Only one of {CHOICES} must be provided.")),
    }
    saved
}

/// Checks the person to call and returns the number.
fn customer<'a>(body: &'a Object, problems: &mut Vec<String>) -> &'a str {
    let Some(customer) = object(body, "customer") else {
        problems.push("customer must be an object".to_owned());
        return "";
    };
    refuse_unknown(customer, "customer.", &[&CUSTOMER_KEYS], problems);
    for (key, limit) in [
        ("name", 40),
        ("externalId", 40),
        ("email", 40),
        ("extension", 10),
    ] {
        refuse_long(customer, "customer.", key, limit, problems);
    }
    let is_checked = customer
        .get("numberE164CheckEnabled")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let number = text(customer, "number").unwrap_or("");
    let is_plain = (3..=40).contains(&number.len())
        && number
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    if !is_e164(number) && (is_checked || !is_plain) {
        problems.push(not_e164("customer.number"));
    }
    number
}

fn earliest_at(body: &Object, problems: &mut Vec<String>) -> Option<Timestamp> {
    let earliest = object(body, "schedulePlan")?.get("earliestAt")?;
    let parsed = earliest.as_str().and_then(|text| text.parse().ok());
    if parsed.is_none() {
        problems.push("schedulePlan.earliestAt must be a valid ISO 8601 date string".to_owned());
    }
    parsed
}

fn check_overrides(body: &Object, key: &str, problems: &mut Vec<String>) {
    let overrides = match body.get(key) {
        None | Some(Value::Null) => return,
        Some(Value::Object(overrides)) => overrides,
        Some(_) => return problems.push(format!("{key} must be an object")),
    };
    let prefix = format!("{key}.");
    refuse_unknown(
        overrides,
        &prefix,
        &[&ASSISTANT_KEYS, &OVERRIDE_ONLY_KEYS],
        problems,
    );
    for inner in ["variableValues", "metadata"] {
        if overrides.get(inner).is_some_and(|value| !value.is_object()) {
            problems.push(format!("{prefix}{inner} must be an object"));
        }
    }
    check_settings(overrides, &prefix, problems);
}
