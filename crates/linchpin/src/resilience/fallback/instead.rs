//! What stands in for the response of a tower service.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::lost::Lost;
use crate::resilience::sent::Sent;

/// What stands in for the response of a tower service: [`Fallback::layer`](super::Fallback::layer).
///
/// Its own implementation is for what needs a part of the request, such as the key of a cache.
pub trait Instead<R, T, E> {
    /// What is kept of the request while the service has it.
    type Kept;
    /// What gives the value.
    type Future: Future<Output = Result<T, E>>;

    /// What to keep of a request. Called for each, so it should be cheap.
    fn keep(&self, request: &R) -> Self::Kept;

    /// Gives the value.
    fn instead(&self, kept: Self::Kept, lost: Lost<'_, T, E>) -> Self::Future;
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub struct Value<T>(pub T);

/// A function, which is told what was [`Lost`].
#[derive(Clone, Copy)]
pub struct ByFn<F>(pub F);

/// Another service, which gets a clone of the request.
#[derive(Clone, Copy, Debug)]
pub struct ByService<S>(pub S);

pin_project! {
    /// What is on its way to the service that stands in.
    #[must_use = "futures do nothing unless polled"]
    pub struct Sending<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        sent: Sent<S, R>,
    }
}

impl<R, T: Clone, E> Instead<R, T, E> for Value<T> {
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    fn keep(&self, _: &R) {}

    fn instead(&self, (): (), _: Lost<'_, T, E>) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}

impl<R, T, E, F, Fut> Instead<R, T, E> for ByFn<F>
where
    F: Fn(Lost<'_, T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Kept = ();
    type Future = Fut;

    fn keep(&self, _: &R) {}

    fn instead(&self, (): (), lost: Lost<'_, T, E>) -> Fut {
        (self.0)(lost)
    }
}

impl<R, T, E, S> Instead<R, T, E> for ByService<S>
where
    R: Clone,
    S: Service<R, Response = T, Error = E> + Clone,
{
    type Kept = R;
    type Future = Sending<S, R>;

    fn keep(&self, request: &R) -> R {
        request.clone()
    }

    fn instead(&self, request: R, _: Lost<'_, T, E>) -> Self::Future {
        Sending { sent: Sent::to(self.0.clone(), request) }
    }
}

impl<S: Service<R>, R> Future for Sending<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.project().sent.poll(cx)
    }
}

impl<F> fmt::Debug for ByFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByFn").finish_non_exhaustive()
    }
}

impl<S: Service<R>, R> fmt::Debug for Sending<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
