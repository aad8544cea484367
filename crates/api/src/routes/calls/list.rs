use axum::extract::State;
use domain::TenantId;
use store::{CallFilter, PageRequest};

use super::filter::{self, CallFilterParams};
use super::view::CallView;
use crate::answer::{Answer, Listed};
use crate::auth::Reader;
use crate::cursor::{self, ListKind};
use crate::error::ApiResult;
use crate::query::{PageParams, Query};
use crate::state::App;

/// Calls of all campaigns, newest first, without transcript and structured data.
#[utoipa::path(get, path = "/api/v2/calls", operation_id = "listCalls", tag = "Calls", params(CallFilterParams, PageParams),
    responses((status = 200, description = "Calls retrieved successfully", body = Listed<CallView>)))]
pub(crate) async fn list_calls(
    State(app): State<App>,
    Reader(caller): Reader,
    mut query: Query,
) -> ApiResult<Answer> {
    let filter = filter::read(&mut query, None);
    let page = query.page(ListKind::Calls);
    query.finish()?;
    answer(&app, caller.tenant_id, filter, page).await
}

/// One page of calls.
pub(super) async fn answer(
    app: &App,
    tenant_id: TenantId,
    filter: CallFilter,
    page: PageRequest,
) -> ApiResult<Answer> {
    let page = app.store.list_calls(tenant_id, filter, page).await?;
    let views: Vec<_> = page.items.iter().map(CallView::of).collect();
    let next = page
        .next
        .map(|position| cursor::encode(ListKind::Calls, position));
    Ok(Answer::list("Calls retrieved successfully", views, next))
}
