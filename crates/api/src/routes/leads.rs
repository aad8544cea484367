//! The people of a campaign.

mod add;
mod add_bulk;
pub(super) mod body;
mod delete;
pub(super) mod fields;
mod get;
mod list;
mod next_attempt;
mod remove_bulk;
mod results;
mod update;
mod update_bulk;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(add::add_lead))
        .routes(routes!(add_bulk::add_leads))
        .routes(routes!(update_bulk::update_leads))
        .routes(routes!(remove_bulk::remove_leads))
        .routes(routes!(list::list_leads))
        .routes(routes!(get::get_lead))
        .routes(routes!(update::update_lead))
        .routes(routes!(delete::delete_lead))
}
