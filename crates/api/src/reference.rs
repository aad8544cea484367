//! The reference page at `/docs`: rendered here from the OpenAPI document, with no script or
//! style from anywhere else. The policy header allows exactly the inline ones by their hashes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("reference/style.css");
const SCRIPT: &str = include_str!("reference/search.js");

/// The page and its policy.
pub(crate) struct Page {
    /// HTML.
    pub(crate) html: String,
    /// `Content-Security-Policy`.
    pub(crate) policy: String,
}

/// Renders the page of an OpenAPI document.
pub(crate) fn render(document: &Value) -> Page {
    let mut html = String::with_capacity(256 * 1024);
    let info = |name: &str| escaped(document["info"][name].as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><style>{STYLE}</style></head><body>\
         <header><h1>{title} API <small>{version}</small></h1>\
         <input id=\"search\" type=\"search\" placeholder=\"Search path, name or description\" aria-label=\"Search operations\">\
         <p><a href=\"/openapi.json\">openapi.json</a></p></header><main><div class=\"intro\">{description}</div>",
        title = info("title"),
        version = info("version"),
        description = paragraphs(document["info"]["description"].as_str().unwrap_or_default()),
    );
    let renderer = Renderer { document };
    for tag in document["tags"].as_array().into_iter().flatten() {
        renderer.tag(&mut html, tag);
    }
    renderer.schemas(&mut html);
    let _ = write!(html, "</main><script>{SCRIPT}</script></body></html>");
    Page {
        html,
        policy: policy(),
    }
}

fn policy() -> String {
    let hash = |text: &str| {
        format!(
            "'sha256-{}'",
            STANDARD.encode(Sha256::digest(text.as_bytes()))
        )
    };
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

struct Renderer<'a> {
    document: &'a Value,
}

impl Renderer<'_> {
    fn tag(&self, html: &mut String, tag: &Value) {
        let name = tag["name"].as_str().unwrap_or_default();
        let mut body = String::new();
        for (path, item) in object(&self.document["paths"]) {
            for (method, operation) in object(item) {
                let tags = operation["tags"].as_array().into_iter().flatten();
                if tags.filter_map(Value::as_str).any(|tag| tag == name) {
                    operation_html(&mut body, path, method, operation);
                }
            }
        }
        if !body.is_empty() {
            let description = inline(tag["description"].as_str().unwrap_or_default());
            let _ = write!(
                html,
                "<section><h2>{}</h2><p>{description}</p>{body}</section>",
                escaped(name)
            );
        }
    }

    fn schemas(&self, html: &mut String) {
        html.push_str("<section><h2>Schemas</h2>");
        for (name, schema) in object(&self.document["components"]["schemas"]) {
            let name = escaped(name);
            let _ = write!(
                html,
                "<details class=\"item schema\" id=\"schema-{name}\"><summary><code>{name}</code></summary>"
            );
            describe(html, schema);
            properties(html, schema);
            html.push_str("</details>");
        }
        html.push_str("</section>");
    }
}

fn operation_html(html: &mut String, path: &str, method: &str, operation: &Value) {
    let summary = inline(operation["summary"].as_str().unwrap_or_default());
    let id = escaped(operation["operationId"].as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<details class=\"item\" id=\"{id}\"><summary><span class=\"method {method}\">{method}</span> \
         <code>{path}</code> <span class=\"summary\">{summary}</span></summary>",
        path = escaped(path),
    );
    describe(html, operation);
    parameters(html, operation);
    if let Some(schema) = json_schema(&operation["requestBody"]) {
        let _ = write!(html, "<h4>Body</h4><p>{}</p>", kind(schema));
        properties(html, schema);
        if let Some(example) = example(&operation["requestBody"]) {
            let _ = write!(html, "<pre>{}</pre>", escaped(&example));
        }
    }
    html.push_str("<h4>Answers</h4><table>");
    for (status, response) in object(&operation["responses"]) {
        let schema = json_schema(response).map(kind).unwrap_or_default();
        let description = inline(response["description"].as_str().unwrap_or_default());
        let _ = write!(
            html,
            "<tr><td><code>{}</code></td><td>{description}</td><td>{schema}</td></tr>",
            escaped(status)
        );
    }
    html.push_str("</table></details>");
}

