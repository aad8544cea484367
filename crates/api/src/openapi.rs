//! The OpenAPI document. Operations come from the router itself; what is common to all of them is
//! added here in one pass.

mod precision;

use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required, Response, ResponseBuilder, ServerBuilder,
};
use utoipa::{Modify, PartialSchema, ToSchema};

use crate::error::{ErrorDetail, ErrorEnvelope};

pub(crate) use precision::sharpen;

const DESCRIPTION: &str = "Campanile places outbound voice calls for campaigns: whom, when, from which number, and never twice.

Every request but health checks needs `Authorization: Bearer <token>`. A token has scopes: `read` for GET, `write` for changes, \
`admin` for tokens and voice providers; `admin` implies `write`, `write` implies `read`.

Bodies are strict: an unknown field, a key named twice or a wrong type is refused, and every fault found is listed in `errors`. \
Every POST takes an `Idempotency-Key`; objects with a `revision` answer an `ETag`, and `If-Match` is honoured.";

/// Tags with their descriptions, in the order of the document.
const TAGS: &[(&str, &str)] = &[
    (
        "Campaigns",
        "What is dialed, when, how often, and by which assistant.",
    ),
    ("Leads", "The people of a campaign."),
    (
        "Leads, version 1",
        "The lead calls of the API's first version, kept for its clients.",
    ),
    ("Calls", "Attempts and what came of them."),
    ("Voice providers", "A tenant's accounts at voice vendors."),
    (
        "Phone number pools",
        "Caller numbers a campaign rotates over.",
    ),
    ("Tokens", "Bearer tokens of a tenant."),
    ("Callbacks", "Where voice vendors report."),
    ("Server", "Health, metrics, and this document."),
];

/// The document before any route is in it.
pub(crate) fn base() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("MIT OR Apache-2.0")
        .identifier(Some("MIT OR Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Campanile")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license.build()));
    let tags = TAGS.iter().map(|(name, description)| {
        utoipa::openapi::tag::TagBuilder::new()
            .name(*name)
            .description(Some(*description))
            .build()
    });
    OpenApiBuilder::new()
        .info(info.build())
        .tags(Some(tags))
        .servers(Some([ServerBuilder::new()
            .url("/")
            .description(Some("This server"))
            .build()]))
        .build()
}

/// Adds what every operation has: failures, the request id, the security scheme.
pub(crate) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components
            .schemas
            .insert(ErrorEnvelope::name().into_owned(), ErrorEnvelope::schema());
        components
            .schemas
            .insert(ErrorDetail::name().into_owned(), ErrorDetail::schema());
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of `POST /api/v2/tokens`: `cmp_` and 38 characters.",
            ));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                complete(path, &method, operation);
            }
        }
    }
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> Vec<(HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, item.get.as_mut()),
        (HttpMethod::Post, item.post.as_mut()),
        (HttpMethod::Put, item.put.as_mut()),
        (HttpMethod::Patch, item.patch.as_mut()),
        (HttpMethod::Delete, item.delete.as_mut()),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| Some((method, operation?)))
        .collect()
}

fn complete(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let needs_token = path.starts_with("/api/") || path.starts_with("/v1/");
    if needs_token {
        operation.security = Some(vec![SecurityRequirement::new(
            "bearer",
            Vec::<String>::new(),
        )]);
    }
    if needs_token && *method == HttpMethod::Post {
        add_idempotency_key(operation);
    }
    for (status, description) in failures(path, method, operation, needs_token) {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(failure(description)));
    }
    if let Some(RefOr::T(stale)) = operation.responses.responses.get_mut("412") {
        let present = HeaderBuilder::new()
            .schema(text())
            .description(Some("The revision the object is at."))
            .build();
        stale.headers.insert("ETag".to_owned(), present);
    }
    let request_id = HeaderBuilder::new()
        .schema(text())
        .description(Some("Id of the request."))
        .build();
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            // Every failure has the envelope, also one that an operation words itself.
            if status.starts_with(['4', '5']) && response.content.is_empty() {
                let json = "application/json".to_owned();
                response.content.insert(json, envelope());
            }
            response
                .headers
                .insert("x-request-id".to_owned(), request_id.clone());
        }
    }
}

fn failures(
    path: &str,
    method: &HttpMethod,
    operation: &Operation,
    needs_token: bool,
) -> Vec<(&'static str, &'static str)> {
    let mut failures = Vec::new();
    if needs_token {
        failures.push(("401", "No token that authenticates."));
        failures.push(("403", "The token lacks the scope."));
        failures.push((
            "422",
            "The input is well formed but wrong; every fault is listed in `errors`.",
        ));
        failures.push(("429", "Too many requests with this token."));
    }
    let reads_body = operation.request_body.is_some() || *method == HttpMethod::Post;
    let conditional = takes(operation, "If-Match");
    if reads_body || conditional {
        failures.push(("400", "The body or a header cannot be read."));
    }
    if reads_body {
        failures.push(("413", "The body is too large."));
        failures.push(("415", "The body is not declared as JSON."));
    }
    if path.contains('{') {
        failures.push(("404", "The tenant has no such object."));
    }
    if needs_token && *method != HttpMethod::Get {
        failures.push(("409", "The state of the object does not allow it."));
    }
    if conditional {
        failures.push((
            "412",
            "The object is at another revision than `If-Match` names.",
        ));
    }
    failures.push(("500", "A fault of the server."));
    failures.push((
        "503",
        "The database or the voice provider cannot be reached; try again.",
    ));
    failures
}

fn takes(operation: &Operation, name: &str) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| parameter.name == name)
}

fn failure(description: &str) -> Response {
    ResponseBuilder::new()
        .description(description)
        .content("application/json", envelope())
        .build()
}

fn envelope() -> Content {
    let envelope = Ref::from_schema_name(ErrorEnvelope::name());
    ContentBuilder::new().schema(Some(envelope)).build()
}

fn text() -> utoipa::openapi::schema::Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

fn add_idempotency_key(operation: &mut Operation) {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255));
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(schema.build()))
        .example(Some(json!("import-2026-01-31-17")))
        .description(Some("Repeats with the same key and body within 24 hours have one effect and the same answer."));
    operation
        .parameters
        .get_or_insert_default()
        .push(key.build());
}
