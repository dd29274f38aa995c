//! A request whose body is still on its way, and what it has been given meanwhile.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use linchpin::Context;
use linchpin::resilience::Refusal;
use linchpin::sync::Mutex;
use linchpin::task::Timer;

use super::admission::{Door, Places};

/// The places of a request, which are given back while its client lets it wait, and taken again when its body is whole.
///
/// A slow client is not a slow service: else a few hundred of them would be all that is under way, and everybody else
/// refused.
pub(super) struct Arriving {
    door: Arc<Door>,
    ctx: Context,
    held: Mutex<Held>,
}

enum Held {
    Places(Places),
    /// The client is waited for.
    Nothing,
    /// The body is whole, and there was no place any more.
    Refused(Refusal),
}

/// The body of such a request.
struct ArrivingBody {
    body: Body,
    request: Arc<Arriving>,
    /// Armed while the client is waited for and there are places to give back.
    waiting: Timer,
}

/// There is no place for a request whose body has come; nobody gets to see it but its handler.
#[derive(Debug)]
struct NoPlace;

/// A body that is on its way has come by then.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

impl Arriving {
    pub(super) fn new(door: Arc<Door>, ctx: Context, places: Places) -> Arc<Self> {
        Arc::new(Self { door, ctx, held: Mutex::new(Held::Places(places)) })
    }

    pub(super) fn body(self: &Arc<Self>, body: Body) -> Body {
        Body::new(ArrivingBody { body, request: self.clone(), waiting: Timer::stopped() })
    }

    /// The handler has answered: the places, if there are any, or that there was none.
    pub(super) fn answered(&self) -> Result<Option<Places>, Refusal> {
        match mem::replace(&mut *self.held.lock(), Held::Nothing) {
            Held::Places(places) => Ok(Some(places)),
            Held::Nothing => Ok(None),
            Held::Refused(refusal) => Err(refusal),
        }
    }

    fn holds(&self) -> bool {
        matches!(*self.held.lock(), Held::Places(_))
    }

    fn give_back(&self) {
        let held = mem::replace(&mut *self.held.lock(), Held::Nothing);
        drop(held);
    }

    /// The body is whole. Whether the request may go on.
    fn arrived(&self) -> bool {
        if self.holds() {
            return true;
        }
        let (held, may) = match self.door.admit(&self.ctx) {
            Ok(places) => (Held::Places(places), true),
            Err(refusal) => (Held::Refused(refusal), false),
        };
        *self.held.lock() = held;
        may
    }
}

impl http_body::Body for ArrivingBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let Self { body, request, waiting } = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
            if waiting.moment().is_none() && request.holds() {
                waiting.reset(ON_ITS_WAY);
            }
            if waiting.poll_fire(cx).is_ready() {
                request.give_back();
            }
            return Poll::Pending;
        };
        waiting.stop();
        let is_whole = match &frame {
            Some(Ok(_)) => body.is_end_stream(),
            Some(Err(_)) => false,
            None => true,
        };
        if is_whole && !request.arrived() {
            return Poll::Ready(Some(Err(NoPlace.into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there was no place for the request when its body had come")
    }
}

impl std::error::Error for NoPlace {}
