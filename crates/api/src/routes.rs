//! Every route, by what it needs.

mod calls;
pub(crate) mod campaigns;
pub(crate) mod hooks;
mod imports;
mod leads;
mod legacy_leads;
mod phone_number_pools;
mod server;
mod tenant;
mod tokens;
mod voice_providers;

use utoipa_axum::router::OpenApiRouter;

use crate::openapi;
use crate::state::App;

/// Routes without a token.
pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(hooks::routes())
        .merge(server::routes())
}

/// Routes behind [`crate::auth::authenticate`].
pub(crate) fn authenticated() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .merge(campaigns::routes())
        .merge(leads::routes())
        .merge(legacy_leads::routes())
        .merge(imports::routes())
        .merge(calls::routes())
        .merge(voice_providers::routes())
        .merge(phone_number_pools::routes())
        .merge(tenant::routes())
        .merge(tokens::routes())
}
