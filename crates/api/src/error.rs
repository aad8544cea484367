//! Everything a request can fail with, and the one envelope it is told in.
//!
//! Handlers answer [`ApiError`]. Its response carries a [`Problem`] aside; the edge writes the
//! body, because only the edge knows the request's id.

use axum::response::{IntoResponse, Response};
use domain::fault::Fault;
use http::header::{ETAG, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::StatusCode;
use serde::Serialize;
use store::{Conflict, StoreError};
use utoipa::ToSchema;

use crate::code;

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
    /// The request took too long.
    RequestTimeout,
    /// A bug or damage. The reason is logged, not told.
    Internal(String),
}

impl ApiError {
    /// One fault of one field.
    pub(crate) fn fault(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
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
            StoreError::Unavailable(reason) => Self::Unavailable(reason),
            StoreError::Corrupt(reason) => Self::Internal(reason),
        }
    }
}

/// A failed answer, ready but for the request's id.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    message: String,
    errors: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only.
    pub(crate) reason: Option<String>,
}

/// The envelope of every failed answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorEnvelope<'a> {
    /// Always `error`.
    #[schema(example = "error")]
    status: &'static str,
    /// Stable code; each has a section in the project's `docs/error-codes.md`.
    #[schema(example = "validation_failed")]
    code: &'a str,
    /// One sentence that says how to mend it.
    #[schema(example = "Mend the 1 field listed in `errors`.")]
    message: &'a str,
    /// Every fault found in the input; empty when the failure is none of the input's fields.
    errors: Vec<ErrorDetail<'a>>,
    /// Id of the request, also in the header `x-request-id`.
    #[schema(example = "req_n4bq7w2mzk8t5c3vxj9rp6hdaf")]
    request_id: &'a str,
}

/// One fault in the input.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail<'a> {
    /// The field by its request name, with indexes for lists (`windows[1].start_time`).
    #[schema(example = "daily_end_time")]
    field: &'a str,
    /// Stable code of the fault.
    #[schema(example = "not_after_start")]
    code: &'a str,
    /// One sentence that says how to mend it.
    #[schema(example = "`daily_end_time` must be after `daily_start_time`.")]
    message: &'a str,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, errors: Vec::new(), headers: Vec::new(), reason: None }
    }

    fn with_header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((name, value));
        }
        self
    }

    fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    fn with_reason(mut self, reason: String) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The body of the answer.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let errors = self.errors.iter();
        let errors = errors
            .map(|fault| ErrorDetail { field: &fault.field, code: fault.code, message: &fault.message })
            .collect();
        let envelope = ErrorEnvelope {
            status: "error",
            code: self.code,
            message: &self.message,
            errors,
            request_id,
        };
        // Strings only: this cannot fail.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        use ApiError as E;
        use StatusCode as S;
        match error {
            E::MalformedJson(message) => Self::new(S::BAD_REQUEST, code::MALFORMED_JSON, message),
            E::DuplicateKey(key) => Self::new(
                S::BAD_REQUEST,
                code::DUPLICATE_KEY,
                format!("The body names `{key}` twice; name each key once."),
            ),
            E::InvalidHeader(name, message) => Self::new(S::BAD_REQUEST, code::INVALID_HEADER, &*message)
                .with_errors(vec![Fault::new(name, code::INVALID_HEADER, message)]),
            E::InvalidIdempotencyKey => Self::new(
                S::BAD_REQUEST,
                code::INVALID_IDEMPOTENCY_KEY,
                "`Idempotency-Key` must be given once, as 1 to 255 printable ASCII characters.",
            ),
            E::Unauthenticated => Self::new(
                S::UNAUTHORIZED,
                code::UNAUTHENTICATED,
                "Send `Authorization: Bearer <token>` with a token that is enabled and has not expired.",
            )
            .with_header(WWW_AUTHENTICATE, "Bearer"),
            E::InsufficientScope(scope) => Self::new(
                S::FORBIDDEN,
                code::INSUFFICIENT_SCOPE,
                format!("This needs a token with the scope `{scope}`."),
            ),
            E::WrongTenant => Self::new(
                S::FORBIDDEN,
                code::WRONG_TENANT,
                "`tenant_id` must be the tenant of the token; see `GET /api/v2/tenant`.",
            ),
            E::CallbackUnauthentic => Self::new(
                S::UNAUTHORIZED,
                code::CALLBACK_UNAUTHENTIC,
                "The callback's secret or signature is missing or wrong.",
            ),
            E::NoSuchRoute => Self::new(
                S::NOT_FOUND,
                code::NO_SUCH_ROUTE,
                "No route has this path; see `/docs` for all of them.",
            ),
            E::NotFound(label) => {
                Self::new(S::NOT_FOUND, code::NOT_FOUND, format!("There is no such {label}."))
            }
            E::MethodNotAllowed => Self::new(
                S::METHOD_NOT_ALLOWED,
                code::METHOD_NOT_ALLOWED,
                "This path does not take that method; the header `Allow` lists those it takes.",
            ),
            E::Conflict(conflict) => conflict_problem(conflict),
            E::TooMuchContention => Self::new(
                S::CONFLICT,
                code::TOO_MUCH_CONTENTION,
                "Others keep changing this object; try again.",
            )
            .with_header(RETRY_AFTER, "1"),
            E::Stale { current } => stale_problem(current),
            E::BodyTooLarge { limit } => Self::new(
                S::PAYLOAD_TOO_LARGE,
                code::BODY_TOO_LARGE,
                format!("The body may have {limit} bytes; send less at once."),
            ),
            E::UnsupportedMediaType => Self::new(
                S::UNSUPPORTED_MEDIA_TYPE,
                code::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as `Content-Type: application/json` in UTF-8.",
            ),
            E::Validation(faults) => validation_problem(faults),
            E::WrongIdType { field, message } => {
                Self::new(S::UNPROCESSABLE_ENTITY, code::WRONG_ID_TYPE, &*message)
                    .with_errors(vec![Fault::new(field, code::WRONG_ID_TYPE, message)])
            }
            E::IdempotencyMismatch => Self::new(
                S::UNPROCESSABLE_ENTITY,
                code::IDEMPOTENCY_MISMATCH,
                "This `Idempotency-Key` was used for another request; use a new one.",
            ),
            E::RateLimited { retry_after_seconds } => Self::new(
                S::TOO_MANY_REQUESTS,
                code::RATE_LIMITED,
                format!("This token sends too many requests; wait {retry_after_seconds} s."),
            )
            .with_header(RETRY_AFTER, retry_after_seconds),
            E::ProviderRefused(words) => Self::new(
                S::BAD_GATEWAY,
                code::PROVIDER_REFUSED,
                format!("{}; nothing was changed.", words.trim_end_matches('.')),
            ),
            E::ProviderUnreachable(words) => Self::new(
                S::SERVICE_UNAVAILABLE,
                code::PROVIDER_UNREACHABLE,
                format!(
                    "The voice provider cannot be reached ({words}); nothing was changed, try again."
                ),
            )
            .with_header(RETRY_AFTER, "5"),
            E::Unavailable(reason) => Self::new(
                S::SERVICE_UNAVAILABLE,
                code::UNAVAILABLE,
                "The database cannot take this now; try again.",
            )
            .with_header(RETRY_AFTER, "1")
            .with_reason(reason),
            E::RequestTimeout => Self::new(
                S::SERVICE_UNAVAILABLE,
                code::REQUEST_TIMEOUT,
                "The request took too long and may still take effect; look before you try again.",
            )
            .with_header(RETRY_AFTER, "1"),
            E::Internal(reason) => Self::new(
                S::INTERNAL_SERVER_ERROR,
                code::INTERNAL,
                "Something broke here; tell the operator the `request_id`.",
            )
            .with_reason(reason),
        }
    }
}

