//! A time limit around each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::core::Core;
use super::limited::Timely;
use crate::context::Context;
use crate::resilience::{Failed, FailedKind};

/// Puts a [`Timeout`](super::Timeout) around each call of a service: [`Timeout::layer`](super::Timeout::layer).
#[derive(Clone, Debug)]
pub struct Layer(Arc<Core>);

/// A service whose calls have a time limit. Its error is [`Failed`] with the service's own inside.
///
/// The limit is on the response, or the head of one with a body; to become ready the service may take as long as it
/// likes. A service that fails to get ready says so as `Callee`. There is no context here, so dropping the response is
/// what cancels it.
#[derive(Clone, Debug)]
pub struct Timed<S> {
    service: S,
    core: Arc<Core>,
}

pin_project! {
    /// The future of [`Timed`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TimedFuture<F> {
        #[pin]
        work: Timely<'static, F, Arc<Core>>,
    }
}

static ROOT: Context = Context::root();

impl Layer {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self(core)
    }
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Timed<S>;

    fn layer(&self, service: S) -> Timed<S> {
        Timed { service, core: self.0.clone() }
    }
}

impl<S: Service<R>, R> Service<R> for Timed<S> {
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = TimedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let work = self.service.call(request);
        TimedFuture { work: Timely::new(&ROOT, self.core.clone(), work) }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for TimedFuture<F> {
    type Output = Result<T, Failed<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.project().work.poll(cx)
    }
}

impl<F> fmt::Debug for TimedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedFuture").finish_non_exhaustive()
    }
}
