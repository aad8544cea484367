use axum::extract::State;

use super::view::TokenView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Tokens, newest first, without their secrets.
#[utoipa::path(get, path = "/api/v2/tokens", operation_id = "listTokens", tag = "Tokens", params(PageParams),
    responses((status = 200, description = "Tokens retrieved successfully", body = Listed<TokenView>)))]
pub(crate) async fn list_tokens(
    State(app): State<App>,
    Reader(caller): Reader,
    mut query: Query,
) -> ApiResult<Answer> {
    let page = query.page(ListKind::Tokens);
    query.finish()?;
    let page = app.store.list_tokens(caller.tenant_id, page).await?;
    let views: Vec<_> = page.items.iter().map(TokenView::of).collect();
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Tokens, position));
    Ok(Answer::list("Tokens retrieved successfully", views, next))
}
