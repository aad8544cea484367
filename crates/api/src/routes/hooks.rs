//! Where voice vendors report. No token: a callback proves itself by the vendor's own scheme, and
//! its address holds a key that cannot be guessed.

mod deliver;
mod open_lines;
mod receive;
mod receive_for_attempt;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::open_lines::OpenLines;
use crate::state::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(receive::receive_callback))
        .routes(routes!(receive_for_attempt::receive_attempt_callback))
}
