//! What every handler can reach.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use crate::Api;
use crate::idempotency::Running;
use crate::rate::RateLimiter;
use crate::schema::Schemas;

/// Shared by all requests.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What is behind [`App`].
pub(crate) struct Shared {
    /// What the binary gave us.
    pub(crate) api: Api,
    /// Requests per token.
    pub(crate) limiter: RateLimiter,
    /// Idempotency keys whose requests are being handled.
    pub(crate) running: Running,
    /// Schemas of bodies.
    pub(crate) schemas: Schemas,
    /// The OpenAPI document as bytes.
    pub(crate) openapi: Vec<u8>,
    /// The reference page and its policy.
    pub(crate) reference: crate::reference::Page,
    /// Lines that callbacks arrived for.
    pub(crate) hook_lines: crate::routes::hooks::OpenLines,
    draining: AtomicBool,
}

impl App {
    pub(crate) fn new(api: Api, openapi: &utoipa::openapi::OpenApi) -> Self {
        let limiter = RateLimiter::new(
            api.options.rate_limit_per_second,
            api.options.rate_limit_burst,
        );
        let document = crate::openapi::sharpen(openapi);
        Self(Arc::new(Shared {
            limiter,
            running: Running::default(),
            schemas: Schemas::default(),
            hook_lines: crate::routes::hooks::OpenLines::default(),
            openapi: document.to_string().into_bytes(),
            reference: crate::reference::render(&document),
            draining: AtomicBool::new(false),
            api,
        }))
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.api.clock.now()
    }

    /// The server stops: it is no longer ready.
    pub(crate) fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server stops.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}
