//! A request body that must keep coming.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::closed::Reason;
use super::pace::{Pace, Patience};
use super::seat::Seat;

/// A body that fails when it comes too slowly.
pub(super) struct TimedBody {
    body: Incoming,
    patience: Patience,
    seat: Arc<Seat>,
}

/// The client sends its body too slowly, or has stopped.
#[derive(Debug)]
struct Stalled;

impl TimedBody {
    pub(super) fn new(body: Incoming, pace: Pace, seat: Arc<Seat>) -> Self {
        Self { body, patience: Patience::new(pace), seat }
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
            let data = |frame: &Frame<Bytes>| frame.data_ref().map_or(0, Bytes::len);
            let bytes = frame.as_ref().map_or(0, |frame| frame.as_ref().map_or(0, data));
            self.patience.moved(bytes);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.patience.poll_end(cx));
        self.seat.too_slow(Reason::Body);
        Poll::Ready(Some(Err(Stalled.into())))
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
        f.write_str("the client sends its body too slowly")
    }
}

impl std::error::Error for Stalled {}
