//! A small HTTP client, a receiver of callbacks, and waiting without sleeping.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

/// How long a test waits for anything that is bound to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub(crate) struct Web {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Web {
    pub(crate) fn new(base: String) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build_http();
        Self { client, base }
    }

    /// Sends a request; an error means that no answer came.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Bytes), hyper_util::client::legacy::Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", "Bearer key-one")
            .header("content-type", "application/json")
            .body(Full::new(
                body.map_or_else(Bytes::new, |body| body.to_string().into()),
            ))
            .unwrap();
        let response = self.client.request(request).await?;
        let status = response.status().as_u16();
        Ok((
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        ))
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, body) = self.ask(method, path, body).await.unwrap();
        assert!((200..300).contains(&status), "{status} {body:?}");
        serde_json::from_slice(&body).unwrap()
    }
}

/// One received callback.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) bytes: Bytes,
}

impl Received {
    pub(crate) fn message(&self) -> Value {
        let body: Value = serde_json::from_slice(&self.bytes).unwrap();
        body["message"].clone()
    }
}

/// Takes callbacks and keeps them.
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Receiver<usize>,
    /// Ends with the receiver.
    _tasks: JoinSet<()>,
}

impl Receiver {
    /// A receiver that answers the first `failures` callbacks with 500 and the others with 200.
    pub(crate) async fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let sender = Arc::new(sender);
        let log = Arc::clone(&received);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, sender) = (Arc::clone(&log), Arc::clone(&sender));
                connections.spawn(async move {
                    let service = service_fn(|request| take(request, &log, &sender, failures));
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            received,
            count,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits until at least `count` callbacks came.
    pub(crate) async fn wait_until(&self, count: usize) {
        let mut arrivals = self.count.clone();
        let waiting = arrivals.wait_for(|arrived| *arrived >= count);
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap()
            .unwrap();
    }

    /// Waits until at least `count` callbacks came and returns them all.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(count).await;
        self.received()
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn take(
    request: Request<Incoming>,
    log: &Mutex<Vec<Received>>,
    count: &watch::Sender<usize>,
    failures: usize,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let headers = head.headers.iter().map(text).collect();
    let bytes = body.collect().await.unwrap().to_bytes();
    let arrived = {
        let mut log = log.lock().unwrap();
        log.push(Received { headers, bytes });
        log.len()
    };
    count.send_replace(arrived);
    let mut response = Response::new(Full::new(Bytes::new()));
    if arrived <= failures {
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}
