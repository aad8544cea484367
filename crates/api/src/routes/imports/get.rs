use axum::extract::State;
use domain::ImportId;

use super::view::ImportView;
use crate::answer::{Answer, Success};
use crate::auth::Reader;
use crate::error::ApiResult;
use crate::ids::PathId;
use crate::query::NoQuery;
use crate::state::App;

/// How far a bulk addition is.
#[utoipa::path(get, path = "/api/v2/imports/{import_id}", operation_id = "getImport", tag = "Leads",
    params(("import_id" = String, Path, description = "Global id of the import.", example = "TGVhZEltcG9ydDoxMjM=")),
    responses((status = 200, description = "Import retrieved successfully", body = Success<ImportView>)))]
pub(crate) async fn get_import(
    State(app): State<App>,
    Reader(caller): Reader,
    PathId(import_id): PathId<ImportId>,
    _: NoQuery,
) -> ApiResult<Answer> {
    let import = app.store.get_import(caller.tenant_id, import_id).await?;
    Ok(Answer::ok(
        "Import retrieved successfully",
        ImportView::of(&import),
    ))
}
