//! Every route, by what it needs.

mod server;
mod tokens;

use utoipa_axum::router::OpenApiRouter;

use crate::openapi;
use crate::state::App;

/// Routes without a token.
pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base()).merge(server::routes())
}

/// Routes behind [`crate::auth::authenticate`].
pub(crate) fn authenticated() -> OpenApiRouter<App> {
    OpenApiRouter::default().merge(tokens::routes())
}
