//! Fields that clients must not write: whatever the server shows and keeps but does not take.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};

use super::rows::{Row, Scope, row_of};
use super::world::{Ask, World};
use crate::contract::{Document, Operation};

/// What clients try, and what an object might be made of one day.
const TEMPTING: &[&str] = &[
    "tenant_id",
    "campaign_id",
    "campaign_status",
    "status",
    "revision",
    "attempts",
    "attempts_today",
    "created_at",
    "updated_at",
    "id",
    "role",
    "is_admin",
    "unverified",
    "sealed_credentials",
    "line_key",
    "token_secret",
    "hash",
    "next_attempt_at",
    "live",
    "__proto__",
    "constructor",
];

/// What only the server says. No body may have a place for it, but for the exceptions below.
const OF_THE_SERVER: &[&str] = &[
    "tenant_id",
    "campaign_id",
    "call_id",
    "import_id",
    "token_id",
    "campaign_status",
    "status",
    "status_reason",
    "state",
    "states",
    "outcome",
    "attempt",
    "attempts",
    "attempts_today",
    "last_outcome",
    "last_attempt_at",
    "next_attempt_at",
    "provider_call_id",
    "verdict",
    "cost_usd",
    "revision",
    "unverified",
    "line_key",
    "callback_url",
    "hash",
    "masked",
    "token_secret",
    "last_used_at",
    "created_at",
    "updated_at",
];
/// The tenant of a lead of version 1 must be the token's.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("addLeadV1", "tenant_id"),
    ("updateLeadV1", "tenant_id"),
    ("removeLeadV1", "tenant_id"),
];

/// Every field that some answer shows, and the tempting ones.
fn candidates(document: &Document) -> BTreeSet<String> {
    let shown = document.shown_fields();
    let mut all: BTreeSet<_> = TEMPTING.iter().map(ToString::to_string).collect();
    all.extend(shown);
    all
}

#[tokio::test]
async fn no_body_takes_a_field_that_is_not_in_its_schema() {
    let document = Document::get();
    let world = World::new().await;
    let candidates = candidates(document);
    assert!(candidates.len() > 60, "{candidates:?}");
    let mut tried = 0;
    for operation in &document.operations {
        let row = row_of(operation);
        let reads = operation.body.is_some() || operation.method == Method::POST;
        if row.scope == Scope::Vendor || !reads {
            continue;
        }
        let before = world.rows();
        for (body, field) in bodies(document, operation, row, &world, &candidates) {
            let ask = row.right(operation, &world.one).json(&body);
            let reply = ask.send(&world.server, Some(&world.one.bearer)).await;
            let name = format!("{} {field}: {}", operation.id, reply.body);
            assert_eq!(reply.status, 422, "{name}");
            let faults = reply.faults();
            let refused = |code: &str| faults.contains(&format!("{field}: {code}"));
            // Of a change, `type` is known and cannot be changed.
            assert!(refused("unknown_field") || refused("immutable"), "{name}");
            tried += 1;
        }
        assert_eq!(world.rows(), before, "{} changed something", operation.id);
    }
    assert!(tried > 1_500, "{tried}");
}

#[test]
fn no_body_has_a_place_for_what_the_server_says() {
    let document = Document::get();
    for operation in &document.operations {
        let Some(schema) = &operation.body else {
            continue;
        };
        let of_item = document.follow(schema.get("items").unwrap_or(schema));
        let below = document.objects_below(of_item);
        let schemas = below.iter().map(|(_, below)| &below.schema);
        for schema in schemas.chain([of_item]) {
            for field in OF_THE_SERVER {
                let excepted = EXCEPTIONS.contains(&(operation.id.as_str(), field));
                assert!(
                    excepted || !knows(schema, field),
                    "{} takes `{field}`",
                    operation.id
                );
            }
        }
    }
}

