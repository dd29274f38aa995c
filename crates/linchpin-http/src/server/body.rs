//! A request body that must keep coming.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use linchpin::task::Timer;

/// A body that fails when no piece comes within a bound.
pub(super) struct TimedBody {
    body: Incoming,
    limit: Duration,
    /// Armed while a piece is waited for.
    waiting: Timer,
}

/// The client stopped in the middle of its body.
#[derive(Debug)]
struct Stalled;

impl TimedBody {
    pub(super) fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, waiting: Timer::stopped() }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting.stop();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.waiting.moment().is_none() {
            let limit = self.limit;
            self.waiting.reset(limit);
        }
        self.waiting.poll_fire(cx).map(|_| Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client stopped sending its body")
    }
}

impl std::error::Error for Stalled {}
