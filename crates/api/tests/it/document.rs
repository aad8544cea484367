use serde_json::Value;

use crate::support::Server;

fn document() -> Value {
    serde_json::from_str(&api::openapi_json()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    all.collect()
}

#[test]
fn every_operation_is_complete() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let tags: Vec<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].clone())
        .collect();
    let mut ids = Vec::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{name} has no summary");
        assert!(
            tags.contains(&operation["tags"][0]),
            "{name} has an unknown tag"
        );
        let id = operation["operationId"].as_str().unwrap();
        assert!(!ids.contains(&id), "{id} names two operations");
        ids.push(id);
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{name} {status}"
            );
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(
                parameter["description"].is_string(),
                "{name}: {} has no description",
                parameter["name"]
            );
        }
        if operation.get("security").is_some() {
            for status in ["401", "403", "422", "429", "500", "503"] {
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{name} lacks {status}"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                    references += 1;
                    let found = document.pointer(reference.strip_prefix('#').unwrap());
                    assert!(found.is_some(), "{reference} leads nowhere");
                }
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(references > 20);
}

#[test]
fn every_field_of_every_schema_is_described() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let mut forms = property["oneOf"].as_array().into_iter().flatten();
            let described = property["description"].is_string()
                || property.get("$ref").is_some()
                || forms.any(|form| form["description"].is_string());
            assert!(described, "{name}.{field} has no description");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_without_a_token() {
    let server = Server::start().await;
    let answer = server
        .request(http::Method::GET, "/openapi.json")
        .no_token()
        .send()
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, document());
    let page = server
        .request(http::Method::GET, "/docs")
        .no_token()
        .send()
        .await;
    let html = String::from_utf8(page.bytes.to_vec()).unwrap();
    for (_, operation) in operations(&document()) {
        assert!(html.contains(&format!(
            "id=\"{}\"",
            operation["operationId"].as_str().unwrap()
        )));
    }
    assert!(
        !html.contains("https://") || !html.contains("src=\"http"),
        "nothing is loaded from elsewhere"
    );
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'sha256-")
    );
}
