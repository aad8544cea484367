//! The OpenAPI document as data, and answers held against it.
//!
//! Every answer of every test passes [`Document::hold`]: its status and content type are stated for
//! the operation, and its body has each part in the stated form and nothing beside. What no
//! operation answers (no such route, no such method) has the envelope of errors.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use http::Method;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::support::Reply;

/// A parameter of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query` or `header`.
    pub(crate) place: String,
    pub(crate) schema: Value,
}

/// An operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// With `{names}`.
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
    /// Schema of the body, references followed.
    pub(crate) body: Option<Value>,
    /// Whether it needs a token.
    pub(crate) secured: bool,
    responses: Map<String, Value>,
}

impl Operation {
    /// The path with each parameter as `id` gives it.
    pub(crate) fn path_with(&self, id: impl Fn(&str) -> String) -> String {
        let names = self.names_in("path");
        names.fold(self.path.clone(), |path, name| {
            path.replace(&format!("{{{name}}}"), &id(name))
        })
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        self.parameters
            .iter()
            .any(|parameter| parameter.name == name)
    }

    /// Names of its parameters in `place`.
    pub(crate) fn names_in<'a>(&'a self, place: &'a str) -> impl Iterator<Item = &'a str> {
        let parameters = self.parameters.iter();
        parameters
            .filter(move |parameter| parameter.place == place)
            .map(|parameter| parameter.name.as_str())
    }
}

/// An object in a field of another.
pub(crate) struct Below {
    pub(crate) schema: Value,
    /// Whether the field holds a list of them.
    pub(crate) is_list: bool,
}

/// The whole document.
pub(crate) struct Document {
    pub(crate) operations: Vec<Operation>,
    root: Value,
    /// The same with every object closed: nothing beside what is stated.
    closed: Map<String, Value>,
    validators: Mutex<HashMap<String, &'static Validator>>,
}

impl Document {
    /// The document of the server under test.
    pub(crate) fn get() -> &'static Self {
        static DOCUMENT: OnceLock<Document> = OnceLock::new();
        DOCUMENT.get_or_init(Self::read)
    }

    fn read() -> Self {
        let root: Value = serde_json::from_str(&api::openapi_json()).unwrap();
        let mut operations = Vec::new();
        for (path, item) in root["paths"].as_object().unwrap() {
            for (method, stated) in item.as_object().unwrap() {
                operations.push(operation(&root, path, method, stated));
            }
        }
        let schemas = root["components"]["schemas"].as_object().unwrap();
        let closed = schemas
            .iter()
            .map(|(name, schema)| (name.clone(), close(&root, schema)))
            .collect();
        Self {
            operations,
            root,
            closed,
            validators: Mutex::default(),
        }
    }

    pub(crate) fn operation(&self, id: &str) -> &Operation {
        let found = self.operations.iter().find(|operation| operation.id == id);
        found.unwrap_or_else(|| panic!("the document has no operation {id}"))
    }

    /// The schema behind a `$ref`, or the schema itself.
    pub(crate) fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        follow(&self.root, schema)
    }

    /// Names of all fields of all answers.
    pub(crate) fn shown_fields(&self) -> Vec<String> {
        let schemas = self.root["components"]["schemas"].as_object().unwrap();
        let views = schemas.iter().filter(|(name, _)| name.ends_with("View"));
        let fields = views.filter_map(|(_, schema)| schema["properties"].as_object());
        fields.flat_map(Map::keys).cloned().collect()
    }

    /// Fields of a schema that hold an object or a list of objects, with the schema of the objects.
    pub(crate) fn objects_below(&self, schema: &Value) -> Vec<(String, Below)> {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let below = |(name, field): (&String, &Value)| {
            let field = self.follow(field);
            let is_list = field.get("items").is_some();
            let schema = self.follow(field.get("items").unwrap_or(field)).clone();
            schema.get("properties")?;
            Some((name.clone(), Below { schema, is_list }))
        };
        fields.filter_map(below).collect()
    }

    /// Fails unless the document states this answer: its status, its type, and every part of it.
    pub(crate) fn hold(&self, method: &Method, path: &str, reply: &Reply) {
        if *method == Method::HEAD {
            assert!(reply.bytes.is_empty(), "HEAD {path}: {}", text(reply));
            return;
        }
        if let Some(operation) = self.asked(method, path) {
            self.hold_operation(operation, reply);
            return;
        }
        let name = format!("{method} {path} {}", reply.status);
        assert!([404, 405].contains(&reply.status.as_u16()), "{name}");
        let envelope = json!({ "$ref": "#/components/schemas/ErrorEnvelope" });
        self.hold_schema(&name, "no operation", &envelope, reply);
    }

    /// The operation that a request is for. Words of a path win over parameters.
    fn asked(&self, method: &Method, path: &str) -> Option<&Operation> {
        let path = path.split('?').next().unwrap_or_default();
        let asked: Vec<_> = path.split('/').collect();
        let parameters = |operation: &&Operation| {
            let stated: Vec<_> = operation.path.split('/').collect();
            let is_parameter = |part: &str| part.starts_with('{');
            let fits = stated.len() == asked.len()
                && stated
                    .iter()
                    .zip(&asked)
                    .all(|(stated, asked)| is_parameter(stated) || stated == asked);
            fits.then(|| stated.iter().filter(|part| is_parameter(part)).count())
        };
        // As the router does: first the path, then the method.
        let operations = self.operations.iter();
        let fitting: Vec<_> = operations
            .filter_map(|operation| Some((parameters(&operation)?, operation)))
            .collect();
        let fewest = fitting.iter().map(|(parameters, _)| *parameters).min()?;
        let mut fitting = fitting.into_iter();
        let found = fitting
            .find(|(parameters, operation)| *parameters == fewest && operation.method == *method);
        found.map(|(_, operation)| operation)
    }

    fn hold_operation(&self, operation: &Operation, reply: &Reply) {
        let status = reply.status.as_str();
        let name = format!("{} {status}", operation.id);
        let response = operation
            .responses
            .get(status)
            .unwrap_or_else(|| panic!("{name} is not in the document: {}", text(reply)));
        let content_type = reply.header("content-type");
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let Some(content) = response["content"].as_object() else {
            assert!(
                reply.bytes.is_empty(),
                "{name} is stated without a body: {}",
                text(reply)
            );
            return;
        };
        let stated = content
            .get(essence)
            .unwrap_or_else(|| panic!("{name}: {content_type} is not stated"));
        if essence != "application/json" {
            return;
        }
        self.hold_schema(&name, &name, &stated["schema"], reply);
    }

    fn hold_schema(&self, name: &str, stated_for: &str, schema: &Value, reply: &Reply) {
        let parsed: Value = serde_json::from_slice(&reply.bytes)
            .unwrap_or_else(|error| panic!("{name}: {error}: {}", text(reply)));
        let faults: Vec<_> = self
            .validator(stated_for, schema)
            .iter_errors(&parsed)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}\n{}", text(reply));
    }

    /// What holds a value against a schema of the document, as a client would that reads it.
    pub(crate) fn reader_of(&self, schema: &Value) -> Validator {
        let mut whole = schema.clone();
        whole["components"] = self.root["components"].clone();
        strict(&whole)
    }

    fn validator(&self, name: &str, schema: &Value) -> &'static Validator {
        let mut known = self.validators.lock().unwrap();
        known.entry(name.to_owned()).or_insert_with(|| {
            let mut whole = close(&self.root, schema);
            whole["components"] = json!({ "schemas": self.closed });
            // One a status of an operation, for the life of the tests.
            Box::leak(Box::new(strict(&whole)))
        })
    }
}

