//! Campaigns: settings, life cycle, history.

mod archive;
pub(crate) mod body;
pub(crate) mod check;
mod command_request;
mod create;
mod delete;
pub(crate) mod draft;
mod duplicate;
mod get;
mod list;
mod live_calls;
mod order;
mod pause;
mod resume;
mod revisions;
mod start;
mod stop;
mod update;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(create::create_campaign))
        .routes(routes!(list::list_campaigns))
        .routes(routes!(get::get_campaign))
        .routes(routes!(update::update_campaign))
        .routes(routes!(delete::delete_campaign))
        .routes(routes!(start::start_campaign))
        .routes(routes!(pause::pause_campaign))
        .routes(routes!(resume::resume_campaign))
        .routes(routes!(stop::stop_campaign))
        .routes(routes!(archive::archive_campaign))
        .routes(routes!(duplicate::duplicate_campaign))
        .routes(routes!(revisions::list_revisions))
}
