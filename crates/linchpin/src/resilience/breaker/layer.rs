//! A breaker before each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Breaker, Permit, conclude};
use crate::resilience::clock::Clock;
use crate::resilience::{ByResult, Classify, Failed, FailedKind};

/// Puts a [`Breaker`] before each call of a service: [`Breaker::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C = ByResult>(Breaker<C>);

/// A service with a [`Breaker`] before each call. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and an open breaker refuses in `call`: a readiness that fails would end a
/// `tower::buffer` for good. Nothing is taken before `call`, so a service that was ready and is dropped leaves nothing
/// behind. A service that fails to get ready says so as `Callee`, and nothing is counted: nobody was asked.
///
/// The call counts until its future has the response, or the head of one with a body. Dropping the future before is an
/// ignored call.
#[derive(Clone, Debug)]
pub struct Guarded<S, C = ByResult> {
    service: S,
    breaker: Breaker<C>,
}

pin_project! {
    /// The future of [`Guarded`].
    #[must_use = "futures do nothing unless polled"]
    pub struct GuardedFuture<F, C, E> {
        #[pin]
        work: Option<F>,
        permit: Option<Permit<'static>>,
        classify: C,
        refused: Option<Failed<E>>,
    }
}

impl<C> Layer<C> {
    pub(super) fn new(breaker: Breaker<C>) -> Self {
        Self(breaker)
    }
}

impl<S, C: Clone> tower_layer::Layer<S> for Layer<C> {
    type Service = Guarded<S, C>;

    fn layer(&self, service: S) -> Self::Service {
        Guarded { service, breaker: self.0.clone() }
    }
}

impl<S, C, R> Service<R> for Guarded<S, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = GuardedFuture<S::Future, C, S::Error>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.breaker.classify.clone();
        match self.breaker.own(Clock) {
            Ok(permit) => {
                // The permit is there before the service is called, which may panic.
                let permit = Some(permit);
                let work = Some(self.service.call(request));
                GuardedFuture { work, permit, classify, refused: None }
            }
            Err(refusal) => {
                let refused = Some(refusal.into());
                GuardedFuture { work: None, permit: None, classify, refused }
            }
        }
    }
}

impl<F, C, T, E> Future for GuardedFuture<F, C, E>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Failed<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(Err(refused));
        }
        let work = this.work.as_mut().as_pin_mut().expect("polled after its end");
        let result = ready!(work.poll(cx));
        // Gone by the time somebody knows of it.
        this.work.set(None);
        let permit = this.permit.take().expect("there as long as the work is");
        Poll::Ready(conclude(this.classify, permit, result))
    }
}

impl<F, C, E> fmt::Debug for GuardedFuture<F, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedFuture").field("permit", &self.permit).finish_non_exhaustive()
    }
}
