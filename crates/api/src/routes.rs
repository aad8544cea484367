//! Every route, by what it needs.

mod imports;
mod leads;
mod legacy_leads;
mod server;
mod tenant;
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
    OpenApiRouter::default()
        .merge(leads::routes())
        .merge(legacy_leads::routes())
        .merge(imports::routes())
        .merge(tenant::routes())
        .merge(tokens::routes())
}
