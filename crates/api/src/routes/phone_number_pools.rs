//! Pools of caller numbers.

mod body;
mod create;
mod delete;
mod get;
mod health;
mod list;
mod numbers;
mod update;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create::create_pool))
        .routes(routes!(list::list_pools))
        .routes(routes!(get::get_pool))
        .routes(routes!(update::update_pool))
        .routes(routes!(delete::delete_pool))
        .routes(routes!(health::get_pool_health))
}
