//! A request body that must keep coming, and what is left of it when nobody reads on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use linchpin::sync::Mutex;
use linchpin::sync::select;
use linchpin::task::Timer;

/// A body that fails when no piece comes within a bound.
pub(super) struct TimedBody {
    /// `None` once it is at its end.
    body: Option<Incoming>,
    limit: Duration,
    /// Armed while a piece is waited for.
    waiting: Timer,
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
const PATIENCE: Duration = Duration::from_millis(200);

/// The client stopped in the middle of its body.
#[derive(Debug)]
struct Stalled;

impl TimedBody {
    pub(super) fn new(body: Incoming, limit: Duration, rest: Rest) -> Self {
        Self { body: Some(body), limit, waiting: Timer::stopped(), rest }
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
        matches!(select::within(hard, PATIENCE, reading).await, Ok(Some(true)))
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
            self.waiting.stop();
            if frame.is_none() {
                self.body = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.waiting.moment().is_none() {
            let limit = self.limit;
            self.waiting.reset(limit);
        }
        self.waiting.poll_fire(cx).map(|_| Some(Err(Stalled.into())))
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
        f.write_str("the client stopped sending its body")
    }
}

impl std::error::Error for Stalled {}
