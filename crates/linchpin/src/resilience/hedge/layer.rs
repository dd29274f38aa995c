//! A hedge around each call of a tower service.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Hedge;
use super::call::{Bounds, Call};
use super::race::{Race, Source};
use crate::resilience::retry::{ByClone, Replay};
use crate::resilience::sent::Sent;
use crate::resilience::{ByResult, Classify, Failed, FailedKind};

/// Puts a [`Hedge`] around each call of a service: [`Hedge::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C = ByResult, P = ByClone> {
    hedge: Hedge<C>,
    replay: P,
}

/// A service whose slow calls are sent once more. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is. The one that was found ready makes the first attempt; each further attempt is made by
/// a clone that is driven to readiness for itself, so a limit inside counts every attempt, and one that does not get
/// ready in time loses. That is why the service must be `Clone`. A copy of the request is made before each attempt.
///
/// A service that fails to get ready before the first attempt says so from `poll_ready`; before a later one that is how
/// the attempt fails. There is no context here, so dropping the response is what cancels it, all attempts at once.
#[derive(Clone, Debug)]
pub struct Hedged<S, C = ByResult, P = ByClone> {
    service: S,
    hedge: Hedge<C>,
    replay: P,
}

pin_project! {
    /// The future of [`Hedged`].
    #[must_use = "futures do nothing unless polled"]
    pub struct HedgedFuture<S, R, C, P>
    where
        S: Service<R>,
    {
        #[pin]
        race: Race<Requests<S, R, P>, Sent<S, R>, S::Response, S::Error, Hedge<C>, Call<Hedge<C>>>,
    }
}

/// What is sent the next time, and to whom.
struct Requests<S, R, P> {
    service: S,
    replay: P,
    copy: Option<R>,
}

impl<S, R, P> Source<Sent<S, R>> for Requests<S, R, P>
where
    S: Service<R> + Clone,
    P: Replay<R>,
{
    fn is_possible(&self) -> bool {
        self.copy.is_some()
    }

    fn send(&mut self, _: u32) -> Sent<S, R> {
        let request = self.copy.take().expect("there is one, or nothing is sent");
        self.copy = self.replay.copy(&request);
        Sent::to(self.service.clone(), request)
    }
}

impl<C, P> Layer<C, P> {
    pub(super) fn new(hedge: Hedge<C>, replay: P) -> Self {
        Self { hedge, replay }
    }
}

impl<S, C: Clone, P: Clone> tower_layer::Layer<S> for Layer<C, P> {
    type Service = Hedged<S, C, P>;

    fn layer(&self, service: S) -> Self::Service {
        Hedged { service, hedge: self.hedge.clone(), replay: self.replay.clone() }
    }
}

impl<S, C, P, R> Service<R> for Hedged<S, C, P>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
    P: Replay<R> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = HedgedFuture<S, R, C, P>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        // The clone stays here and is made ready by the next caller; the ready one goes with the call.
        let clone = self.service.clone();
        let mut ready = mem::replace(&mut self.service, clone.clone());
        let (hedge, replay) = (self.hedge.clone(), self.replay.clone());
        let is_idempotent = replay.is_idempotent(&request).unwrap_or(hedge.is_idempotent);
        let bounds = Bounds { deadline: replay.deadline(&request), is_idempotent };
        let copy = replay.copy(&request);
        let call = Call::new(hedge, bounds);
        let first = Sent::Calling { work: ready.call(request) };
        HedgedFuture { race: Race::new(Requests { service: clone, replay, copy }, first, call) }
    }
}

impl<S, R, C, P> Future for HedgedFuture<S, R, C, P>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.project().race.poll(cx)
    }
}

impl<S, R, C, P> fmt::Debug for HedgedFuture<S, R, C, P>
where
    S: Service<R>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgedFuture")
            .field("attempts", &self.race.call().attempts)
            .finish_non_exhaustive()
    }
}
