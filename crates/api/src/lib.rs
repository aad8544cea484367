//! The HTTP API.
//!
//! The contract is a promise to users; the code here is its shape on the wire: strict bodies, one
//! envelope, opaque ids, stable error codes, idempotent POSTs, and an OpenAPI document that comes
//! from the router itself. The API and the dialer meet only in the [`store::Store`].
//!
//! Invariants:
//! - A request reaches the store only with the tenant of its token.
//! - An answer says that the effect is durable; a failed answer with a 4xx says that nothing was
//!   changed.
//! - No secret, token, body or callback path is ever logged.
//!
//! What it must not do: place calls, spawn tasks outside the accept loop, read the clock or make
//! randomness other than through [`domain::ambient`].
//!
//! # How to add an endpoint
//!
//! One file per endpoint under `routes/<object>/`, registered with `routes!` in that folder's
//! `mod.rs`. `routes/tokens/create.rs` is the model for a POST, `update.rs` for a PATCH, `list.rs`
//! for a list. A handler is `State<App>`, then **the permission** (`auth::Reader`,
//! `auth::Writer` or `auth::Admin`; it holds the `store::Caller`), then `ids::PathId` per
//! path parameter, then the query (`query::NoQuery` or `query::Query`), then headers
//! (`etag::IfMatch`), and the body last:
//!
//! ```text
//! #[utoipa::path(post, path = "/api/v2/things", operation_id = "createThing", tag = "Things",
//!     request_body = ThingCreate, responses((status = 201, description = "Made.", body = Success<ThingView>)))]
//! pub(crate) async fn create_thing(
//!     State(app): State<App>, Writer(caller): Writer, _: NoQuery, post: Post<ThingCreate>,
//! ) -> ApiResult<Answer> {
//!     let body = post.body.parse()?;                       // all schema faults, or the type
//!     let thing = NewThing { name: body.name };
//!     post.once.write(&app,                                // with the Idempotency-Key, if any
//!         |record| Answer::created("Thing created successfully", ThingView::of(record)),
//!         |key| app.store.create_thing(caller, thing, key),
//!     ).await
//! }
//! ```
//!
//! - **Bodies**: a struct with `Deserialize + ToSchema`, `#[serde(deny_unknown_fields)]`, bounds in
//!   `#[schema(…)]`, and `impl RequestBody for …` (there: the size limit, and whether no body at
//!   all stands for `{}`). A PATCH field is `Option<T>`; `#[schema(nullable = false)]` makes `null`
//!   a fault; where `null` clears, read the map of `into_parts`. Bare lists: `bulk`.
//! - **Faults** of further rules: `let (fields, mut faults) = body.into_parts();` gives the fields
//!   that are sound so far; add with `faults::Faults::add` and end with `faults.check()?`, so that
//!   *all* faults are told at once. Ids in bodies: `ids::decode_field`.
//! - **Codes** are constants of `code`; a new one needs a section in `docs/error-codes.md` (a
//!   test says so). Store errors turn into answers by `?`.
//! - **Lists**: `query.page(ListKind::…)`, then `query::Query::finish` *before* reading, and
//!   `Answer::list(…, page.next.map(|at| cursor::encode(ListKind::…, at)))`.
//! - **Revisions**: `IfMatch(precondition)` as an argument (documented by `IfMatchParam`), handed to
//!   the store with the change, and `Answer::….with_revision(record.revision)`. Judge it before the
//!   store does only to spare a request to a provider.
//! - **Providers**: `provider_desk::ProviderDesk` seals and opens the secrets of a line and asks the
//!   vendor; `outside::check_url` judges addresses that users give.
//! - **Views** are structs with `Serialize + ToSchema` in the order of the contract; instants by
//!   `wire::instant`.
//! - Failures, security, `Idempotency-Key` and `x-request-id` are added to the document for every
//!   operation by `openapi::Common`; document only what is special. Every tag is listed there.
//! - **Isolation**: the operation needs a row in `tests/it/isolation/rows.rs`, with the scope and the
//!   object of a tenant it succeeds on; a kind of object that is new is made in `world.rs` beside
//!   it, and looked up in `auth::refusal`. Every answer of every test is held to the document.
//! - Routes without a token (callbacks) go to `routes::open`; raw bodies by `body::read_bytes`.

