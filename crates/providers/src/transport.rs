//! The seam to the network: carries one request to a vendor, once.
//!
//! Whoever implements it must not retry, follow redirects or read an answer without limit, and
//! must say truthfully whether a failed request can have left.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::{ProviderAnswer, ProviderRequest};

/// Time limit of look-ups that a user waits for.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of placing a call: connect, headers and body together.
pub const PLACE_TIMEOUT: Duration = Duration::from_secs(20);

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// True only if no byte of the request can have left: name resolution, connect, TLS.
    pub never_sent: bool,
    /// What happened, for people; holds no secret.
    pub message: String,
}

/// The last question before the first byte: may this request still leave?
pub type SendGuard = Box<dyn FnOnce() -> bool + Send>;

/// Carries requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends the request that places a call. `guard` is asked when the connection stands and no
    /// byte of the request has left; if it says no, none does and the error is `never_sent`.
    async fn place(
        &self,
        request: ProviderRequest,
        timeout: Duration,
        guard: SendGuard,
    ) -> Result<ProviderAnswer, TransportError>;

    /// Sends `request` once and reads the whole answer within `timeout` and the size cap.
    async fn exchange(
        &self,
        request: ProviderRequest,
        timeout: Duration,
    ) -> Result<ProviderAnswer, TransportError>;
}
