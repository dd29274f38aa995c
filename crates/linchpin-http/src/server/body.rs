//! A request body that must keep coming, and what is left of it when nobody reads on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use linchpin::sync::{Mutex, select};

use super::closed::Reason;
use super::pace::{Pace, Patience};
use super::seat::Seat;

/// A body that fails when it comes too slowly.
pub(super) struct TimedBody {
    /// `None` once it is at its end.
    body: Option<Incoming>,
    patience: Patience,
    seat: Arc<Seat>,
    rest: Rest,
}

/// What is left of a request's body that was dropped before its end. Clones are of the same request.
///
/// hyper reads on over a small piece of it at most, and else closes the connection behind the answer without saying so in it: a
/// client that keeps connections sends its next request to nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Incoming>>>);

/// So much is read that nobody wants, for the sake of the connection ...
const UNWANTED: u64 = 64 << 10;
/// ... and so long it is waited for.
const UNWANTED_FOR: Duration = Duration::from_millis(200);

/// The client sends its body too slowly, or has stopped.
#[derive(Debug)]
struct Stalled;

impl TimedBody {
    pub(super) fn new(body: Incoming, pace: Pace, seat: Arc<Seat>, rest: Rest) -> Self {
        Self { body: Some(body), patience: Patience::new(pace), seat, rest }
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.0.lock() = Some(body);
        }
    }
}

impl Rest {
    /// Whether something is left.
    pub(super) fn is_there(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Reads what is left, if it is little and `comes` unasked. `false` if there is more: the connection must end.
    pub(super) async fn is_read(&self, comes: bool, hard: &linchpin::Context) -> bool {
        let Some(mut body) = self.0.lock().take() else { return true };
        if !comes || body.size_hint().upper().is_none_or(|left| left > UNWANTED) {
            return false;
        }
        let reading = async {
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return false;
                }
            }
            true
        };
        matches!(select::within(hard, UNWANTED_FOR, reading).await, Ok(Some(true)))
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            let data = |frame: &Frame<Bytes>| frame.data_ref().map_or(0, Bytes::len);
            let bytes = frame.as_ref().map_or(0, |frame| frame.as_ref().map_or(0, data));
            self.patience.moved(bytes);
            if frame.is_none() {
                self.body = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.patience.poll_end(cx));
        self.seat.too_slow(Reason::Body);
        Poll::Ready(Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client sends its body too slowly")
    }
}

impl std::error::Error for Stalled {}
