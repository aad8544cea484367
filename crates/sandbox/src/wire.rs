//! Requests and replies without a socket.
//!
//! The server turns HTTP into these and back; a deterministic simulation makes them by hand.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;

/// The largest request body that is read, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// One HTTP request, read in full.
#[derive(Clone, Debug)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// The path with its leading slash and vendor prefix, without the query: `/vapi/call`.
    pub path: String,
    /// What stands after the `?`, still percent-encoded.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, at most 1 MiB; longer ones are answered 413.
    pub body: Bytes,
    /// When it came, where that is earlier than the moment in which the world handles it: a busy
    /// machine must not make a request look later than it was sent.
    pub received_at: Option<Timestamp>,
}

impl Request {
    /// A request without headers or body. `target` is a path with an optional query, or a whole
    /// URL.
    pub fn new(method: Method, target: &str) -> Self {
        let after_scheme = target.split_once("://").map(|(_, rest)| rest);
        let local =
            after_scheme.map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
        let (path, query) = match local.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (local, None),
        };
        let mut headers = HeaderMap::new();
        let host = after_scheme.map(|rest| rest.split('/').next().unwrap_or(rest));
        if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
            headers.insert(http::header::HOST, host);
        }
        Self {
            method,
            path: path.to_owned(),
            query,
            headers,
            body: Bytes::new(),
            received_at: None,
        }
    }

    /// The same with `Authorization: Bearer key`. A key that cannot stand in a header is left out.
    #[must_use]
    pub fn bearer(mut self, key: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {key}")) {
            self.headers.insert(http::header::AUTHORIZATION, value);
        }
        self
    }

    /// The same with a JSON body and its content type.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self.body = Bytes::from(body.to_string());
        self
    }

    /// A header's text, if there is one and it is ASCII.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The bearer key, if the request has one.
    pub(crate) fn bearer_key(&self) -> Option<&str> {
        let (scheme, key) = self.header(http::header::AUTHORIZATION)?.split_once(' ')?;
        let key = key.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
    }

    /// The last query value of this name, decoded; empty values count as absent.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_deref()?.as_bytes())
            .filter(|(key, value)| key == name && !value.is_empty())
            .last()
            .map(|(_, value)| value.into_owned())
    }
}

/// What happens to a request: an answer or none, and when.
#[derive(Clone, Debug)]
pub struct Reply {
    /// How long after the request's arrival the outcome takes effect, in real (not scenario) time.
    pub after: Duration,
    /// With `Some(call)`: the outcome takes effect once [`crate::Callback`] of that `call` was
    /// delivered, and at the latest after `after`.
    pub after_callback_of: Option<u64>,
    /// The answer, or that there is none.
    pub outcome: Outcome,
}

impl Reply {
    /// An answer at once.
    pub(crate) fn now(answer: Answer) -> Self {
        Self {
            after: Duration::ZERO,
            after_callback_of: None,
            outcome: Outcome::Answer(answer),
        }
    }

    /// No answer: the connection closes after `hold`.
    pub(crate) fn withheld(hold: Duration) -> Self {
        Self {
            after: hold,
            after_callback_of: None,
            outcome: Outcome::Withheld,
        }
    }

    /// The status that the sender sees, if it sees one.
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Answer(answer) => Some(answer.status),
            Outcome::Withheld => None,
        }
    }
}

/// An answer, or none.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// This answer is sent.
    Answer(Answer),
    /// Nothing is sent. The connection is closed after [`Reply::after`], unless the sender closes
    /// it earlier.
    Withheld,
}

/// One HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers besides those that the server adds by itself (date, length).
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// An answer with a serialised JSON body.
    pub(crate) fn raw_json(status: u16, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// An answer with a JSON body.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::raw_json(status, body.to_string())
    }

    /// The body as JSON; `Null` when it is not JSON.
    pub fn body_json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_may_be_paths_or_urls() {
        let local = Request::new(Method::GET, "/vapi/call?limit=3&id=");
        assert_eq!(
            (local.path.as_str(), local.query_value("limit")),
            ("/vapi/call", Some("3".into()))
        );
        assert_eq!(local.query_value("id"), None);
        let whole = Request::new(Method::GET, "http://127.0.0.1:9100/vapi/assistant");
        assert_eq!(whole.path, "/vapi/assistant");
        assert_eq!(whole.header(http::header::HOST), Some("127.0.0.1:9100"));
    }
}
