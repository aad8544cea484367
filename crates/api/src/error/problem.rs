//! The one envelope that failures are told in.

use axum::response::{IntoResponse, Response};
use domain::campaign::{CampaignStatus, IllegalCommand};
use domain::fault::Fault;
use http::StatusCode;
use http::header::{ETAG, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use store::Conflict;
use store::campaign_rules::PLACING;
use utoipa::ToSchema;

use super::ApiError;
use crate::code;

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
        Self {
            status,
            code,
            message,
            errors: Vec::new(),
            headers: Vec::new(),
            reason: None,
        }
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

    /// The same as a fault of one field or header.
    fn with_own_error(self, field: &str) -> Self {
        let fault = Fault::new(field, self.code, self.message.clone());
        self.with_errors(vec![fault])
    }

    fn with_reason(mut self, reason: String) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The sentence that says how to mend it.
    pub(crate) fn into_message(self) -> String {
        self.message
    }

    /// The body of the answer.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let errors = self.errors.iter();
        let errors = errors
            .map(|fault| ErrorDetail {
                field: &fault.field,
                code: fault.code,
                message: &fault.message,
            })
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
        let (status, code) = status_and_code(&error);
        let problem = Self::new(status, code, message(&error));
        match error {
            ApiError::Validation(errors) => problem.with_errors(errors),
            ApiError::Conflict(conflict) => problem.with_errors(frozen(conflict)),
            ApiError::WrongIdType { field, .. } => problem.with_own_error(field),
            ApiError::InvalidHeader(name, _) => problem.with_own_error(name),
            ApiError::Stale { current } => problem
                .with_own_error("If-Match")
                .with_header(ETAG, format!("\"{current}\"")),
            ApiError::Unauthenticated | ApiError::CallbackUnauthentic => {
                problem.with_header(WWW_AUTHENTICATE, "Bearer")
            }
            ApiError::RateLimited {
                retry_after_seconds,
            } => problem.with_header(RETRY_AFTER, retry_after_seconds),
            ApiError::ProviderUnreachable(_) => problem.with_header(RETRY_AFTER, "5"),
            ApiError::TooMuchContention
            | ApiError::IdempotencyRunning
            | ApiError::RequestTimeout => problem.with_header(RETRY_AFTER, "1"),
            ApiError::Unavailable(reason) | ApiError::CommitUnknown(reason) => {
                problem.with_header(RETRY_AFTER, "1").with_reason(reason)
            }
            ApiError::Internal(reason) => problem.with_reason(reason),
            _ => problem,
        }
    }
}

fn status_and_code(error: &ApiError) -> (StatusCode, &'static str) {
    use ApiError as E;
    use StatusCode as S;
    match error {
        E::MalformedJson(_) => (S::BAD_REQUEST, code::MALFORMED_JSON),
        E::DuplicateKey(_) => (S::BAD_REQUEST, code::DUPLICATE_KEY),
        E::InvalidHeader(..) => (S::BAD_REQUEST, code::INVALID_HEADER),
        E::InvalidIdempotencyKey => (S::BAD_REQUEST, code::INVALID_IDEMPOTENCY_KEY),
        E::Unauthenticated => (S::UNAUTHORIZED, code::UNAUTHENTICATED),
        E::CallbackUnauthentic => (S::UNAUTHORIZED, code::CALLBACK_UNAUTHENTIC),
        E::InsufficientScope(_) => (S::FORBIDDEN, code::INSUFFICIENT_SCOPE),
        E::WrongTenant => (S::FORBIDDEN, code::WRONG_TENANT),
        E::NoSuchRoute => (S::NOT_FOUND, code::NO_SUCH_ROUTE),
        E::NotFound(_) => (S::NOT_FOUND, code::NOT_FOUND),
        E::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, code::METHOD_NOT_ALLOWED),
        E::Conflict(conflict) => (S::CONFLICT, conflict_code(conflict)),
        E::TooMuchContention => (S::CONFLICT, code::TOO_MUCH_CONTENTION),
        E::Stale { .. } => (S::PRECONDITION_FAILED, code::STALE_REVISION),
        E::BodyTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, code::BODY_TOO_LARGE),
        E::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, code::UNSUPPORTED_MEDIA_TYPE),
        E::Validation(_) => (S::UNPROCESSABLE_ENTITY, code::VALIDATION_FAILED),
        E::WrongIdType { .. } => (S::UNPROCESSABLE_ENTITY, code::WRONG_ID_TYPE),
        E::IdempotencyRunning => (S::CONFLICT, code::IDEMPOTENCY_RUNNING),
        E::IdempotencyMismatch => (S::UNPROCESSABLE_ENTITY, code::IDEMPOTENCY_MISMATCH),
        E::RateLimited { .. } => (S::TOO_MANY_REQUESTS, code::RATE_LIMITED),
        E::Internal(_) => (S::INTERNAL_SERVER_ERROR, code::INTERNAL),
        E::ProviderRefused(_) => (S::BAD_GATEWAY, code::PROVIDER_REFUSED),
        E::ProviderUnreachable(_) => (S::SERVICE_UNAVAILABLE, code::PROVIDER_UNREACHABLE),
        E::Unavailable(_) => (S::SERVICE_UNAVAILABLE, code::UNAVAILABLE),
        E::CommitUnknown(_) => (S::SERVICE_UNAVAILABLE, code::COMMIT_UNKNOWN),
        E::RequestTimeout => (S::SERVICE_UNAVAILABLE, code::REQUEST_TIMEOUT),
    }
}

