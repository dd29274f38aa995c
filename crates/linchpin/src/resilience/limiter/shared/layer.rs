//! A limit that a fleet shares, before each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::super::turned::Turned;
use super::{RateStore, Shared};
use crate::context::Context;
use crate::resilience::{Failed, FailedKind};

/// Puts a [`Shared`] limiter before each call of a service: [`Shared::layer`].
#[derive(Clone, Debug)]
pub struct Layer<S, X> {
    limiter: Shared<S>,
    key: X,
}

/// A service with a [`Shared`] limiter before each call. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and asks the store in `call`, for one, unless the request has no key. When the store has
/// answered it calls the service that was ready then; a clone of it takes its place meanwhile. It knows no context: put a
/// time limit around it. The question is boxed: that costs a thousandth of the way to a store and back. Dropping the
/// response before that leaves open whether the one was taken.
#[derive(Clone, Debug)]
pub struct Limited<T, S, X> {
    service: T,
    limiter: Shared<S>,
    key: X,
}

pin_project! {
    /// The future of [`Limited`].
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitedFuture<T, R>
    where
        T: Service<R>,
    {
        #[pin]
        turned: Turned<Question, T, R>,
    }
}

/// What the store is asked.
type Question = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

impl<S, X> Layer<S, X> {
    pub(super) fn new(limiter: Shared<S>, key: X) -> Self {
        Self { limiter, key }
    }
}

impl<T, S, X: Clone> tower_layer::Layer<T> for Layer<S, X> {
    type Service = Limited<T, S, X>;

    fn layer(&self, service: T) -> Self::Service {
        Limited { service, limiter: self.limiter.clone(), key: self.key.clone() }
    }
}

impl<T, S, R, X, K> Service<R> for Limited<T, S, X>
where
    T: Service<R> + Clone,
    S: RateStore + 'static,
    X: Fn(&R) -> Option<K>,
    K: AsRef<str> + Send + Sync + 'static,
{
    type Response = T::Response;
    type Error = Failed<T::Error>;
    type Future = LimitedFuture<T, R>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Some(key) = (self.key)(&request) else {
            return LimitedFuture { turned: Turned::Calling { work: self.service.call(request) } };
        };
        let limiter = self.limiter.clone();
        let question: Question = Box::pin(async move {
            limiter.take(&Context::root(), key.as_ref(), 1).await?;
            Ok(())
        });
        LimitedFuture { turned: Turned::after(question, &mut self.service, request) }
    }
}

impl<T, R> Future for LimitedFuture<T, R>
where
    T: Service<R>,
{
    type Output = Result<T::Response, Failed<T::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.project().turned.poll(cx)
    }
}

impl<T: Service<R>, R> fmt::Debug for LimitedFuture<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedFuture").finish_non_exhaustive()
    }
}
