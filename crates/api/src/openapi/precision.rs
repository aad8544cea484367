//! What the document says more exactly than the schemas that bodies are held against.
//!
//! A body is held against its schema first, and what breaks there is told in the schema's words
//! ("is not what is expected here"). Some rules are better told in words of their own — "is not
//! supported yet", "must be a phone number in E.164" — and are therefore checked after the schema.
//! The document must know them all the same: a client that sends what the document allows must not
//! be refused for its form. So they are written here, once, by the name that a field or parameter
//! has everywhere, into a copy of the document and nowhere else.
//!
//! Nothing here may be stricter than the server.

use domain::attempt::StateName;
use domain::campaign::{CampaignStatus, CampaignType, LeadStatus};
use domain::{Outcome, settings};
use serde_json::{Map, Value, json};
use store::PoolStrategy;
use utoipa::openapi::OpenApi;

/// E.164.
const PHONE: &str = r"^\+[1-9][0-9]{6,14}$";
/// A time of day.
const TIME: &str = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$";
/// A time of day at which a range ends.
const END_TIME: &str = "^(([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00(:00)?)$";
/// An address with a host.
const ADDRESS: &str = "^https?://[A-Za-z0-9]";
/// Something besides space, as Unicode has it.
const NOT_BLANK: &str =
    r"[^\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
/// The first and last year of a date or instant.
const YEARS: &str = "^(19[7-9][0-9]|[2-8][0-9]{3}|9000)-";
/// Schemas whose body may be left out, which then stands for `{}`.
const OPTIONAL_BODIES: &[&str] = &["CampaignDuplicate"];
/// Entity tags, as this server writes them.
const TAGS: &str = r#"^(\*|(W/)?"[0-9]{1,18}"(, ?(W/)?"[0-9]{1,18}")*)$"#;
/// Printable ASCII; spaces around it are no part of a header's value.
const IDEMPOTENCY_KEY: &str = "^[!-~]([ -~]{0,253}[!-~])?$";
/// How the description of a field begins that is refused whatever it holds.
const NOT_YET: &str = "Not supported yet";

/// The document as it is served.
pub(crate) fn sharpen(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let bodies = schemas_of_bodies(&document);
    if let Some(schemas) = document.pointer_mut("/components/schemas") {
        for name in bodies {
            sharpen_body(&name, schemas.get_mut(&name));
        }
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            sharpen_whether_required(operation);
            let parameters = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                sharpen_parameter(path, parameter);
            }
        }
    }
    document
}

/// Whether there must be a body at all.
fn sharpen_whether_required(operation: &mut Value) {
    const SCHEMA: &str = "/requestBody/content/application~1json/schema/$ref";
    let reference = operation.pointer(SCHEMA).and_then(Value::as_str);
    let name = reference.and_then(|text| text.rsplit('/').next());
    if name.is_some_and(|name| OPTIONAL_BODIES.contains(&name))
        && let Some(required) = operation.pointer_mut("/requestBody/required")
    {
        *required = json!(false);
    }
}