const fn conflict_code(conflict: &Conflict) -> &'static str {
    match conflict {
        Conflict::IllegalCommand(_) => code::ILLEGAL_TRANSITION,
        Conflict::Frozen { .. } => code::SETTINGS_FROZEN,
        Conflict::NotDeletable(_) => code::NOT_DELETABLE,
        Conflict::TakesNoLeads(_) => code::TAKES_NO_LEADS,
        Conflict::InUse(_) => code::IN_USE,
        Conflict::Duplicate(_) => code::ALREADY_EXISTS,
        Conflict::TooLarge(_) => code::TOO_LARGE,
        Conflict::CallOver => code::CALL_OVER,
        Conflict::CannotHangUp(_) => code::CANNOT_HANG_UP,
        Conflict::TakesNoTestCall(_) => code::TAKES_NO_TEST_CALL,
        Conflict::AtCapacity => code::AT_CAPACITY,
        Conflict::OnHold => code::ON_HOLD,
        Conflict::OptedOut => code::OPTED_OUT,
    }
}

/// One sentence that says how to mend it.
fn message(error: &ApiError) -> String {
    use ApiError as E;
    let fixed = match error {
        E::MalformedJson(message)
        | E::InvalidHeader(_, message)
        | E::WrongIdType { message, .. } => message,
        E::DuplicateKey(key) => {
            return format!("The body names `{key}` twice; name each key once.");
        }
        E::InvalidIdempotencyKey => {
            "`Idempotency-Key` must be given once, as 1 to 255 printable ASCII characters."
        }
        E::Unauthenticated => {
            "Send `Authorization: Bearer <token>` with a token that is enabled and has not expired."
        }
        E::CallbackUnauthentic => "The callback's secret or signature is missing or wrong.",
        E::InsufficientScope(scope) => {
            return format!("This needs a token with the scope `{scope}`.");
        }
        E::WrongTenant => "`tenant_id` must be the tenant of the token; see `GET /api/v2/tenant`.",
        E::NoSuchRoute => "No route has this path; see `/docs` for all of them.",
        E::NotFound(label) => return format!("There is no such {label}."),
        E::MethodNotAllowed => {
            "This path does not take that method; the header `Allow` lists those it takes."
        }
        E::Conflict(conflict) => return conflict_message(conflict),
        E::TooMuchContention => "Others keep changing this object; try again.",
        E::Stale { current } => {
            return format!(
                "The object is at revision {current} now; read it again and send `If-Match: \"{current}\"`."
            );
        }
        E::BodyTooLarge { limit } => {
            return format!("The body may have {limit} bytes; send less at once.");
        }
        E::UnsupportedMediaType => {
            "Send the body as `Content-Type: application/json` in UTF-8, not compressed."
        }
        E::Validation(faults) if faults.len() == 1 => "Mend the field listed in `errors`.",
        E::Validation(faults) => {
            return format!("Mend the {} faults listed in `errors`.", faults.len());
        }
        E::IdempotencyMismatch => {
            "This `Idempotency-Key` was used for another request; use a new one."
        }
        E::IdempotencyRunning => {
            "The first request with this `Idempotency-Key` is still running; repeat it in a moment."
        }
        E::RateLimited {
            retry_after_seconds,
        } => {
            return format!("This token sends too many requests; wait {retry_after_seconds} s.");
        }
        E::Internal(_) | E::Unavailable(_) | E::CommitUnknown(_) | E::RequestTimeout => {
            own_fault(error)
        }
        E::ProviderRefused(words) => {
            return format!("{}; nothing was changed.", words.trim_end_matches('.'));
        }
        E::ProviderUnreachable(words) => {
            return format!(
                "The voice provider cannot be reached ({words}); nothing was changed, try again."
            );
        }
    };
    fixed.to_owned()
}

