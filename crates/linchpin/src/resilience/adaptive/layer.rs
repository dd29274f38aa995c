//! An adaptive limit before each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Adaptive, Permit, conclude};
use crate::resilience::{ByResult, Classify, Failed, FailedKind};
use crate::time::Instant;

/// Puts an [`Adaptive`] limit before each call of a service: [`Adaptive::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C = ByResult>(Adaptive<C>);

/// A service with an [`Adaptive`] limit before each call. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and a limit that is reached refuses in `call`: a readiness that fails would end a
/// `tower::buffer` for good. Nothing is taken before `call`, so a service that was ready and is dropped leaves nothing
/// behind. A service that fails to get ready says so as `Callee`.
///
/// The call is measured, and has its place, until its future has the response, or the head of one with a body. Dropping
/// the future before gives the place back, and nothing is learnt.
#[derive(Clone, Debug)]
pub struct Measured<S, C = ByResult> {
    service: S,
    limit: Adaptive<C>,
}

pin_project! {
    /// The future of [`Measured`].
    #[must_use = "futures do nothing unless polled"]
    pub struct MeasuredFuture<F, C, E> {
        #[pin]
        work: Option<F>,
        permit: Option<Permit<'static>>,
        classify: C,
        refused: Option<Failed<E>>,
    }
}

impl<C> Layer<C> {
    pub(super) fn new(limit: Adaptive<C>) -> Self {
        Self(limit)
    }
}

impl<S, C: Clone> tower_layer::Layer<S> for Layer<C> {
    type Service = Measured<S, C>;

    fn layer(&self, service: S) -> Self::Service {
        Measured { service, limit: self.0.clone() }
    }
}

impl<S, C, R> Service<R> for Measured<S, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = MeasuredFuture<S::Future, C, S::Error>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.limit.classify.clone();
        match self.limit.admit_owned(Instant::now()) {
            Ok(permit) => {
                // The permit is there before the service is called, which may panic.
                let permit = Some(permit);
                let work = Some(self.service.call(request));
                MeasuredFuture { work, permit, classify, refused: None }
            }
            Err(refusal) => {
                let refused = Some(refusal.into());
                MeasuredFuture { work: None, permit: None, classify, refused }
            }
        }
    }
}

impl<F, C, T, E> Future for MeasuredFuture<F, C, E>
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

impl<F, C, E> fmt::Debug for MeasuredFuture<F, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeasuredFuture").field("permit", &self.permit).finish_non_exhaustive()
    }
}
