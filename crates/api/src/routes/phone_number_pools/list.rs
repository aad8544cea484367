use axum::extract::State;

use super::view::PoolView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Pools, newest first.
#[utoipa::path(get, path = "/api/v2/phone-number-pools", operation_id = "listPhoneNumberPools", tag = "Phone number pools", params(PageParams),
    responses((status = 200, description = "Phone number pools retrieved successfully", body = Listed<PoolView>)))]
pub(crate) async fn list_pools(
    State(app): State<App>,
    Reader(caller): Reader,
    mut query: Query,
) -> ApiResult<Answer> {
    let page = query.page(ListKind::Pools);
    query.finish()?;
    let page = app.store.list_pools(caller.tenant_id, page).await?;
    let views: Vec<_> = page.items.iter().map(PoolView::of).collect();
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Pools, position));
    Ok(Answer::list(
        "Phone number pools retrieved successfully",
        views,
        next,
    ))
}
