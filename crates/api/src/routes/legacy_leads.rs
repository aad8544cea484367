//! The three lead calls of the existing API's first version.

mod add;
mod remove;
mod update;

use domain::TenantId;
use serde_json::{Map, Value};
use store::Caller;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::ids::decode_field;
use crate::state::App;

/// A body that names a tenant must name the token's.
fn check_tenant(fields: &Map<String, Value>, caller: Caller, faults: &mut Faults) -> ApiResult<()> {
    let Some(text) = fields.get("tenant_id").and_then(Value::as_str) else {
        return Ok(());
    };
    match faults.take(decode_field::<TenantId>("tenant_id", text)) {
        Some(tenant_id) if tenant_id != caller.tenant_id => Err(ApiError::WrongTenant),
        _ => Ok(()),
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(add::add_lead_v1))
        .routes(routes!(update::update_lead_v1))
        .routes(routes!(remove::remove_lead_v1))
}
