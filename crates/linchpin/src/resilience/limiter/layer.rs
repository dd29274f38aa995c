//! A limiter before each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::turned::Turned;
use super::{Limiter, Reservation};
use crate::resilience::{Failed, FailedKind};
use crate::time::{Instant, Nap};

/// Puts a [`Limiter`] before each call of a service: [`Limiter::layer`].
#[derive(Clone, Debug)]
pub struct Layer(Limiter);

/// A service with a [`Limiter`] before each call. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and refuses in `call`: a readiness that fails would end a `tower::buffer` for good.
/// Nothing is taken before `call`, so a service that was ready and is dropped leaves nothing behind.
///
/// With [`max_wait`](super::Options::max_wait) the response waits for its turn, and calls the service that was ready
/// then; a clone of it takes its place meanwhile. It knows no context: put a time limit around it. Dropping the response
/// before its turn gives that back.
#[derive(Clone, Debug)]
pub struct Limited<S> {
    service: S,
    limiter: Limiter,
}

pin_project! {
    /// The future of [`Limited`].
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitedFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        turned: Turned<Turn, S, R>,
    }
}

/// For a turn, which is used when it is over.
struct Turn {
    nap: Nap,
    turn: Option<Reservation>,
}

impl Layer {
    pub(super) fn new(limiter: Limiter) -> Self {
        Self(limiter)
    }
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Limited<S>;

    fn layer(&self, service: S) -> Self::Service {
        Limited { service, limiter: self.0.clone() }
    }
}

impl<S, R> Service<R> for Limited<S>
where
    S: Service<R> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = LimitedFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let (core, now) = (&self.limiter.core, Instant::now());
        if self.limiter.passes(now) {
            return LimitedFuture { turned: Turned::Calling { work: self.service.call(request) } };
        }
        let turned = match self.limiter.take(now, 1, core.max_wait()) {
            Err(refusal) => Turned::Refused { failed: Some(refusal.into()) },
            Ok(slot) if slot.decision.wait == 0 => {
                Turned::Calling { work: self.service.call(request) }
            }
            Ok(slot) => {
                let turn = Some(Reservation::new(slot, core.clone()));
                let turn = Turn { nap: Nap::default(), turn };
                Turned::after(turn, &mut self.service, request)
            }
        };
        LimitedFuture { turned }
    }
}

impl<S, R> Future for LimitedFuture<S, R>
where
    S: Service<R>,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.project().turned.poll(cx)
    }
}

impl Future for Turn {
    type Output = Result<(), Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let Self { nap, turn } = &mut *self;
        ready!(nap.poll(turn.as_ref().expect("polled after its end").at(), cx));
        turn.take().expect("looked at").keep();
        Poll::Ready(Ok(()))
    }
}

impl<S: Service<R>, R> fmt::Debug for LimitedFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedFuture").finish_non_exhaustive()
    }
}
