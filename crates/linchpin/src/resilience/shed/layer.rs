//! A shedder before each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Permit, Shedder, conclude};
use crate::context::Context;
use crate::resilience::{ByResult, Classify, Failed, FailedKind};
use crate::time::Instant;

/// Puts a [`Shedder`] before each call of a service: [`Shedder::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C = ByResult>(Shedder<C>);

/// A service with a [`Shedder`] before each call. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and too much is refused in `call`: a readiness that fails would end a
/// `tower::buffer` for good. Nothing is taken before `call`, so a service that was ready and is dropped leaves nothing
/// behind. A service that fails to get ready says so as `Callee`.
///
/// There is no context here: every call is [`Critical`](crate::resilience::Priority::Critical) and has no deadline. It is
/// under way until its future has the response, or the head of one with a body. Dropping the future before is an ignored
/// call.
#[derive(Clone, Debug)]
pub struct Shed<S, C = ByResult> {
    service: S,
    shedder: Shedder<C>,
}

pin_project! {
    /// The future of [`Shed`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ShedFuture<F, C, E> {
        #[pin]
        work: Option<F>,
        permit: Option<Permit<'static>>,
        classify: C,
        refused: Option<Failed<E>>,
    }
}

static ROOT: Context = Context::root();

impl<C> Layer<C> {
    pub(super) fn new(shedder: Shedder<C>) -> Self {
        Self(shedder)
    }
}

impl<S, C: Clone> tower_layer::Layer<S> for Layer<C> {
    type Service = Shed<S, C>;

    fn layer(&self, service: S) -> Self::Service {
        Shed { service, shedder: self.0.clone() }
    }
}

impl<S, C, R> Service<R> for Shed<S, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = ShedFuture<S::Future, C, S::Error>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.shedder.classify.clone();
        match self.shedder.admit_owned(&ROOT, Instant::now()) {
            Ok(permit) => {
                // The permit is there before the service is called, which may panic.
                let permit = Some(permit);
                let work = Some(self.service.call(request));
                ShedFuture { work, permit, classify, refused: None }
            }
            Err(refusal) => {
                let refused = Some(refusal.into());
                ShedFuture { work: None, permit: None, classify, refused }
            }
        }
    }
}

impl<F, C, T, E> Future for ShedFuture<F, C, E>
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

impl<F, C, E> fmt::Debug for ShedFuture<F, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedFuture").field("permit", &self.permit).finish_non_exhaustive()
    }
}
