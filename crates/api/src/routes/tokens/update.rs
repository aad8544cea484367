use axum::extract::State;
use domain::TokenId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::TokenView;
use crate::answer::{Answer, Success};
use crate::auth::Admin;
use crate::body::{Body, RequestBody};
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// A change of a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenPatch {
    /// Whether it authenticates; holds from the answer on.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

impl RequestBody for TokenPatch {}

/// Enables or disables a token. It holds from the answer on.
#[utoipa::path(patch, path = "/api/v2/tokens/{token_id}", operation_id = "updateToken", tag = "Tokens",
    params(("token_id" = String, Path, description = "Global id of the token.", example = "QXBpVG9rZW46MTIz"), IfMatchParam),
    request_body(content = TokenPatch, example = json!({ "enabled": false })),
    responses((status = 200, description = "Token updated successfully", body = Success<TokenView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn update_token(
    State(app): State<App>,
    Admin(caller): Admin,
    PathId(token_id): PathId<TokenId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    body: Body<TokenPatch>,
) -> ApiResult<Answer> {
    let record = if let Some(enabled) = body.parse()?.enabled {
        app.store
            .set_token_enabled(caller, token_id, enabled, precondition)
            .await?
    } else {
        let record = app.store.get_token(caller.tenant_id, token_id).await?;
        precondition.check(record.revision)?;
        record
    };
    Ok(
        Answer::ok("Token updated successfully", TokenView::of(&record))
            .with_revision(record.revision),
    )
}
