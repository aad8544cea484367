//! A small client of the HTTP API.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::failure::{Failure, Outcome};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Speaks to one server with one token.
pub(super) struct ApiClient {
    client: Client<HttpConnector, Full<Bytes>>,
    base_url: String,
    token: String,
}

impl ApiClient {
    pub(super) fn new(base_url: String, token: String) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base_url,
            token,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Outcome<Value> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.call(Method::POST, path, body.to_string().into()).await
    }

    /// The whole envelope of a success.
    async fn call(&self, method: Method, path: &str, body: Bytes) -> Outcome<Value> {
        let said = format!("{method} {path}");
        let failed = |cause: String| Failure::failed(format!("{said}: {cause}"));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| failed(error.to_string()))?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| failed(error.to_string()))?;
            Ok((parts.status, body.to_bytes()))
        };
        let answered = tokio::time::timeout(TIMEOUT, exchange).await;
        let (status, body) =
            answered.unwrap_or_else(|_| Err(failed("no answer in time".to_owned())))?;
        if !status.is_success() {
            return Err(failed(format!(
                "{status} {}",
                String::from_utf8_lossy(&body)
            )));
        }
        serde_json::from_slice(&body)
            .map_err(|error| failed(format!("the answer is not JSON: {error}")))
    }
}

/// The text at this key of `data`.
pub(super) fn text_of(answer: &Value, key: &str) -> Outcome<String> {
    let text = answer["data"][key].as_str();
    text.map(str::to_owned)
        .ok_or_else(|| Failure::failed(format!("the answer lacks {key}: {answer}")))
}
