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
    /// How far the request came.
    pub departure: Departure,
    /// What happened, for people; holds no secret.
    pub message: String,
}

/// How far a request came that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The guard said no: no byte has left, and the provider is not to blame.
    Withdrawn,
    /// The way failed before a byte of it could leave: name resolution, connect, TLS.
    NeverSent,
    /// A part of it or all of it may have arrived.
    MayHaveArrived,
}

impl TransportError {
    /// The guard said no.
    #[must_use]
    pub fn withdrawn() -> Self {
        Self {
            departure: Departure::Withdrawn,
            message: "withdrawn before it was sent".to_owned(),
        }
    }

    /// No byte can have left.
    #[must_use]
    pub fn never_sent(message: impl Into<String>) -> Self {
        Self {
            departure: Departure::NeverSent,
            message: message.into(),
        }
    }

    /// It may have arrived, and its answer is lost.
    #[must_use]
    pub fn lost(message: impl Into<String>) -> Self {
        Self {
            departure: Departure::MayHaveArrived,
            message: message.into(),
        }
    }
}

/// The last question before the first byte: may this request still leave?
pub type SendGuard = Box<dyn FnOnce() -> bool + Send>;

/// Carries requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends the request that places a call. `guard` is asked when the connection stands and no
    /// byte of the request has left; if it says no, none does and the error is [`Departure::Withdrawn`].
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
