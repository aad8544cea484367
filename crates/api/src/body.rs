//! Request bodies: read with a limit, strictly, and held against their schema.
//!
//! [`Body`] is for PATCH and DELETE, [`Post`] for POST, where a repeated idempotency key is
//! answered, and one whose request is still running refused, before the handler runs.

use std::marker::PhantomData;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::auth::principal;
use crate::code;
use crate::error::{ApiError, ApiResult};
use crate::faults::{Faults, root};
use crate::idempotency::{Begun, Once, Request as Identity};
use crate::json;
use crate::schema::Schemas;
use crate::state::App;

/// Most bytes of a usual body.
pub(crate) const USUAL_LIMIT: usize = 1024 * 1024;
/// Most bytes of a bulk body.
pub(crate) const BULK_LIMIT: usize = 32 * 1024 * 1024;

/// A type that a body is read into.
pub(crate) trait RequestBody: ToSchema + DeserializeOwned + Send + 'static {
    /// Most bytes.
    const LIMIT: usize = USUAL_LIMIT;
    /// Whether no body at all stands for `{}`.
    const OPTIONAL: bool = false;
}

/// A body that was held against its schema.
pub(crate) struct Body<T> {
    value: Value,
    faults: Faults,
    kind: PhantomData<fn() -> T>,
}

impl<T: RequestBody> Body<T> {
    /// The typed body, or every fault of its schema. For bodies without further rules.
    pub(crate) fn parse(self) -> ApiResult<T> {
        self.faults.check()?;
        serde_json::from_value(self.value).map_err(|error| unforeseen(&error))
    }

    /// The top-level fields that have no fault, and the faults: for bodies with further rules,
    /// whose faults are added with [`Faults::add_followups`].
    pub(crate) fn into_parts(self) -> (Map<String, Value>, Faults) {
        let mut fields = match self.value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let faulty = self.faults.roots();
        fields.retain(|name, _| !faulty.contains(root(name)));
        drop(faulty);
        (fields, self.faults)
    }

    /// What was sent, and the faults of its schema. For lists whose items are judged one by one.
    pub(crate) fn into_value(self) -> (Value, Faults) {
        (self.value, self.faults)
    }
}

#[cfg(test)]
impl<T> Body<T> {
    pub(crate) const fn for_test(value: Value, faults: Faults) -> Self {
        Self {
            value,
            faults,
            kind: PhantomData,
        }
    }
}

/// The typed body from fields that were found sound.
pub(crate) fn typed<T: DeserializeOwned>(fields: Map<String, Value>) -> ApiResult<T> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| unforeseen(&error))
}

/// A schema and a type that disagree: an integer beyond 64 bits, for one.
fn unforeseen(error: &serde_json::Error) -> ApiError {
    ApiError::fault(
        "",
        code::INVALID_VALUE,
        format!("The body cannot be read: {error}."),
    )
}

impl<T: RequestBody> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Self> {
        let value = read_json::<T>(request).await?;
        check(app, value)
    }
}

fn check<T: RequestBody>(app: &App, value: Value) -> ApiResult<Body<T>> {
    judge(&app.schemas, value)
}

/// Holds a value against the schema of `T`.
pub(crate) fn judge<T: RequestBody>(schemas: &Schemas, value: Value) -> ApiResult<Body<T>> {
    let schema = schemas.of::<T>().map_err(ApiError::Internal)?;
    let faults = schema.faults(&value).into();
    Ok(Body {
        value,
        faults,
        kind: PhantomData,
    })
}

async fn read_json<T: RequestBody>(request: Request) -> ApiResult<Value> {
    let (parts, body) = request.into_parts();
    let declared = is_json(&parts.headers);
    // An empty body needs no content type; anything else is not even read without it.
    if !declared && parts.headers.contains_key(CONTENT_TYPE) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let is_compressed = |encoding: &HeaderValue| encoding != "identity";
    if parts
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(is_compressed)
    {
        return Err(ApiError::UnsupportedMediaType);
    }
    let bytes = read_bytes(body, T::LIMIT).await?;
    if T::OPTIONAL && bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    if !declared {
        return Err(ApiError::UnsupportedMediaType);
    }
    json::read(&bytes)
}

/// The whole body, if it has at most `limit` bytes. One that is declared to be longer is refused
/// before any of it has come, so that nobody holds a request open with a length alone.
pub(crate) async fn read_bytes(body: axum::body::Body, limit: usize) -> ApiResult<Bytes> {
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let read = Limited::new(body, limit).collect().await;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                return ApiError::BodyTooLarge { limit };
            }
            ApiError::MalformedJson("The body broke off.".to_owned())
        })
}

/// `application/json` or another `…+json`, in UTF-8 if it says so.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let charsets = parts.filter_map(|parameter| parameter.strip_prefix("charset="));
    is_json
        && charsets
            .map(|charset| charset.trim_matches('"'))
            .all(|charset| charset == "utf-8")
}

/// The body of a POST with its idempotency key.
pub(crate) struct Post<T> {
    /// The body.
    pub(crate) body: Body<T>,
    /// To be handed to the store with the effect.
    pub(crate) once: Once,
}

/// No body, or `{}`: for commands.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl RequestBody for Nothing {
    const OPTIONAL: bool = true;
}

/// A POST that ends before its handler: refused, or answered as before.
pub(crate) enum Interrupted {
    Refused(ApiError),
    Replayed(Answer),
}

impl From<ApiError> for Interrupted {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl IntoResponse for Interrupted {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => error.into_response(),
            Self::Replayed(answer) => answer.into_response(),
        }
    }
}

impl<T: RequestBody> FromRequest<App> for Post<T> {
    type Rejection = Interrupted;

    async fn from_request(request: Request, app: &App) -> Result<Self, Interrupted> {
        let (parts, body) = request.into_parts();
        let principal = principal(&parts)?;
        let identity = Identity::of(&parts)?;
        let request = Request::from_parts(parts, body);
        let value = read_json::<T>(request).await?;
        let once = match Once::begin(app, principal.tenant_id, identity, &value).await? {
            Begun::First(once) => once,
            Begun::Repeated(answer) => return Err(Interrupted::Replayed(answer)),
        };
        let body = check(app, value)?;
        Ok(Self { body, once })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_by_its_content_type() {
        let declared = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        for value in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/merge-patch+json",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(declared(value), "{value}");
        }
        for value in [
            "text/plain",
            "application/jsonx",
            "application/json; charset=latin1",
            "text/json",
            "",
        ] {
            assert!(!declared(value), "{value}");
        }
    }
}
