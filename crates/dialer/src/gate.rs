//! The gate of a connection: the last question is asked in the very write that would let the first
//! byte of a request leave.
//!
//! Anywhere earlier, time could pass in between: the library writes in a task of its own, and a
//! process that is stopped there would send when it goes on, long after the deadline. Here only a
//! stop within one system call is left.
//!
//! Invariants: a request is asked about once; while the question is open nothing is written; after a
//! "no" the connection writes nothing ever again, so the refused request cannot leave in part.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use providers::SendGuard;

/// What the next write meets.
enum State {
    Open,
    /// This is to be asked first.
    Asks(SendGuard),
    Shut,
}

/// Shared by a connection and by whoever sends on it.
pub(crate) struct Gate(Mutex<State>);

impl Gate {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State::Open))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next write asks this.
    pub(crate) fn ask(&self, guard: SendGuard) {
        *self.lock() = State::Asks(guard);
    }

    /// Lets nothing through that was not let through before. Answers whether nothing of the request
    /// has left, and nothing will.
    pub(crate) fn shut(&self) -> bool {
        let mut state = self.lock();
        let unsent = !matches!(*state, State::Open);
        *state = State::Shut;
        unsent
    }

    /// Whether a request was refused here.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(*self.lock(), State::Shut)
    }

    /// Whether a write may happen now.
    fn lets_through(&self) -> bool {
        let guard = {
            let mut state = self.lock();
            // Shut until the answer is a yes.
            match std::mem::replace(&mut *state, State::Shut) {
                State::Open => {
                    *state = State::Open;
                    return true;
                }
                State::Shut => return false,
                State::Asks(guard) => guard,
            }
        };
        let allowed = guard();
        if allowed {
            *self.lock() = State::Open;
        }
        allowed
    }
}

/// A stream whose writes pass a gate.
pub(crate) struct Gated<S> {
    stream: S,
    gate: Arc<Gate>,
}

impl<S> Gated<S> {
    pub(crate) const fn new(stream: S, gate: Arc<Gate>) -> Self {
        Self { stream, gate }
    }
}

fn refused() -> std::io::Error {
    std::io::Error::other("withdrawn before it was sent")
}

impl<S: Read + Unpin> Read for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Write + Unpin> Write for Gated<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if !self.gate.lets_through() {
            return Poll::Ready(Err(refused()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        if !self.gate.lets_through() {
            return Poll::Ready(Err(refused()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_asked_about_once_and_a_refusal_is_final() {
        let gate = Gate::new();
        assert!(gate.lets_through(), "nothing is asked without a question");
        gate.ask(Box::new(|| true));
        assert!(gate.lets_through() && gate.lets_through());
        assert!(!gate.is_shut());
        gate.ask(Box::new(|| false));
        assert!(!gate.lets_through() && !gate.lets_through());
        assert!(gate.is_shut());
    }

    #[test]
    fn what_was_not_asked_about_never_leaves_once_it_is_shut() {
        let gate = Gate::new();
        gate.ask(Box::new(|| true));
        assert!(gate.shut(), "nothing has left");
        assert!(!gate.lets_through());
        let gate = Gate::new();
        gate.ask(Box::new(|| true));
        assert!(gate.lets_through());
        assert!(!gate.shut(), "it has left");
    }
}
