//! Moving the world on and delivering its callbacks.

use std::{error::Error as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use jiff::Timestamp;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::world::Callback;

/// Callbacks under way at once; further ones wait in the world.
const MAX_IN_FLIGHT: usize = 64;
/// The longest sleep between two looks at the world.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);
/// How much of a callback's answer is read, so that its connection can be used again.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const IDLE_LIMIT: Duration = Duration::from_secs(15);

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Moves the world and sends what falls due, until `shutdown`. Callbacks to one address go out in
/// order, but as several are under way at once they may arrive in another, as from the vendor.
pub(super) async fn drive(shared: Arc<Shared>, shutdown: CancellationToken) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "the sandbox cannot send callbacks"),
    };
    let slots = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut deliveries = JoinSet::new();
    let moving = async {
        loop {
            // Room for at least one callback, else taking it out of the world would only mean
            // queueing it here.
            let Ok(room) = slots.acquire().await else {
                return;
            };
            drop(room);
            let (callbacks, next) = take_due(&shared, slots.available_permits());
            let is_more_due = next.is_some_and(|next| shared.clock.until(next).is_zero());
            for callback in callbacks {
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    break;
                };
                let (shared, client) = (Arc::clone(&shared), client.clone());
                deliveries.spawn(async move {
                    deliver(&shared, &client, callback).await;
                    drop(slot);
                });
            }
            while deliveries.try_join_next().is_some() {}
            if !is_more_due {
                let sleep = next.map_or(LONGEST_SLEEP, |next| shared.clock.until(next));
                tokio::select! {
                    () = tokio::time::sleep(sleep.min(LONGEST_SLEEP)) => {}
                    () = shared.wake.notified() => {}
                }
            }
        }
    };
    tokio::select! {
        () = moving => {}
        () = shutdown.cancelled() => {}
    }
    // What is under way is cut off, like a vendor's worker that dies.
    deliveries.shutdown().await;
}

/// The callbacks to send now, and when to look again.
fn take_due(shared: &Shared, limit: usize) -> (Vec<Callback>, Option<Timestamp>) {
    let mut world = shared.world();
    let callbacks = world.due_callbacks_up_to(shared.clock.now(), limit);
    let next = world.next_due_at();
    let planned = next.map_or(i64::MAX, Timestamp::as_microsecond);
    shared
        .planned_wake
        .store(planned, std::sync::atomic::Ordering::Relaxed);
    (callbacks, next)
}

async fn deliver(shared: &Shared, client: &HttpClient, callback: Callback) {
    let sent = tokio::time::timeout(callback.target.timeout, send(client, &callback)).await;
    let status = match sent {
        Ok(Ok(status)) => Some(status),
        Ok(Err(error)) => {
            // Never the address: what follows its host is a secret of whoever is called.
            tracing::debug!(call = callback.call, error, "a callback was not delivered");
            None
        }
        Err(_) => {
            tracing::debug!(call = callback.call, "a callback was not answered in time");
            None
        }
    };
    if let Some(waiting) = shared.waiting().remove(&callback.call) {
        // Nobody waits any more when the client went away.
        let _ = waiting.send(());
    }
    if !status.is_some_and(|status| status.is_success()) {
        let mut world = shared.world();
        let status = status.map(|status| status.as_u16());
        world.callback_failed(shared.clock.now(), &callback, status);
        shared.wake_if_earlier(&world);
    }
}

async fn send(client: &HttpClient, callback: &Callback) -> Result<StatusCode, String> {
    let uri: Uri = callback
        .target
        .url
        .parse()
        .map_err(|error| format!("{error}"))?;
    let mut request = Request::new(Full::new(callback.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static("campanile-sandbox"),
    );
    for (name, value) in &callback.target.headers {
        // Both were checked when the call was made.
        if let (Ok(name), Ok(value)) = (
            header::HeaderName::try_from(name),
            HeaderValue::try_from(value),
        ) {
            headers.insert(name, value);
        }
    }
    let response = client
        .request(request)
        .await
        .map_err(|error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })?;
    let status = response.status();
    // Read to the end so that the connection is used again; what it says does not matter.
    let _ = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await;
    Ok(status)
}

fn client() -> Result<HttpClient, rustls::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_max_idle_per_host(MAX_IN_FLIGHT)
        .build(connector))
}