fn parameters(html: &mut String, operation: &Value) {
    let Some(parameters) = operation["parameters"]
        .as_array()
        .filter(|all| !all.is_empty())
    else {
        return;
    };
    html.push_str("<h4>Parameters</h4><table>");
    for parameter in parameters {
        let required = if parameter["required"] == true {
            " <b>required</b>"
        } else {
            ""
        };
        let _ = write!(
            html,
            "<tr><td><code>{}</code></td><td>{}{required}</td><td>{}</td><td>{}</td></tr>",
            escaped(parameter["name"].as_str().unwrap_or_default()),
            escaped(parameter["in"].as_str().unwrap_or_default()),
            kind(&parameter["schema"]),
            inline(parameter["description"].as_str().unwrap_or_default()),
        );
    }
    html.push_str("</table>");
}

fn properties(html: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    html.push_str("<table>");
    for (name, property) in properties {
        let marker = if required.contains(&name.as_str()) {
            " <b>required</b>"
        } else {
            ""
        };
        let example = property
            .get("example")
            .map(|example| format!(" <i>{}</i>", escaped(&example.to_string())));
        let _ = write!(
            html,
            "<tr><td><code>{}</code></td><td>{}{marker}</td><td>{}{}</td></tr>",
            escaped(name),
            kind(property),
            inline(description(property)),
            example.unwrap_or_default(),
        );
    }
    html.push_str("</table>");
}

/// Of "this or nothing" the description is at "this".
fn description(schema: &Value) -> &str {
    let mut forms = schema["oneOf"].as_array().into_iter().flatten();
    let own = schema["description"].as_str();
    own.or_else(|| forms.find_map(|form| form["description"].as_str()))
        .unwrap_or_default()
}

/// The kind of a schema in a few words, with its bounds.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let forms = schema["oneOf"]
        .as_array()
        .or_else(|| schema["anyOf"].as_array());
    if let Some(forms) = forms {
        return forms.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let mut text = match &schema["type"] {
        Value::String(name) => escaped(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(escaped)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => String::new(),
    };
    if schema["items"].is_object() {
        let _ = write!(text, " of {}", kind(&schema["items"]));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(value.as_str().unwrap_or("null"))))
            .collect();
        let _ = write!(text, ": {}", values.join(" "));
    }
    for (name, sign) in [
        ("minimum", "≥"),
        ("maximum", "≤"),
        ("minLength", "length ≥"),
        ("maxLength", "length ≤"),
    ] {
        if let Some(bound) = schema[name].as_number() {
            let _ = write!(text, ", {sign} {bound}");
        }
    }
    text
}

fn json_schema(holder: &Value) -> Option<&Value> {
    holder
        .get("content")?
        .get("application/json")?
        .get("schema")
}

fn example(holder: &Value) -> Option<String> {
    let example = holder
        .get("content")?
        .get("application/json")?
        .get("example")?;
    serde_json::to_string_pretty(example).ok()
}

fn describe(html: &mut String, holder: &Value) {
    if let Some(description) = holder["description"].as_str() {
        let _ = write!(html, "<div>{}</div>", paragraphs(description));
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn paragraphs(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for paragraph in text.split("\n\n") {
        let _ = write!(html, "<p>{}</p>", inline(paragraph));
    }
    html
}

/// Escaped text with its `code` marked.
fn inline(text: &str) -> String {
    let parts = escaped(text);
    let mut html = String::with_capacity(parts.len());
    for (index, part) in parts.split('`').enumerate() {
        if index % 2 == 1 {
            let _ = write!(html, "<code>{part}</code>");
        } else {
            html.push_str(part);
        }
    }
    html
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        let document = serde_json::json!({
            "info": { "title": "<script>", "version": "1", "description": "a `b<c` d" },
            "tags": [{ "name": "T" }],
            "paths": { "/x": { "get": { "tags": ["T"], "operationId": "x", "summary": "\"><img>", "responses": {} } } },
        });
        let page = render(&document);
        assert!(!page.html.contains("<img>") && !page.html.contains("<title><script>"));
        assert!(page.html.contains("<code>b&lt;c</code>"));
        assert!(page.policy.contains("script-src 'sha256-"));
    }
}
