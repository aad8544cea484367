//! Bearer tokens of a tenant. All of it needs the scope `admin`, but for looking.

mod create;
mod delete;
mod get;
mod list;
mod update;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create::create_token))
        .routes(routes!(list::list_tokens))
        .routes(routes!(get::get_token))
        .routes(routes!(update::update_token))
        .routes(routes!(delete::delete_token))
}
