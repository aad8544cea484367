use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use store::{NewToken, Scopes, TokenRecord};
use utoipa::ToSchema;

use super::view::{NewTokenView, TokenView};
use crate::answer::{Answer, Success};
use crate::auth::Admin;
use crate::body::{Post, RequestBody, typed};
use crate::code;
use crate::error::ApiResult;
use crate::instant;
use crate::name;
use crate::query::NoQuery;
use crate::state::App;
use crate::token;

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "name and end are read before the rest, to tell their faults together with the schema's"
)]
pub(crate) struct TokenCreate {
    /// Display name.
    #[schema(min_length = 1, max_length = 200, example = "CRM sync")]
    name: String,
    #[schema(schema_with = scopes_schema)]
    scopes: Vec<String>,
    /// From when on it does not authenticate; never, when left out.
    #[schema(format = DateTime, example = "2027-01-31T00:00:00Z")]
    expires_at: Option<String>,
}

impl RequestBody for TokenCreate {}

fn scopes_schema() -> utoipa::openapi::schema::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
    let word = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["read", "write", "admin"]));
    let description = "What it may do; `admin` implies `write`, `write` implies `read`.";
    ArrayBuilder::new()
        .items(word)
        .min_items(Some(1))
        .unique_items(true)
        .description(Some(description))
        .build()
}

/// Makes a token and shows its secret this once.
#[utoipa::path(post, path = "/api/v2/tokens", operation_id = "createToken", tag = "Tokens",
    request_body(content = TokenCreate, example = json!({ "name": "CRM sync", "scopes": ["read", "write"] })),
    responses((status = 201, description = "Token created successfully", body = Success<NewTokenView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn create_token(
    State(app): State<App>,
    Admin(caller): Admin,
    _: NoQuery,
    post: Post<TokenCreate>,
) -> ApiResult<Answer> {
    let (fields, mut faults) = post.body.into_parts();
    let expires_at = match fields.get("expires_at") {
        Some(Value::String(text)) => match instant::of_body("expires_at", text) {
            Ok(at) if at > caller.now => Some(at),
            Ok(_) => {
                faults.add(
                    "expires_at",
                    code::IN_THE_PAST,
                    "`expires_at` must lie in the future.",
                );
                None
            }
            Err(fault) => {
                faults.push(fault);
                None
            }
        },
        _ => None,
    };
    let name = name::read(&fields, &mut faults);
    let name = faults.settle(name)?;
    let body: TokenCreate = typed(fields)?;
    let scopes = Scopes::from_names(body.scopes.iter().map(String::as_str)).unwrap_or_default();
    let secret = token::generate(app.entropy.as_ref());
    let new = NewToken {
        name,
        scopes,
        hash: token::hash(&secret),
        masked: token::mask(&secret),
        expires_at,
    };
    let render = move |record: &TokenRecord| {
        let view = NewTokenView {
            token: TokenView::of(record),
            token_secret: secret.clone(),
        };
        Answer::created("Token created successfully", view).with_revision(record.revision)
    };
    post.once
        .write(&app, render, |key| app.store.create_token(caller, new, key))
        .await
}
