use axum::extract::State;
use axum::response::Response;

use super::csv;
use super::filter::{self, CallFilterParams};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::query::Query;
use crate::state::App;

/// Calls of all campaigns as CSV, newest first. Text that a spreadsheet would take for a formula
/// begins with `'`.
#[utoipa::path(get, path = "/api/v2/calls/export.csv", operation_id = "exportCalls", tag = "Calls", params(CallFilterParams),
    responses((status = 200, description = "The calls", body = String, content_type = "text/csv")))]
pub(crate) async fn export_calls(
    State(app): State<App>,
    Reader(caller): Reader,
    mut query: Query,
) -> ApiResult<Response> {
    let filter = filter::read(&mut query, None);
    query.finish()?;
    csv::download(app, caller.tenant_id, filter).await
}
