use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::GlobalId;
use crate::query::NoQuery;
use crate::state::App;

/// The account a token belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantView {
    /// Global id of the tenant, as the lead calls of version 1 want it.
    #[schema(example = "VGVuYW50OjEyMw==")]
    tenant_id: String,
    /// Global id of the token that asked.
    #[schema(example = "QXBpVG9rZW46MTIz")]
    token_id: Option<String>,
}

/// The tenant of the token.
#[utoipa::path(get, path = "/api/v2/tenant", operation_id = "getTenant", tag = "Tokens",
    responses((status = 200, description = "Tenant retrieved successfully", body = Success<TenantView>)))]
pub(crate) async fn get_tenant(
    State(_): State<App>,
    Reader(caller): Reader,
    _: NoQuery,
) -> ApiResult<Answer> {
    let view = TenantView {
        tenant_id: caller.tenant_id.global(),
        token_id: caller.token_id.map(GlobalId::global),
    };
    Ok(Answer::ok("Tenant retrieved successfully", view))
}