fn operation(root: &Value, path: &str, method: &str, stated: &Value) -> Operation {
    let parameters = stated["parameters"].as_array().into_iter().flatten();
    let body = &stated["requestBody"]["content"]["application/json"]["schema"];
    Operation {
        id: stated["operationId"].as_str().unwrap().to_owned(),
        method: method.to_uppercase().parse().unwrap(),
        path: path.to_owned(),
        parameters: parameters
            .map(|parameter| Parameter {
                name: parameter["name"].as_str().unwrap().to_owned(),
                place: parameter["in"].as_str().unwrap().to_owned(),
                schema: follow(root, &parameter["schema"]).clone(),
            })
            .collect(),
        body: (!body.is_null()).then(|| follow(root, body).clone()),
        secured: stated.get("security").is_some(),
        responses: stated["responses"].as_object().unwrap().clone(),
    }
}

fn follow<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => follow(
            root,
            root.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        ),
        None => schema,
    }
}

/// The schema with every object that lists properties closed to others.
fn close(root: &Value, schema: &Value) -> Value {
    let mut closed = below(root, schema);
    let lists = closed.get("properties").is_some() || closed.get("allOf").is_some();
    if lists && closed.get("additionalProperties").is_none() {
        closed["unevaluatedProperties"] = json!(false);
    }
    closed
}

/// The schema itself open, and all that is below it closed.
fn below(root: &Value, schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let part = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value) {
                    ("example" | "default" | "enum" | "required", value) => value.clone(),
                    // Parts of one object: only the whole can be closed.
                    ("allOf", Value::Array(parts)) => parts
                        .iter()
                        .map(|part| below(root, follow(root, part)))
                        .collect(),
                    ("properties", Value::Object(fields)) => fields
                        .iter()
                        .map(|(name, field)| (name.clone(), close(root, field)))
                        .collect(),
                    ("oneOf" | "anyOf", Value::Array(forms)) => {
                        forms.iter().map(|form| close(root, form)).collect()
                    }
                    (_, Value::Object(_)) => close(root, value),
                    (_, value) => value.clone(),
                };
                (key.clone(), value)
            };
            map.iter().map(part).collect()
        }
        other => other.clone(),
    }
}

fn strict(schema: &Value) -> Validator {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    let options = options.should_validate_formats(true);
    options.build(schema).unwrap()
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.bytes).into_owned()
}

#[test]
fn a_property_that_is_not_stated_is_found() {
    let root = json!({});
    let schema = json!({ "allOf": [{ "type": "object", "properties": { "a": { "type": "object", "properties": { "b": {} } } } }] });
    let closed = close(&root, &schema);
    let validator = strict(&closed);
    assert!(validator.is_valid(&json!({ "a": { "b": 1 } })));
    assert!(!validator.is_valid(&json!({ "a": { "b": 1 }, "c": 1 })));
    assert!(!validator.is_valid(&json!({ "a": { "b": 1, "c": 1 } })));
}

#[test]
fn an_instant_in_another_form_is_found() {
    let instant = json!({ "type": "string", "format": "date-time" });
    assert!(strict(&instant).is_valid(&json!("2026-01-05T15:00:00Z")));
    assert!(!strict(&instant).is_valid(&json!("5 January 2026")));
}

/// A fault in any answer breaks the test that asked.
#[test]
#[should_panic(expected = "getTenant 200")]
fn an_answer_that_is_not_stated_is_found() {
    let bytes =
        br#"{"status":"success","message":"Tenant retrieved successfully","data":{"secret":1}}"#;
    let reply = Reply {
        status: http::StatusCode::OK,
        headers: [(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        )]
        .into_iter()
        .collect(),
        bytes: bytes::Bytes::from_static(bytes),
        body: serde_json::from_slice(bytes).unwrap(),
    };
    Document::get().hold(&Method::GET, "/api/v2/tenant", &reply);
}
