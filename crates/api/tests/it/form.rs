//! What the document allows is not refused for its form.
//!
//! Every field of every body and every parameter is written with each of a list of values that
//! have been misunderstood before, in this server or in others: those that the document allows may
//! only be refused for what they mean. Generated requests look for the same gap at random (in the
//! program's tests); here each place and each value meet, always.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use http::StatusCode;
use http::header::HeaderValue;
use serde_json::{Value, json};

use crate::contract::{Document, Operation, Parameter};
use crate::isolation::rows::{Row, Scope, row_of};
use crate::isolation::world::{Ask, World};
use crate::support::Reply;

/// Faults of the form, and rules that look like form and are not, with the reason of each.
#[derive(serde::Deserialize)]
struct Form {
    codes: Vec<String>,
    beyond_the_document: Vec<Rule>,
}

#[derive(serde::Deserialize)]
struct Rule {
    field: String,
    code: String,
}

impl Form {
    fn get() -> &'static Self {
        static FORM: OnceLock<Form> = OnceLock::new();
        FORM.get_or_init(|| serde_json::from_str(include_str!("form.json")).unwrap())
    }

    /// Whether a fault is one of the form, which the document could have said.
    fn says(&self, field: &str, code: &str) -> bool {
        let beyond = |rule: &Rule| rule.field == field && rule.code == code;
        self.codes.iter().any(|of_the_form| of_the_form == code)
            && !self.beyond_the_document.iter().any(beyond)
    }
}

/// Texts of every kind.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\n",
    "\t\r\n",
    "\u{a0}",
    "\u{2003}",
    "\u{3000}",
    "\u{85}",
    "\u{feff}",
    "\u{200b}",
    "\u{1f}",
    "\u{7f}",
    "\u{0}",
    "a\u{0}b",
    " a ",
    "a\n",
    "a",
    "é",
    "e\u{301}",
    "\u{202e}abc",
    "👩‍👩‍👧‍👦",
    "ß",
    "İ",
    "\u{10ffff}",
    "null",
    "true",
    "0",
    "-1",
    "+1",
    "1e3",
    "0x10",
    "NaN",
    "%00",
    "%",
    "'; --",
    "<script>",
    "{{name}}",
    "../..",
    "+14155552671",
    "+14155552671\n",
    " +14155552671",
    "+1 415 555 2671",
    "+１4155552671",
    "+0123456789",
    "+1234567",
    "+123456789012345",
    "14155552671",
    "00:00",
    "24:00",
    "24:00:00",
    "23:59:60",
    "9:00",
    "09:00:30",
    "09:00\n",
    "٠٩:٠٠",
    "2026-01-05",
    "2026-02-29",
    "2028-02-29",
    "2026-13-01",
    "0000-01-01",
    "1970-01-01",
    "9000-12-31",
    "9999-12-31",
    "2026-1-5",
    "2026-01-05\n",
    "2026-01-05T15:00:00Z",
    "2026-01-05T15:00:00z",
    "2026-01-05t15:00:00Z",
    "2026-01-05 15:00:00Z",
    "2026-01-05T15:00:00+05:30",
    "2026-01-05T15:00:00-00:00",
    "2026-01-05T15:00:00.123456789Z",
    "2026-01-05T15:00:60Z",
    "2026-01-05T23:59:60Z",
    "2016-12-31T23:59:60Z",
    "2026-01-05T24:00:00Z",
    "2026-01-05T15:00Z",
    "1970-01-01T00:00:00Z",
    "9000-12-31T23:59:59Z",
    "9000-12-31T23:59:59-23:59",
    "1970-01-01T00:00:00+23:59",
    "a@b",
    "a@b.c\n",
    "@",
    "a@b@c",
    "é@é",
    "\"a b\"@c",
    "https://example.com",
    "HTTPS://EXAMPLE.COM",
    "http://example.com:0/",
    "https://example.com:99999",
    "https://a b",
    "https://1",
    "https://0x7f.1",
    "https://-",
    "https://a..b",
    "https://user:pw@example.com",
    "https://example.com/%",
    "https://example.com/a#b",
    "https://example.com\n",
    "https://[::1]",
    "https://xn--a",
    "ftp://example.com",
    "UTC",
    "Etc/UTC",
    "america/new_york",
    "MONDAY",
    "monday",
    "SANDBOX",
    "VAPI",
    "RETELL",
    "OUTBOUND",
    "INBOUND",
    "*",
    "\"1\"",
    "W/\"1\"",
    "\"999999999999999999\"",
    "\"1\",\"2\"",
    "\"1\" , \"2\"",
    "Vm9pY2VDYW1wYWlnbjox",
    "VGVuYW50Vm9pY2VQcm92aWRlcjoxMjM=",
];

