use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::App;

/// That the process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `alive`.
    #[schema(example = "alive")]
    status: &'static str,
    /// Version of the server.
    version: &'static str,
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "Server",
    responses((status = 200, description = "The process answers.", body = Alive)))]
pub(crate) async fn livez(State(app): State<App>) -> Json<Alive> {
    Json(Alive {
        status: "alive",
        version: app.options.version,
    })
}