fn stale_problem(current: i64) -> Problem {
    let message = format!("The object is at revision {current} now; read it again and send `If-Match: \"{current}\"`.");
    Problem::new(StatusCode::PRECONDITION_FAILED, code::STALE_REVISION, &*message)
        .with_errors(vec![Fault::new("If-Match", code::STALE_REVISION, message)])
        .with_header(ETAG, format!("\"{current}\""))
}

fn validation_problem(faults: Vec<Fault>) -> Problem {
    let message = match faults.len() {
        1 => "Mend the field listed in `errors`.".to_owned(),
        count => format!("Mend the {count} faults listed in `errors`."),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code::VALIDATION_FAILED, message).with_errors(faults)
}

fn conflict_problem(conflict: Conflict) -> Problem {
    let mut message = sentence(&conflict.to_string());
    let mut errors = Vec::new();
    let code = match conflict {
        Conflict::IllegalCommand(illegal) => {
            let legal: Vec<_> = illegal.legal.iter().map(|command| format!("`{command}`")).collect();
            message = match legal.as_slice() {
                [] => format!("{message} It takes no further command."),
                legal => format!("{message} It can take {}.", legal.join(" or ")),
            };
            code::ILLEGAL_TRANSITION
        }
        Conflict::Frozen { status, fields } => {
            errors.extend(fields.into_iter().map(|field| {
                let message = format!("`{field}` cannot change while the campaign is {status}.");
                Fault::new(field, code::SETTINGS_FROZEN, message)
            }));
            code::SETTINGS_FROZEN
        }
        Conflict::NotDeletable(_) => code::NOT_DELETABLE,
        Conflict::TakesNoLeads(_) => code::TAKES_NO_LEADS,
        Conflict::InUse(_) => code::IN_USE,
        Conflict::Duplicate(_) => code::ALREADY_EXISTS,
        Conflict::CallOver(_) => code::CALL_OVER,
        Conflict::TooLarge(_) => code::TOO_LARGE,
    };
    Problem::new(StatusCode::CONFLICT, code, message).with_errors(errors)
}

/// `text` with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self.status;
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}
