//! A retry around each call of a tower service.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Retry;
use super::core::{Bounds, Call, Core, Said};
use super::replay::{ByClone, Replay};
use crate::resilience::{Again, ByResult, Classify, Failed, FailedKind};
use crate::time::{Instant, Nap};

/// Puts a [`Retry`] around each call of a service: [`Retry::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C = ByResult, P = ByClone> {
    retry: Retry<C>,
    replay: P,
}

/// A service whose calls are made again. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is. The one that was found ready makes the first attempt; each further attempt is made
/// by a clone that stays with the call, after it has been driven to readiness once more, so a limit inside counts every
/// attempt. That is why the service must be `Clone`. A copy of the request is made before each attempt.
///
/// A service that fails to get ready before the first attempt says so from `poll_ready`; before a later one that is how
/// the attempt fails. There is no context here, so dropping the response is what cancels it.
#[derive(Clone, Debug)]
pub struct Retried<S, C = ByResult, P = ByClone> {
    service: S,
    retry: Retry<C>,
    replay: P,
}

pin_project! {
    /// The future of [`Retried`].
    #[must_use = "futures do nothing unless polled"]
    pub struct RetriedFuture<S, R, C, P>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S::Future>,
        service: S,
        classify: C,
        replay: P,
        call: Call<Arc<Core>>,
        deadline: Option<Instant>,
        is_idempotent: bool,
        // What is sent the next time.
        copy: Option<R>,
        before: Option<S::Error>,
    }
}

pin_project! {
    #[project = StateOf]
    enum State<F> {
        Calling { #[pin] work: F },
        // The timer is no part of it: most calls need none, and all are moved.
        Resting { nap: Nap, until: Instant },
        Readying,
        Done,
    }
}

impl<C, P> Layer<C, P> {
    pub(super) fn new(retry: Retry<C>, replay: P) -> Self {
        Self { retry, replay }
    }
}

impl<S, C: Clone, P: Clone> tower_layer::Layer<S> for Layer<C, P> {
    type Service = Retried<S, C, P>;

    fn layer(&self, service: S) -> Self::Service {
        Retried { service, retry: self.retry.clone(), replay: self.replay.clone() }
    }
}

impl<S, C, P, R> Service<R> for Retried<S, C, P>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
    P: Replay<R> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = RetriedFuture<S, R, C, P>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        // The clone stays here and is made ready by the next caller; the ready one goes with the call.
        let clone = self.service.clone();
        let mut service = mem::replace(&mut self.service, clone);
        let replay = self.replay.clone();
        let is_idempotent = replay.is_idempotent(&request).unwrap_or(self.retry.is_idempotent);
        let deadline = replay.deadline(&request);
        let copy = replay.copy(&request);
        let classify = self.retry.classify.clone();
        let call = Call::new(self.retry.core.clone());
        let state = State::Calling { work: service.call(request) };
        let before = None;
        RetriedFuture {
            state,
            service,
            classify,
            replay,
            call,
            deadline,
            is_idempotent,
            copy,
            before,
        }
    }
}

impl<S, R, C, P> Future for RetriedFuture<S, R, C, P>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let result = match this.state.as_mut().project() {
                StateOf::Calling { work } => ready!(work.poll(cx)),
                StateOf::Resting { nap, until } => {
                    ready!(nap.poll(*until, cx));
                    this.state.set(State::Readying);
                    continue;
                }
                StateOf::Readying => match ready!(this.service.poll_ready(cx)) {
                    Ok(()) => {
                        let request = this.copy.take().expect("there is one, or there is no retry");
                        *this.copy = this.replay.copy(&request);
                        let work = this.service.call(request);
                        this.state.set(State::Calling { work });
                        continue;
                    }
                    Err(error) => Err(error),
                },
                StateOf::Done => panic!("polled after its end"),
            };
            // Gone by the time somebody knows of its result.
            this.state.set(State::Done);
            let again = this.classify.again(result.as_ref());
            if again == Again::Never && result.is_ok() && this.call.attempts() == 1 {
                this.call.succeeded_at_once();
                return Poll::Ready(result.map_err(|error| FailedKind::Callee(error).into()));
            }
            let said = Said::by(this.classify, again, result.as_ref());
            let bounds = Bounds {
                deadline: *this.deadline,
                ended: None,
                is_idempotent: *this.is_idempotent,
                is_replayable: this.copy.is_some(),
            };
            match this.call.judge(said, bounds) {
                Ok(delay) => {
                    *this.before = result.err();
                    this.state.set(if delay.is_zero() {
                        State::Readying
                    } else {
                        State::Resting { nap: Nap::default(), until: Instant::now() + delay }
                    });
                }
                Err(stopped) => {
                    let given = this.call.core().give(result, this.before.take(), said, stopped);
                    return Poll::Ready(given);
                }
            }
        }
    }
}

impl<S, R, C, P> fmt::Debug for RetriedFuture<S, R, C, P>
where
    S: Service<R>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetriedFuture")
            .field("retry", &self.call.core().name)
            .field("attempts", &self.call.attempts())
            .finish_non_exhaustive()
    }
}