/// Keys of free maps are the user's; whatever their names, they stay in their map.
#[tokio::test]
async fn a_key_of_a_free_map_stays_in_the_map() {
    let world = World::new().await;
    let tempting: Map<String, Value> = OF_THE_SERVER
        .iter()
        .chain(&["do_not_call", "phone_number", "first_name"])
        .map(|name| ((*name).to_owned(), json!("1")))
        .collect();
    let campaign = format!(
        "/api/v2/voice-campaigns/{}",
        world.one.id("campaign_id", None)
    );
    let lead = format!(
        "{campaign}/leads/{}",
        world.one.id("campaign_lead_id", None)
    );
    for (path, field) in [(campaign, "metadata"), (lead, "custom_fields")] {
        let read = Ask::new(Method::GET, &path);
        let before = read.send(&world.server, Some(&world.one.bearer)).await;
        let mut expected = before.body["data"].clone();
        let change = Ask::new(Method::PATCH, &path).json(&json!({ field: tempting }));
        let reply = change.send(&world.server, Some(&world.one.bearer)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let after = read.send(&world.server, Some(&world.one.bearer)).await;
        for (name, value) in &tempting {
            assert_eq!(&after.body["data"][field][name], value, "{field}.{name}");
        }
        for own in [field, "revision", "updated_at"] {
            expected[own] = after.body["data"][own].clone();
        }
        assert_eq!(after.body["data"], expected, "{field}");
    }
}

#[tokio::test]
async fn no_query_names_a_tenant() {
    let document = Document::get();
    let world = World::new().await;
    let before = world.rows();
    let tenant_id = world.other.id("tenant_id", None);
    for operation in document
        .operations
        .iter()
        .filter(|operation| operation.secured)
    {
        let row = row_of(operation);
        let right = row.right(operation, &world.one);
        let path = format!("{}?tenant_id={tenant_id}", right.path);
        let ask = Ask { path, ..right };
        let reply = ask.send(&world.server, Some(&world.one.bearer)).await;
        assert_eq!(reply.status, 422, "{}", operation.id);
        assert_eq!(
            reply.faults(),
            ["tenant_id: unknown_parameter"],
            "{}",
            operation.id
        );
    }
    assert_eq!(world.rows(), before);
}

/// The right body with one field more, at every place where an object may stand.
fn bodies(
    document: &Document,
    operation: &Operation,
    row: &Row,
    world: &World,
    candidates: &BTreeSet<String>,
) -> Vec<(Value, String)> {
    let right = row.body.map_or_else(|| json!({}), |body| body(&world.one));
    let nothing = json!({});
    let schema = operation.body.as_ref().unwrap_or(&nothing);
    let is_list = schema["type"] == "array";
    let of_item = if is_list {
        document.follow(&schema["items"])
    } else {
        schema
    };
    let item = right.get(0).unwrap_or(&right);
    let place = if is_list { "[0]." } else { "" };
    let whole = |item: Value| if is_list { json!([item]) } else { item };
    let mut bodies = Vec::new();
    for field in candidates.iter().filter(|field| !knows(of_item, field)) {
        let mut item = item.clone();
        item[field] = value(field, world);
        bodies.push((whole(item), format!("{place}{field}")));
    }
    for (name, below) in document.objects_below(of_item) {
        for field in candidates
            .iter()
            .filter(|field| !knows(&below.schema, field))
        {
            let mut item = item.clone();
            let inner = Map::from_iter([(field.clone(), value(field, world))]);
            let (inner, index) = if below.is_list {
                (json!([inner]), "[0]")
            } else {
                (json!(inner), "")
            };
            item[&name] = inner;
            bodies.push((whole(item), format!("{place}{name}{index}.{field}")));
        }
    }
    bodies
}

fn knows(schema: &Value, field: &str) -> bool {
    schema["properties"].get(field).is_some()
}

/// What would matter most, were it taken.
fn value(field: &str, world: &World) -> Value {
    match world.other.ids.get(field) {
        Some(id) => json!(id),
        None if field.ends_with("_at") => json!("2026-01-01T00:00:00Z"),
        None => json!(1),
    }
}
