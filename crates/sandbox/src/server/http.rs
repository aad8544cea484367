//! Accepting connections and turning HTTP into world requests and back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{Shared, logs::LogBody};
use crate::{
    vapi::errors,
    wire::{Answer, MAX_BODY_BYTES, Outcome, Reply, Request},
    world::LogKind,
};

/// At most this many connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// How long a connection may be idle or take to send a request's headers. Longer than clients keep
/// idle connections, so that a request is never lost to a connection that is just being closed.
const HEADER_LIMIT: Duration = Duration::from_secs(120);
/// How long a client may take to send a request's body.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// How long open requests get to finish when the server stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

type Body = Either<Full<Bytes>, LogBody>;

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is withheld")]
struct Withheld;

/// Accepts connections until `shutdown`, then lets open requests finish for a short while.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept_one(&listener, &slots) => accepted,
        };
        match accepted {
            Some((stream, slot)) => {
                let serving = serve_connection(stream, Arc::clone(&shared), shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            // Out of file descriptors, most likely: trying again at once would only spin.
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_LIMIT, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn accept_one(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "the sandbox cannot accept a connection");
            None
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>, shutdown: CancellationToken) {
    // Small answers must not wait for more data; failure only costs speed.
    let _ = stream.set_nodelay(true);
    let stopping = shutdown.clone();
    let service = service_fn(move |request| answer(Arc::clone(&shared), stopping.clone(), request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::trace!(%error, "a sandbox connection ended");
    }
}

async fn answer(
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Withheld> {
    let received_at = shared.clock.now();
    let request = match read(request).await {
        Ok(request) => Request {
            received_at: Some(received_at),
            ..request
        },
        Err(answer) => return Ok(into_response(answer)),
    };
    if let Some(body) = LogBody::for_request(&shared, &request) {
        return Ok(body.map(Either::Right));
    }
    let (reply, first_callback) = ask(&shared, &request);
    if !reply.after.is_zero() {
        let wait = async {
            match first_callback {
                Some(delivered) => drop(tokio::time::timeout(reply.after, delivered).await),
                None => tokio::time::sleep(reply.after).await,
            }
        };
        tokio::select! {
            () = wait => {}
            () = shutdown.cancelled() => return Err(Withheld),
        }
    }
    match reply.outcome {
        Outcome::Answer(answer) => Ok(into_response(answer)),
        Outcome::Withheld => Err(Withheld),
    }
}

/// Hands a request to the world. With the reply comes, where the answer is to wait for a callback,
/// the sign that the callback was delivered.
fn ask(shared: &Shared, request: &Request) -> (Reply, Option<oneshot::Receiver<()>>) {
    let mut world = shared.world();
    let reply = world.handle(shared.clock.now(), request);
    // Entered before the lock is given back, hence before anybody can deliver the callback.
    let first_callback = reply.after_callback_of.map(|call| {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = shared.waiting();
        waiting.retain(|_, sender| !sender.is_closed());
        waiting.insert(call, sender);
        receiver
    });
    shared.wake_if_earlier(&world);
    drop(world);
    (reply, first_callback)
}

async fn read(request: http::Request<Incoming>) -> Result<Request, Answer> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    let body = match tokio::time::timeout(BODY_LIMIT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(errors::too_large()),
        Ok(Err(error)) => return Err(errors::bad_request(&error.to_string())),
        Err(_) => {
            return Err(errors::plain(
                408,
                "Request Timeout",
                "the body did not arrive in time",
            ));
        }
    };
    Ok(Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        received_at: None,
    })
}

fn into_response(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl LogBody {
    /// The answer to a request for one of the logs, which may be longer than should be made in one
    /// piece.
    fn for_request(shared: &Arc<Shared>, request: &Request) -> Option<Response<Self>> {
        let log = match (&request.method, request.path.as_str()) {
            (&Method::GET, "/control/rings") => LogKind::Rings,
            (&Method::GET, "/control/requests") => LogKind::Requests,
            _ => return None,
        };
        // A start that cannot be read is left to the world to answer.
        let from = crate::world::log_start(request.query_value("after").as_deref()).ok()?;
        let mut response = Response::new(Self::new(Arc::clone(shared), log, from));
        let content_type = HeaderValue::from_static(crate::world::NDJSON);
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, content_type);
        Some(response)
    }
}