/// Values of every other kind.
fn others() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(-0.0),
        json!(-1),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(1e3),
        json!(2),
        json!(3),
        json!(1_000),
        json!(i32::MAX),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!([]),
        json!([null]),
        json!([""]),
        json!([" "]),
        json!(["a", "a"]),
        json!([1, 1.0]),
        json!([5, 1]),
        json!([60, 120]),
        json!(["MONDAY", "MONDAY"]),
        json!(["none"]),
        json!(["+14155552671", "+14155552671"]),
        json!(["2026-01-05", "2026-01-05"]),
        json!({}),
        json!({ "": "" }),
        json!({ " ": " " }),
        json!({ "a": null }),
        json!({ "a": 1 }),
        json!({ "a": { "b": ["c", 1.5, null] } }),
        json!({ "\u{0}": "\u{0}" }),
    ]
}

/// The values to try at a place with this schema: all, and those at its bounds.
fn values(schema: &Value) -> Vec<Value> {
    let mut values: Vec<Value> = TEXTS.iter().map(|text| json!(text)).collect();
    values.extend(others());
    for bound in ["minLength", "maxLength"] {
        let chars = schema[bound].as_u64().filter(|chars| *chars <= 20_000);
        let Some(chars) = chars.and_then(|chars| usize::try_from(chars).ok()) else {
            continue;
        };
        values.extend(["x", " ", "é", "👩"].map(|letter| json!(letter.repeat(chars))));
    }
    for bound in ["minimum", "maximum"] {
        if let Some(bound) = schema[bound].as_i64() {
            // `5.0` is an integer to JSON Schema.
            #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
            values.extend([json!(bound), json!(bound as f64)]);
        }
    }
    for word in schema["enum"].as_array().into_iter().flatten() {
        values.push(word.clone());
    }
    values
}

/// Where a value is put: names of fields; a list has its first item there.
type Place = Vec<String>;

/// Every place of a body, with the schema there.
fn places(document: &Document, schema: &Value, at: &Place, depth: usize) -> Vec<(Place, Value)> {
    let schema = document.follow(schema);
    let mut found = Vec::new();
    if depth > 4 {
        return found;
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let mut place = at.clone();
        place.push(name.clone());
        for form in forms(document, field) {
            found.push((place.clone(), form.clone()));
            found.extend(places(document, &form, &place, depth + 1));
            if let Some(items) = form.get("items") {
                place.push("0".to_owned());
                found.push((place.clone(), document.follow(items).clone()));
                found.extend(places(document, items, &place, depth + 1));
                place.pop();
            }
        }
    }
    found
}

/// A schema as it is, or its alternatives.
fn forms(document: &Document, schema: &Value) -> Vec<Value> {
    let schema = document.follow(schema);
    match schema.get("oneOf").and_then(Value::as_array) {
        Some(forms) => forms
            .iter()
            .map(|form| document.follow(form).clone())
            .collect(),
        None => vec![schema.clone()],
    }
}

/// The body with `value` at `place`; what is not there on the way is made.
fn put(body: &Value, place: &[String], value: &Value) -> Value {
    let Some((name, rest)) = place.split_first() else {
        return value.clone();
    };
    if name == "0" {
        return json!([put(&body[0], rest, value)]);
    }
    let mut fields = body.as_object().cloned().unwrap_or_default();
    let below = fields.get(name).cloned().unwrap_or(Value::Null);
    fields.insert(name.clone(), put(&below, rest, value));
    Value::Object(fields)
}

/// Fails if the answer refuses the form of anything.
fn hold(reply: &Reply, tried: &str) {
    if ![StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY].contains(&reply.status) {
        assert!(
            reply.status != StatusCode::INTERNAL_SERVER_ERROR,
            "{tried}: {}",
            reply.body
        );
        return;
    }
    let mut faults = reply.body["errors"].as_array().unwrap().clone();
    // Lists whose items are judged one by one.
    let results = reply.body["results"].as_array().into_iter().flatten();
    faults.extend(
        results.flat_map(|result| result["errors"].as_array().cloned().unwrap_or_default()),
    );
    for fault in faults {
        let (field, code) = (
            fault["field"].as_str().unwrap(),
            fault["code"].as_str().unwrap(),
        );
        let name = field.rsplit('.').next().unwrap().split('[').next().unwrap();
        assert!(
            !Form::get().says(name, code),
            "the document allows what is refused for its form: {tried}: {}",
            reply.body
        );
    }
}

/// The operation's right request, on a world of its own.
struct Scene {
    world: World,
    operation: &'static Operation,
    row: &'static Row,
}

impl Scene {
    async fn of(operation: &'static Operation) -> Self {
        Self {
            world: World::new().await,
            operation,
            row: row_of(operation),
        }
    }

    fn right(&self) -> Ask {
        self.row.right(self.operation, &self.world.one)
    }

    async fn send(&self, ask: Ask) -> Reply {
        ask.send(&self.world.server, Some(&self.world.one.bearer))
            .await
    }
}

