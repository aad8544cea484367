//! A tenant's accounts at voice vendors. Changes need the scope `admin`.

mod account;
mod assistants;
mod base_url;
mod create;
mod delete;
mod get;
mod list;
mod phone_numbers;
mod update;
mod vendor_list;
mod verify;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create::create_voice_provider))
        .routes(routes!(list::list_voice_providers))
        .routes(routes!(get::get_voice_provider))
        .routes(routes!(update::update_voice_provider))
        .routes(routes!(delete::delete_voice_provider))
        .routes(routes!(verify::verify_voice_provider))
        .routes(routes!(assistants::list_assistants))
        .routes(routes!(phone_numbers::list_phone_numbers))
}