/// Failures whose reason is for the log.
const fn own_fault(error: &ApiError) -> &'static str {
    match error {
        ApiError::Unavailable(_) => "The database cannot take this now; try again.",
        ApiError::CommitUnknown(_) => {
            "The database was lost while it stored this, so it may have been done or not; look before you send it again, or repeat it with the same `Idempotency-Key`."
        }
        ApiError::RequestTimeout => {
            "The request took too long and may still take effect; look before you try again."
        }
        _ => "Something broke here; tell the operator the `request_id`.",
    }
}

fn conflict_message(conflict: &Conflict) -> String {
    let message = sentence(&conflict.to_string());
    match conflict {
        Conflict::IllegalCommand(illegal) => format!("{message} {}", instead(illegal)),
        Conflict::Frozen { status, fields } => {
            // What helps with one of them and not with another is told with each.
            let mut ways: Vec<_> = fields.iter().map(|field| way_out(*status, field)).collect();
            ways.dedup();
            match ways.as_slice() {
                [way] => format!("{message} {way}"),
                _ => format!("{message} See `errors` for what helps with each."),
            }
        }
        _ => message,
    }
}

/// What can be asked of a campaign instead.
fn instead(illegal: &IllegalCommand) -> String {
    let legal = illegal.legal.iter();
    let legal: Vec<_> = legal.map(|command| format!("`{command}`")).collect();
    let legal = match legal.as_slice() {
        [] => "It takes no further command.".to_owned(),
        legal => format!("It can take {}.", legal.join(" or ")),
    };
    match illegal.status {
        CampaignStatus::Completed => format!(
            "{legal} It runs again by itself when it gets leads to call, and when a PATCH gives it another `end_date`, one that has not passed."
        ),
        _ => legal,
    }
}

/// One fault per setting that cannot change.
fn frozen(conflict: Conflict) -> Vec<Fault> {
    let Conflict::Frozen { status, fields } = conflict else {
        return Vec::new();
    };
    let tell = |field| {
        let way_out = way_out(status, field);
        let message = format!("`{field}` cannot change while the campaign is {status}. {way_out}");
        Fault::new(field, code::SETTINGS_FROZEN, message)
    };
    fields.into_iter().map(tell).collect()
}

/// What helps where a setting is frozen, and is not refused when it is done.
fn way_out(status: CampaignStatus, field: &str) -> &'static str {
    match status {
        CampaignStatus::Draft | CampaignStatus::Running | CampaignStatus::Paused => {
            "Pause the campaign first."
        }
        CampaignStatus::Completed if field != PLACING => {
            "Send it together with another `end_date`, one that has not passed: that reopens the campaign."
        }
        CampaignStatus::Completed | CampaignStatus::Stopped | CampaignStatus::Archived => {
            "Duplicate the campaign and change the copy."
        }
    }
}

/// `text` with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
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
