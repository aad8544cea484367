//! Sending a log page by page.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use super::Shared;
use crate::world::LogKind;

/// Lines made under one hold of the world's lock.
const PAGE_LINES: usize = 2_000;

/// A log as a response body. Each page shows the state at the time it is sent; lines written after
/// the last page was made are not part of it.
#[derive(Debug)]
pub(super) struct LogBody {
    shared: Arc<Shared>,
    log: LogKind,
    next: Option<u64>,
}

impl LogBody {
    pub(super) fn new(shared: Arc<Shared>, log: LogKind, from: u64) -> Self {
        Self {
            shared,
            log,
            next: Some(from),
        }
    }
}

impl Body for LogBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(from) = self.next else {
            return Poll::Ready(None);
        };
        let (page, next) = {
            let mut world = self.shared.world();
            world.advance(self.shared.clock.now());
            world.log_page(self.log, from, PAGE_LINES)
        };
        self.next = next;
        Poll::Ready(if page.is_empty() {
            None
        } else {
            Some(Ok(Frame::data(page)))
        })
    }
}