#[tokio::test]
async fn no_body_that_the_document_allows_is_refused_for_its_form() {
    let document = Document::get();
    let mut allowed: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for operation in &document.operations {
        let Some(schema) = &operation.body else {
            continue;
        };
        let scene = Scene::of(operation).await;
        if scene.row.scope == Scope::Vendor {
            continue;
        }
        let validator = document.reader_of(schema);
        let right = scene
            .row
            .body
            .map_or_else(|| json!({}), |body| body(&scene.world.one));
        let is_list = schema["type"] == "array";
        let (item, of_item) = if is_list {
            (&right[0], &schema["items"])
        } else {
            (&right, schema)
        };
        let tried = allowed.entry(&operation.id).or_default();
        let reply = scene.send(scene.right()).await;
        tried.1 += usize::from(reply.status.is_success());
        for (place, schema) in places(document, of_item, &Vec::new(), 0) {
            for value in values(&schema) {
                let body = put(item, &place, &value);
                let body = if is_list { json!([body]) } else { body };
                if !validator.is_valid(&body) {
                    continue;
                }
                let reply = scene.send(scene.right().json(&body)).await;
                hold(
                    &reply,
                    &format!("{} {} {body}", operation.id, place.join(".")),
                );
                tried.0 += 1;
                tried.1 += usize::from(reply.status.is_success());
            }
        }
    }
    for (operation, (sent, done)) in &allowed {
        assert!(
            *sent > 1 && *done > 0,
            "{operation}: {sent} sent, {done} done"
        );
    }
    let sent: usize = allowed.values().map(|(sent, _)| sent).sum();
    assert!(sent > 2_000, "{allowed:?}");
}

/// A text as a parameter of this schema reads it; `None` if it cannot.
fn read(schema: &Value, text: &str) -> Option<Value> {
    match schema["type"].as_str() {
        Some("string") => Some(json!(text)),
        Some("integer") => {
            let number: i64 = text.parse().ok()?;
            (number.to_string() == text).then(|| json!(number))
        }
        Some("boolean") => text.parse::<bool>().ok().map(Value::Bool),
        kind => panic!("no parameter has been of type {kind:?} yet: {schema}"),
    }
}

#[tokio::test]
async fn no_parameter_that_the_document_allows_is_refused_for_its_form() {
    let document = Document::get();
    let (mut sent, mut headers) = (0, BTreeSet::new());
    for operation in &document.operations {
        let outside = ["query", "header"];
        let mut parameters = operation.parameters.iter();
        if row_of(operation).scope == Scope::Vendor
            || !parameters.any(|parameter| outside.contains(&parameter.place.as_str()))
        {
            continue;
        }
        let scene = Scene::of(operation).await;
        for parameter in &operation.parameters {
            if !outside.contains(&parameter.place.as_str()) || parameter.name == "cursor" {
                // A cursor is what a list gave.
                continue;
            }
            if parameter.place == "header" && !headers.insert(&parameter.name) {
                // Read by the same code everywhere.
                continue;
            }
            let reader = document.reader_of(&parameter.schema);
            for value in values(&parameter.schema) {
                let text = match value {
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    _ => continue,
                };
                let Some(value) = read(&parameter.schema, &text) else {
                    continue;
                };
                if !reader.is_valid(&value) {
                    continue;
                }
                let Some(ask) = with_parameter(scene.right(), parameter, &text) else {
                    continue;
                };
                let reply = scene.send(ask).await;
                hold(
                    &reply,
                    &format!("{} {}={text:?}", operation.id, parameter.name),
                );
                sent += 1;
            }
        }
    }
    assert!(sent > 500, "{sent}");
}

/// The request with a parameter; `None` where no header can carry the text.
fn with_parameter(ask: Ask, parameter: &Parameter, text: &str) -> Option<Ask> {
    if parameter.place == "header" {
        let is_bare = text.trim_matches([' ', '\t']) == text;
        return (is_bare && HeaderValue::from_str(text).is_ok())
            .then(|| ask.header(&parameter.name, text));
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(&parameter.name, text);
    let path = format!("{}?{}", ask.path, query.finish());
    Some(Ask { path, ..ask })
}

/// What nobody can see or click names nothing.
#[tokio::test]
async fn no_name_is_blank() {
    let document = Document::get();
    let mut tried = 0;
    for operation in &document.operations {
        let body = operation.body.as_ref();
        if body.is_none_or(|body| body["properties"].get("name").is_none()) {
            continue;
        }
        let scene = Scene::of(operation).await;
        let right = scene
            .row
            .body
            .map_or_else(|| json!({}), |body| body(&scene.world.one));
        for name in ["", " ", "\r\n", "\u{a0}\u{3000}"] {
            let body = put(&right, &["name".to_owned()], &json!(name));
            let reply = scene.send(scene.right().json(&body)).await;
            let faults = reply.faults();
            assert_eq!(reply.status, 422, "{} {name:?}", operation.id);
            assert!(
                faults.len() == 1 && faults[0].starts_with("name: "),
                "{} {name:?}: {faults:?}",
                operation.id
            );
            tried += 1;
        }
    }
    assert_eq!(tried, 8 * 4);
}
