//! Every place of a request in which an id of another tenant can stand.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};

use super::leaks::kind_of;
use super::rows::Row;
use super::world::{Ask, Tenant};
use crate::contract::{Document, Operation};
use crate::support::global;

/// How far from an object's number no object is.
const FAR: i64 = 5_000;
/// Fields whose values are ids at the vendor, which no tenant owns.
const OF_THE_VENDOR: &[&str] = &["assistant_id", "phone_number_id"];
/// Fields with a second name.
const ALIASES: &[(&str, &str)] = &[("voiceai_pod_id", "tenant_voice_provider_id")];
/// Parameters whose values are words of the API and name nothing of a tenant.
const WORDS: &[&str] = &[
    "limit",
    "cursor",
    "status",
    "type",
    "state",
    "outcome",
    "from",
    "to",
    "entity",
    "on_duplicate",
    "skip_provider_check",
    "hang_up",
    "lift_opt_out",
];

/// One request with another tenant's id, and the same with one that nobody has.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) foreign: Ask,
    pub(super) missing: Ask,
    /// What the two may repeat of their requests.
    pub(super) echoed: [String; 2],
    /// Whether the object itself is another's, and the rest is sound: 404 and nothing else.
    pub(super) must_be_missing: bool,
}

/// All of them for `asker` and what `owner` owns.
pub(super) fn of(row: &Row, operation: &Operation, asker: &Tenant, owner: &Tenant) -> Vec<Place> {
    let mut places = in_path(row, operation, asker, owner);
    places.extend(in_query(row, operation, asker, owner));
    if let (Some(schema), Some(body)) = (&operation.body, row.body) {
        let places_of_ids = in_body(row, operation, schema, &body(asker), asker, owner);
        places.extend(places_of_ids);
    }
    places
}

/// An id of the same type that nobody has.
pub(super) fn missing(id: &str) -> String {
    let (kind, number) = kind_of(id).unwrap_or_else(|| panic!("{id} is no global id"));
    global(&kind, number + FAR)
}

/// The spellings in which an id is accepted.
fn forms(id: &str) -> [String; 4] {
    let (kind, number) = kind_of(id).unwrap();
    let plain = format!("{kind}:{number}");
    let encoded = [
        STANDARD_NO_PAD.encode(&plain),
        URL_SAFE_NO_PAD.encode(&plain),
    ];
    let [unpadded, url_safe] = encoded;
    [id.to_owned(), unpadded, url_safe, plain]
}

fn in_path(row: &Row, operation: &Operation, asker: &Tenant, owner: &Tenant) -> Vec<Place> {
    let names: Vec<_> = operation.names_in("path").collect();
    let mut places = Vec::new();
    for chosen in 1_u32..1 << names.len() {
        let is_chosen = |name: &str| {
            let index = names.iter().position(|other| *other == name).unwrap();
            chosen & (1 << index) != 0
        };
        let which: Vec<_> = names.iter().filter(|name| is_chosen(name)).collect();
        for (form, form_name) in ["as answered", "unpadded", "url-safe", "plain"]
            .iter()
            .enumerate()
        {
            let path = |of_owner: bool| {
                operation.path_with(|name| match (is_chosen(name), of_owner) {
                    (true, true) => forms(row.own(owner, name))[form].clone(),
                    (true, false) => forms(&missing(row.own(owner, name)))[form].clone(),
                    (false, _) => row.own(asker, name).to_owned(),
                })
            };
            let (foreign, missing) = (path(true), path(false));
            for (dress, change) in dresses(row, operation, asker) {
                if form > 0 && dress != "right" {
                    continue;
                }
                places.push(Place {
                    name: format!("path {which:?}, {form_name}, {dress}"),
                    foreign: change(Ask::new(operation.method.clone(), &foreign)),
                    missing: change(Ask::new(operation.method.clone(), &missing)),
                    echoed: Default::default(),
                    must_be_missing: dress == "right",
                });
            }
        }
    }
    places
}

