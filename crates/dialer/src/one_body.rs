//! The body of one request: its bytes, once.
//!
//! Our own for one reason: a test can have the process die when half of a request has left, which
//! needs a body that hands itself over in two parts. Nobody arms that in production, and then it is
//! one part.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use failpoint::Failpoint;
use hyper::body::{Body, Frame, SizeHint};

#[derive(Debug)]
pub(crate) struct OneBody {
    rest: Bytes,
    progress: Progress,
}

/// How far a body in two parts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Whole,
    Halved,
    /// The first half is written: the connection was polled to its end in between.
    Flushed,
}

impl OneBody {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self {
            rest: bytes,
            progress: Progress::Whole,
        }
    }
}

impl Body for OneBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        match self.progress {
            Progress::Whole if failpoint::is_armed(Failpoint::CallHalfSent) => {
                self.progress = Progress::Halved;
                let half = self.rest.len().div_ceil(2);
                return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(half)))));
            }
            Progress::Whole => {}
            Progress::Halved => {
                self.progress = Progress::Flushed;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Progress::Flushed => failpoint::reach(Failpoint::CallHalfSent),
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
