use axum::extract::State;

use super::view::TenantView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::query::NoQuery;
use crate::state::App;

/// The tenant of the token.
#[utoipa::path(get, path = "/api/v2/tenant", operation_id = "getTenant", tag = "Tokens",
    responses((status = 200, description = "Tenant retrieved successfully", body = Success<TenantView>,
        headers(("ETag" = String, description = "The revision.")))))]
pub(crate) async fn get_tenant(
    State(app): State<App>,
    Reader(caller): Reader,
    _: NoQuery,
) -> ApiResult<Answer> {
    let tenant = app.store.get_tenant(caller.tenant_id).await?;
    let view = TenantView::of(caller, &tenant);
    Ok(Answer::ok("Tenant retrieved successfully", view).with_revision(tenant.revision))
}