mod answer;
mod auth;
mod body;
mod bulk;
mod code;
mod cursor;
mod edge;
mod error;
mod etag;
mod faults;
mod hang_up;
mod idempotency;
mod ids;
mod instant;
mod json;
mod name;
mod openapi;
mod outside;
mod phone;
mod provider_desk;
mod query;
mod rate;
mod reference;
mod routes;
mod schema;
mod server;
mod state;
#[cfg(test)]
mod testing;
pub mod token;
#[doc(hidden)]
pub mod untrusted;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use domain::ambient::{Clock, Entropy};
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::Modify;
use utoipa::openapi::OpenApi;

use crate::error::ApiError;
use crate::state::App;

/// What the API works with.
pub struct Api {
    /// Everything that is kept.
    pub store: Arc<dyn Store>,
    /// Seals and opens secrets.
    pub vault: store::Vault,
    /// The way to voice vendors.
    pub transport: Arc<dyn providers::Transport>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Tells whether the rest of the server is well.
    pub health: Arc<dyn Health>,
    /// Settings.
    pub options: Options,
}

/// Settings of the API.
#[derive(Clone)]
pub struct Options {
    /// Where vendors reach this server, without a trailing slash.
    pub public_url: Option<String>,
    /// Whether `webhook_url` and `base_url` may name private addresses.
    pub allow_private_networks: bool,
    /// Root of the in-process sandbox, with `/vapi`, for lines of SANDBOX without `base_url`.
    pub sandbox_base_url: Option<String>,
    /// Requests per second and token.
    pub rate_limit_per_second: u32,
    /// Requests at once and token.
    pub rate_limit_burst: u32,
    /// Most connections at once.
    pub max_connections: usize,
    /// Longest time for the head of a request, and for a connection without one.
    pub header_timeout: Duration,
    /// Longest time in which no byte moves.
    pub idle_timeout: Duration,
    /// Longest time to answer.
    pub request_timeout: Duration,
    /// Longest time to finish requests when the server stops.
    pub drain_timeout: Duration,
    /// Version of the server.
    pub version: &'static str,
    /// Renders metrics for Prometheus.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_url: None,
            allow_private_networks: false,
            sandbox_base_url: None,
            rate_limit_per_second: 100,
            rate_limit_burst: 200,
            max_connections: 10_000,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(25),
            version: env!("CARGO_PKG_VERSION"),
            metrics: None,
        }
    }
}

/// Tells whether the parts behind the API are well, for `/readyz`.
pub trait Health: Send + Sync {
    /// Whether the dialer's loop turns; else why not.
    fn dialer_alive(&self) -> Result<(), String>;
    /// Why this process places no call although its loop turns: its clock is not the database's.
    fn dialing_withheld(&self) -> Option<String>;
}

/// Serves the API on `listener` until `shutdown`, then finishes requests under way.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let limits = server::Limits {
        max_connections: api.options.max_connections,
        header_timeout: api.options.header_timeout,
        idle_timeout: api.options.idle_timeout,
        drain_timeout: api.options.drain_timeout,
    };
    let (app, router) = assemble(api);
    server::run(listener, router, limits, shutdown, || app.begin_draining()).await
}

/// The whole API as a service, for tests.
pub fn router(api: Api) -> Router {
    assemble(api).1
}

/// The OpenAPI document.
pub fn openapi_json() -> String {
    let document = routes_and_document().1;
    // Maps with string keys only: this cannot fail.
    serde_json::to_string_pretty(&openapi::sharpen(&document)).unwrap_or_default()
}

fn assemble(api: Api) -> (App, Router) {
    let ((open, authenticated), document) = routes_and_document();
    let app = App::new(api, &document);
    let authenticated =
        authenticated.route_layer(from_fn_with_state(app.clone(), auth::authenticate));
    let router = open
        .merge(authenticated)
        .fallback(async || ApiError::NoSuchRoute)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn_with_state(app.clone(), edge::surround))
        .with_state(app.clone());
    (app, router)
}

fn routes_and_document() -> ((Router<App>, Router<App>), OpenApi) {
    let (open, mut document) = routes::open().split_for_parts();
    let (authenticated, more) = routes::authenticated().split_for_parts();
    document.merge(more);
    openapi::Common.modify(&mut document);
    ((open, authenticated), document)
}
