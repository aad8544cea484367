//! Everything a request can fail with.
//!
//! Handlers answer [`ApiError`]. Its response carries a [`Problem`] aside; the edge writes the
//! body, because only the edge knows the request's id.

mod problem;

use axum::response::{IntoResponse, Response};
use domain::fault::Fault;
use store::{Conflict, StoreError};

pub(crate) use problem::{ErrorDetail, ErrorEnvelope, Problem};

/// What a handler answers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Why a request was not done.
#[derive(Debug, Clone)]
pub(crate) enum ApiError {
    /// The body is not JSON; what is wrong with it.
    MalformedJson(String),
    /// An object names a key twice; where.
    DuplicateKey(String),
    /// A header cannot be read; which, and why.
    InvalidHeader(&'static str, String),
    /// The idempotency key is empty, too long or not ASCII.
    InvalidIdempotencyKey,
    /// No token that authenticates.
    Unauthenticated,
    /// The token may not do this; what it needs.
    InsufficientScope(&'static str),
    /// The body names a tenant that is not the token's.
    WrongTenant,
    /// A callback without the vendor's proof.
    CallbackUnauthentic,
    /// No route has this path.
    NoSuchRoute,
    /// The tenant has no such object; what it would be.
    NotFound(&'static str),
    /// The path has no such method.
    MethodNotAllowed,
    /// The state of the object does not allow it.
    Conflict(Conflict),
    /// Others changed the object again and again.
    TooMuchContention,
    /// The object is at another revision than the caller named.
    Stale {
        /// Revision now.
        current: i64,
    },
    /// The body is longer than this.
    BodyTooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// Faults in the input; never empty.
    Validation(Vec<Fault>),
    /// The id in the path is of another type.
    WrongIdType {
        /// Name of the path parameter.
        field: &'static str,
        /// Names both types.
        message: String,
    },
    /// The idempotency key belongs to another request.
    IdempotencyMismatch,
    /// A request with this idempotency key is still being handled.
    IdempotencyRunning,
    /// Too many requests with this token.
    RateLimited {
        /// Whole seconds to wait.
        retry_after_seconds: u64,
    },
    /// The voice provider refused or answered nonsense; its words.
    ProviderRefused(String),
    /// The voice provider did not answer; why.
    ProviderUnreachable(String),
    /// The database cannot take it now.
    Unavailable(String),
    /// The database was lost while it committed this.
    CommitUnknown(String),
    /// The request took too long.
    RequestTimeout,
    /// A bug or damage. The reason is logged, not told.
    Internal(String),
}

impl ApiError {
    /// One fault of one field.
    pub(crate) fn fault(
        field: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Validation(vec![Fault::new(field, code, message)])
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(label) => Self::NotFound(label),
            StoreError::Conflict(conflict) => Self::Conflict(conflict),
            StoreError::Stale { current } => Self::Stale { current },
            StoreError::IdempotencyMismatch => Self::IdempotencyMismatch,
            StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Held(_) => {
                Self::Unavailable(error.to_string())
            }
            StoreError::CommitUnknown(_) => Self::CommitUnknown(error.to_string()),
            StoreError::Corrupt(reason) => Self::Internal(reason),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
