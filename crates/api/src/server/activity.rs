//! What happens on connections, and which of them gives way when there is no place left.
//!
//! Invariant: a connection on which a request is being handled is never asked to go.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// All connections that are open.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// Counts whatever moves anywhere, which orders connections by when they last did.
    moments: AtomicU64,
    members: Mutex<HashMap<u64, Arc<Activity>>>,
}

impl Crowd {
    /// A connection that has come.
    pub(super) fn join(self: &Arc<Self>) -> Member {
        let activity = Arc::new(Activity {
            crowd: Arc::clone(self),
            moved: AtomicU64::new(self.moment()),
            in_hand: AtomicUsize::new(0),
            leave: Notify::new(),
        });
        let id = self.moment();
        self.members().insert(id, Arc::clone(&activity));
        Member { id, activity }
    }

    /// Asks the connection to go that was quiet for longest, if there is one that waits for its
    /// peer.
    pub(super) fn make_room(&self) {
        let members = self.members();
        let waiting = members.values().filter(|activity| activity.is_waiting());
        let quietest = waiting.min_by_key(|activity| activity.moved.load(Ordering::Relaxed));
        if let Some(activity) = quietest {
            activity.leave.notify_one();
        }
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    fn members(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection, in its crowd until this is dropped.
pub(super) struct Member {
    id: u64,
    activity: Arc<Activity>,
}

impl Member {
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.activity.crowd.members().remove(&self.id);
    }
}

/// What happens on a connection.
#[derive(Debug)]
pub(super) struct Activity {
    crowd: Arc<Crowd>,
    /// When a byte last moved.
    moved: AtomicU64,
    in_hand: AtomicUsize,
    leave: Notify,
}

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> InHand {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
        InHand(Arc::clone(self))
    }

    fn touch(&self) {
        self.moved.store(self.crowd.moment(), Ordering::Relaxed);
    }

    /// Answers when no byte moved for at least `patience` while no request was being handled.
    pub(super) async fn stalled(&self, patience: Duration) {
        let mut seen = self.moved.load(Ordering::Relaxed);
        let mut quiet_looks = 0;
        while quiet_looks < 4 {
            tokio::time::sleep(patience / 4).await;
            let moved = self.moved.load(Ordering::Relaxed);
            let quiet = moved == seen && self.is_waiting();
            quiet_looks = if quiet { quiet_looks + 1 } else { 0 };
            seen = moved;
        }
    }

    /// Answers when it was asked to go and no request is being handled.
    pub(super) async fn unwanted(&self) {
        loop {
            self.leave.notified().await;
            if self.is_waiting() {
                return;
            }
        }
    }

    /// Whether the next move is the peer's.
    fn is_waiting(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed) == 0
    }
}

/// A request that is being handled.
pub(super) struct InHand(Arc<Activity>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells when bytes move.
pub(super) struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.activity.touch();
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.note(polled)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