/// Names of the schemas that bodies are made of. Answers have schemas of their own.
fn schemas_of_bodies(document: &Value) -> Vec<String> {
    let paths = document.get("paths").and_then(Value::as_object);
    let items = paths.into_iter().flat_map(Map::values);
    let operations = items.filter_map(Value::as_object).flat_map(Map::values);
    let mut open: Vec<&Value> = operations
        .filter_map(|operation| operation.get("requestBody"))
        .collect();
    let mut names: Vec<String> = Vec::new();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                let reference = map.get("$ref").and_then(Value::as_str);
                let name = reference.and_then(|text| text.strip_prefix("#/components/schemas/"));
                if let Some(name) = name.filter(|name| !names.iter().any(|known| known == name)) {
                    names.push(name.to_owned());
                    open.extend(document.pointer(&format!("/components/schemas/{name}")));
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    names
}

fn sharpen_body(schema_name: &str, schema: Option<&mut Value>) {
    let properties = schema.and_then(|schema| schema.get_mut("properties")?.as_object_mut());
    for (name, property) in properties.into_iter().flatten() {
        let Some(property) = property.as_object_mut() else {
            continue;
        };
        let description = property.get("description").and_then(Value::as_str);
        if description.is_some_and(|text| text.starts_with(NOT_YET)) {
            let description = property.remove("description").unwrap_or_default();
            property.clear();
            property.insert("description".to_owned(), description);
            property.insert("type".to_owned(), json!("null"));
            continue;
        }
        if let Value::Object(more) = body_rule(schema_name, name) {
            let nullable = is_nullable(property);
            merge(property, more);
            if nullable && let Some(Value::Array(words)) = property.get_mut("enum") {
                words.push(Value::Null);
            }
        }
    }
}

/// What a field of a body must look like besides what its schema says.
fn body_rule(schema: &str, name: &str) -> Value {
    let is_campaign = matches!(schema, "CampaignCreate" | "CampaignPatch");
    match name {
        "phone_number" | "e164" => json!({ "pattern": PHONE }),
        "test_call_numbers" => json!({ "items": { "pattern": PHONE }, "uniqueItems": true }),
        "daily_start_time" | "start_time" => json!({ "pattern": TIME }),
        "daily_end_time" | "end_time" => json!({ "pattern": END_TIME }),
        "blackout_dates" => json!({ "items": { "format": "date", "pattern": YEARS } }),
        "start_date" | "end_date" | "not_before" | "expires_at" => json!({ "pattern": YEARS }),
        "base_url" | "webhook_url" => json!({ "format": "uri", "pattern": ADDRESS }),
        "webhook_secret" => json!({ "pattern": "^[!-~]*$" }),
        "name" => json!({ "pattern": NOT_BLANK }),
        "assistant_id" | "phone_number_id" if is_campaign => json!({ "pattern": "^[!-~]+$" }),
        "metadata" => {
            let (entries, key_chars, value_chars) = settings::MAX_METADATA;
            json!({
                "maxProperties": entries,
                "propertyNames": { "minLength": 1, "maxLength": key_chars },
                "additionalProperties": { "maxLength": value_chars },
            })
        }
        "email" => {
            json!({ "pattern": r"^([^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+)?$" })
        }
        "provider" => json!({ "enum": ["VAPI", "SANDBOX"] }),
        "strategy" => {
            json!({ "enum": [PoolStrategy::LeastRecentlyUsed.as_str(), PoolStrategy::RoundRobin.as_str()] })
        }
        "sticky" => json!({ "enum": [false] }),
        "calling_rules" => json!({ "items": { "enum": ["none"] }, "maxItems": 1 }),
        "retry_gaps_minutes" => json!({
            "items": { "minimum": settings::MIN_GAP_MINUTES, "maximum": settings::MAX_GAP_MINUTES }
        }),
        _ => Value::Null,
    }
}

fn sharpen_parameter(path: &str, parameter: &mut Value) {
    let text = |key: &str| Some(parameter.get(key)?.as_str()?.to_owned());
    let (Some(name), Some(place)) = (text("name"), text("in")) else {
        return;
    };
    let schema = parameter.get_mut("schema").and_then(Value::as_object_mut);
    let Some(schema) = schema else {
        return;
    };
    if place != "path" {
        // There is no `null` in an address or a header.
        not_null(schema);
    }
    if let Value::Object(more) = parameter_rule(path, &name) {
        merge(schema, more);
    }
}

/// What a parameter must look like besides what its schema says.
fn parameter_rule(path: &str, name: &str) -> Value {
    match name {
        "If-Match" => json!({ "pattern": TAGS }),
        "Idempotency-Key" => json!({ "pattern": IDEMPOTENCY_KEY }),
        "phone_number" => json!({ "pattern": PHONE }),
        "cursor" => json!({ "pattern": "^[A-Za-z0-9_-]+$" }),
        "q" => json!({ "minLength": 1 }),
        "entity" => json!({ "enum": [settings::CallingEntity::Assistant.as_str()] }),
        "on_duplicate" => json!({ "enum": ["update", "skip"] }),
        "outcome" => words(Outcome::ALL),
        "state" => words(StateName::ALL),
        "type" => words(CampaignType::ALL),
        "status" if path.ends_with("/leads") => words(LeadStatus::ALL),
        "status" if path.ends_with("/voice-campaigns") => words(CampaignStatus::ALL),
        _ => Value::Null,
    }
}

fn words<T: ToString>(all: &[T]) -> Value {
    let words: Vec<_> = all.iter().map(ToString::to_string).collect();
    json!({ "enum": words })
}

/// Adds keywords; those of `items` beside what is there.
fn merge(schema: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (schema.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more),
            (_, value) => {
                schema.insert(key, value);
            }
        }
    }
}

fn is_nullable(schema: &Map<String, Value>) -> bool {
    let kinds = schema.get("type").and_then(Value::as_array);
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"))
}

fn not_null(schema: &mut Map<String, Value>) {
    let Some(Value::Array(kinds)) = schema.get_mut("type") else {
        return;
    };
    kinds.retain(|kind| kind != "null");
    if let [kind] = kinds.as_slice() {
        let kind = kind.clone();
        schema.insert("type".to_owned(), kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&crate::openapi_json()).unwrap()
    }

    #[test]
    fn what_is_not_supported_yet_may_only_be_null() {
        let document = document();
        let lead = &document["components"]["schemas"]["LeadCreate"]["properties"];
        assert_eq!(lead["consent"]["type"], "null");
        assert_eq!(lead["phone_number"]["pattern"], PHONE);
        let pool = &document["components"]["schemas"]["PoolCreate"]["properties"];
        assert_eq!(pool["sticky"]["enum"], json!([false, null]));
        assert_eq!(pool["strategy"]["enum"][0], "LEAST_RECENTLY_USED");
    }

    #[test]
    fn no_parameter_outside_of_a_path_may_be_null() {
        let document = document();
        let mut seen = 0;
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(parameter["schema"]["type"].is_string(), "{parameter}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 50);
    }

    #[test]
    fn answers_are_as_they_were() {
        let document = document();
        let view = &document["components"]["schemas"]["LeadView"]["properties"];
        assert!(view["phone_number"].get("pattern").is_none());
    }

    #[test]
    fn a_body_that_may_be_left_out_is_not_required() {
        let document = document();
        let path = "/api/v2/voice-campaigns/{campaign_id}/duplicate";
        let duplicate = &document["paths"][path]["post"];
        assert_eq!(duplicate["requestBody"]["required"], json!(false));
    }
}
