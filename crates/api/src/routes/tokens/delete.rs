use axum::extract::State;
use domain::TokenId;

use crate::answer::{Answer, Done};
use crate::auth::Admin;
use crate::error::ApiResult;
use crate::etag::{IfMatch, IfMatchParam};
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// Deletes a token. It holds from the answer on.
#[utoipa::path(delete, path = "/api/v2/tokens/{token_id}", operation_id = "deleteToken", tag = "Tokens",
    params(("token_id" = String, Path, description = "Global id of the token.", example = "QXBpVG9rZW46MTIz"), IfMatchParam),
    responses((status = 200, description = "Token deleted successfully", body = Done)))]
pub(crate) async fn delete_token(
    State(app): State<App>,
    Admin(caller): Admin,
    PathId(token_id): PathId<TokenId>,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> ApiResult<Answer> {
    app.store
        .delete_token(caller, token_id, precondition)
        .await?;
    Ok(Answer::done("Token deleted successfully"))
}
