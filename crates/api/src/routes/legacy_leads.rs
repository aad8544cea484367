//! The three lead calls of the existing API's first version.

mod add;
mod remove;
mod update;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(add::add_lead_v1))
        .routes(routes!(update::update_lead_v1))
        .routes(routes!(remove::remove_lead_v1))
}
