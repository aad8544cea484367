//! The accept loop.
//!
//! It bounds what a peer can hold: connections in all, the time for a request's head (which is
//! also how long an unused connection is kept), the time in which no byte moves, and the time a
//! stop waits for answers under way. When every place is taken, the connection that was quiet for
//! longest gives way to the next one, so that those who open connections and say nothing keep
//! nobody out.

mod activity;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use activity::{Crowd, Member, Watched};

/// Pause after an `accept` that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection is given to go for the next one, before another is asked.
const ROOM_PAUSE: Duration = Duration::from_millis(10);

/// Most bytes of a request's head, and of what is read ahead.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// What a peer may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_connections: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) drain_timeout: Duration,
}

/// Serves until `shutdown`, then finishes what is under way.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    on_drain: impl FnOnce(),
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let crowd = Arc::new(Crowd::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places, &crowd) => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, place)) => {
                let watcher = graceful.watcher();
                connections.spawn(serve_connection(
                    stream,
                    router.clone(),
                    limits,
                    watcher,
                    crowd.join(),
                    place,
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    on_drain();
    if tokio::time::timeout(limits.drain_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "connections are cut: the drain took too long"
        );
    }
    connections.shutdown().await;
    Ok(())
}

/// The next connection, once there is a place for it; those behind it wait in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    crowd: &Crowd,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let stream = loop {
        match listener.accept().await {
            Ok((stream, _)) => break stream,
            // The peer was gone before we looked: no fault of ours.
            Err(error) if is_the_peers(&error) => {}
            Err(error) => return Err(error),
        }
    };
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Ok((stream, place));
    }
    loop {
        crowd.make_room();
        let place = tokio::time::timeout(ROOM_PAUSE, Arc::clone(places).acquire_owned());
        if let Ok(place) = place.await {
            return Ok((stream, place.map_err(io::Error::other)?));
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused
    )
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    watcher: Watcher,
    member: Member,
    place: OwnedSemaphorePermit,
) {
    // Answers are small and wait for nobody.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let activity = member.activity();
    let stream = Watched::new(stream, Arc::clone(&activity));
    let counted = Arc::clone(&activity);
    let service = tower::service_fn(move |request| {
        let guard = counted.begin();
        let answer = tower::ServiceExt::oneshot(router.clone(), request);
        async move {
            let answer = answer.await;
            drop(guard);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_BUFFER_BYTES)
        // What comes in one piece may exceed the buffer; a head never may.
        .max_header_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::select! {
        served = watcher.watch(connection) => {
            if let Err(error) = served {
                tracing::debug!(%error, "connection ended early");
            }
        }
        () = activity.stalled(limits.idle_timeout) => {
            tracing::debug!("connection cut: no byte moved");
        }
        () = activity.unwanted() => {
            tracing::debug!("connection cut: another needed its place");
        }
    }
    drop(member);
    drop(place);
}