type Dress = (&'static str, Box<dyn Fn(Ask) -> Ask>);

/// What else can be about a request: the order of checks must not tell anything either.
fn dresses(row: &Row, operation: &Operation, asker: &Tenant) -> Vec<Dress> {
    let right = row.body.map(|body| body(asker).to_string());
    let with = move |body: Option<String>| {
        move |ask: Ask| Ask {
            body: body.clone(),
            ..ask
        }
    };
    let mut dresses: Vec<Dress> = vec![("right", Box::new(with(right.clone())))];
    let query = |ask: Ask| Ask {
        path: format!("{}?zzz=1", ask.path),
        ..ask
    };
    dresses.push(("unknown parameter", Box::new(query)));
    if operation.method != Method::GET {
        for (name, body) in [
            ("unknown field", Some("{\"zzz\":1}")),
            ("null", Some("null")),
            ("broken body", Some("{")),
            ("no body", None),
        ] {
            dresses.push((name, Box::new(with(body.map(str::to_owned)))));
        }
    }
    for (name, header, value) in [
        ("first revision", "If-Match", "\"1\""),
        ("no such revision", "If-Match", "\"999999\""),
        ("any revision", "If-Match", "*"),
        ("broken revision", "If-Match", "7"),
        ("a key", "Idempotency-Key", "key-1"),
        ("a broken key", "Idempotency-Key", ""),
    ] {
        if operation.takes(header) {
            let with = with(right.clone());
            let conditional = move |ask: Ask| with(ask).header(&header.to_lowercase(), value);
            dresses.push((name, Box::new(conditional)));
        }
    }
    dresses
}

fn in_query(row: &Row, operation: &Operation, asker: &Tenant, owner: &Tenant) -> Vec<Place> {
    let mut places = Vec::new();
    for name in operation.names_in("query") {
        if WORDS.contains(&name) {
            continue;
        }
        let (foreign, missing) = match name {
            "name" | "q" => (owner.word.to_owned(), "nobodyhasthis".to_owned()),
            "phone_number" => (
                format!("%2B{}", &owner.phone(3)[1..]),
                "%2B13125550000".to_owned(),
            ),
            name if owner.ids.contains_key(name) => (
                row.own(owner, name).to_owned(),
                missing(row.own(owner, name)),
            ),
            _ => panic!(
                "the query parameter `{name}` of {} is new: say in `in_query` or `WORDS` of isolation/places.rs \
                 how it could name what another tenant owns",
                operation.id
            ),
        };
        let ask = |value: &str| {
            let mut ask = row.right(operation, asker);
            ask.path = format!("{}?{name}={value}", ask.path);
            ask
        };
        places.push(Place {
            name: format!("query {name}"),
            foreign: ask(&foreign),
            missing: ask(&missing),
            echoed: [foreign, missing],
            must_be_missing: false,
        });
    }
    places
}

fn in_body(
    row: &Row,
    operation: &Operation,
    schema: &Value,
    body: &Value,
    asker: &Tenant,
    owner: &Tenant,
) -> Vec<Place> {
    let document = Document::get();
    let is_list = schema["type"] == "array";
    let of_fields = if is_list {
        document.follow(&schema["items"])
    } else {
        schema
    };
    let mut values = Vec::new();
    for field in id_fields(document, of_fields, &operation.id) {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == field);
        let named = alias.map_or(field.as_str(), |(_, name)| name);
        let id = owner.id(named, None).to_owned();
        let nobody = missing(&id);
        values.push((field, id, nobody));
    }
    if row.by_phone {
        let field = "phone_number".to_owned();
        values.push((field, owner.phone(3), asker.phone(9_999)));
    }
    let place = |(field, foreign, missing): (String, String, String)| {
        let ask = |value: &str| {
            let body = with_field(body, &field, value);
            row.right(operation, asker).json(&body)
        };
        Place {
            name: format!("body {field}"),
            foreign: ask(&foreign),
            missing: ask(&missing),
            echoed: [foreign, missing],
            must_be_missing: false,
        }
    };
    values.into_iter().map(place).collect()
}

/// Names of fields that hold a global id; a nested one would need a place of its own.
fn id_fields(document: &Document, schema: &Value, operation: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if name.ends_with("_id") && !OF_THE_VENDOR.contains(&name.as_str()) {
            found.push(name.clone());
        }
        let field = document.follow(field);
        let below = document.follow(field.get("items").unwrap_or(field));
        if below.get("properties").is_some() {
            let nested = id_fields(document, below, operation);
            assert!(
                nested.is_empty(),
                "{operation}: `{name}` holds {nested:?}: `in_body` of isolation/places.rs must learn to write it"
            );
        }
    }
    found
}

/// The body with another tenant's id in one field; in a list, an item of nothing else.
fn with_field(body: &Value, field: &str, value: &str) -> Value {
    let mut item = body.get(0).unwrap_or(body).clone();
    if field == "campaign_lead_id" {
        item = json!({});
    }
    if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == field) {
        item.as_object_mut().unwrap().remove(*name);
    }
    if field == "phone_number_pool_id" {
        item["dialer_type"] = json!("POOL");
    }
    item[field] = json!(value);
    if body.is_array() { json!([item]) } else { item }
}
