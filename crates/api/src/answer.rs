//! Successful answers, in the one envelope, as bytes.
//!
//! An answer is rendered once to bytes, so that what is kept for a repeated idempotency key is
//! exactly what was sent.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use serde::Serialize;
use store::StoredAnswer;
use utoipa::ToSchema;

/// Tells that the answer is the one of an earlier request with the same key.
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A successful answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    revision: Option<i64>,
    replayed: bool,
}

/// The envelope of an answer with one object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Success<T> {
    /// Always `success`.
    #[schema(example = "success")]
    pub(crate) status: &'static str,
    /// What was done.
    pub(crate) message: &'static str,
    /// The object.
    pub(crate) data: T,
}

/// The envelope of one page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listed<T> {
    /// Always `success`.
    #[schema(example = "success")]
    pub(crate) status: &'static str,
    /// What was done.
    pub(crate) message: &'static str,
    /// The objects, newest first; what a voice provider lists in its own order.
    pub(crate) data: Vec<T>,
    /// To be sent as `cursor` for the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
}

/// The envelope of an answer without an object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// Always `success`.
    #[schema(example = "success")]
    pub(crate) status: &'static str,
    /// What was done.
    pub(crate) message: &'static str,
}

impl Answer {
    /// Any body at all, for envelopes that the contract words differently.
    pub(crate) fn of(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self {
                status,
                body,
                revision: None,
                replayed: false,
            },
            Err(error) => {
                // Only maps with keys that are no strings fail, and no view has one.
                tracing::error!(%error, "an answer cannot be written as JSON");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self {
                    status,
                    body: Vec::new(),
                    revision: None,
                    replayed: false,
                }
            }
        }
    }

    /// An object in the envelope, with this status.
    pub(crate) fn with_status(
        status: StatusCode,
        message: &'static str,
        data: impl Serialize,
    ) -> Self {
        Self::of(
            status,
            &Success {
                status: "success",
                message,
                data,
            },
        )
    }

    /// 200 with an object.
    pub(crate) fn ok(message: &'static str, data: impl Serialize) -> Self {
        Self::with_status(StatusCode::OK, message, data)
    }

    /// 201 with an object.
    pub(crate) fn created(message: &'static str, data: impl Serialize) -> Self {
        Self::with_status(StatusCode::CREATED, message, data)
    }

    /// 202 with an object.
    pub(crate) fn accepted(message: &'static str, data: impl Serialize) -> Self {
        Self::with_status(StatusCode::ACCEPTED, message, data)
    }

    /// 200 without an object.
    pub(crate) fn done(message: &'static str) -> Self {
        Self::of(
            StatusCode::OK,
            &Done {
                status: "success",
                message,
            },
        )
    }

    /// 200 with a page.
    pub(crate) fn list(
        message: &'static str,
        data: Vec<impl Serialize>,
        next_cursor: Option<String>,
    ) -> Self {
        Self::of(
            StatusCode::OK,
            &Listed {
                status: "success",
                message,
                data,
                next_cursor,
            },
        )
    }

    /// The same with the `ETag` of this revision.
    #[must_use]
    pub(crate) const fn with_revision(mut self, revision: i64) -> Self {
        self.revision = Some(revision);
        self
    }

    /// What is kept for a repeated idempotency key.
    pub(crate) fn stored(&self) -> StoredAnswer {
        StoredAnswer {
            status: self.status.as_u16(),
            revision: self.revision,
            body: self.body.clone(),
        }
    }

    /// The answer of an earlier request with the same key.
    pub(crate) fn replay(stored: StoredAnswer) -> Self {
        Self {
            status: StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK),
            revision: stored.revision,
            body: stored.body,
            replayed: true,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(etag) = self
            .revision
            .and_then(|revision| format!("\"{revision}\"").try_into().ok())
        {
            headers.insert(ETAG, etag);
        }
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
