use axum::extract::State;
use domain::TokenId;

use super::view::TokenView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// One token, without its secret.
#[utoipa::path(get, path = "/api/v2/tokens/{token_id}", operation_id = "getToken", tag = "Tokens",
    params(("token_id" = String, Path, description = "Global id of the token.", example = "QXBpVG9rZW46MTIz")),
    responses((status = 200, description = "Token retrieved successfully", body = Success<TokenView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn get_token(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(token_id): PathId<TokenId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let record = app.store.get_token(caller.tenant_id, token_id).await?;
    Ok(
        Answer::ok("Token retrieved successfully", TokenView::of(&record))
            .with_revision(record.revision),
    )
}
