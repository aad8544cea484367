//! Calls: attempts and what came of them.

mod csv;
mod export;
mod export_of_campaign;
mod filter;
mod get;
mod hang_up;
mod list;
mod list_of_campaign;
mod test_call;
mod view;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(list::list_calls))
        .routes(routes!(list_of_campaign::list_campaign_calls))
        .routes(routes!(get::get_call))
        .routes(routes!(export::export_calls))
        .routes(routes!(export_of_campaign::export_campaign_calls))
        .routes(routes!(hang_up::hang_up_call))
        .routes(routes!(test_call::place_test_call))
}
