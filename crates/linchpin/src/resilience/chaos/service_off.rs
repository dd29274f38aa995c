//! The layer of chaos without chaos: a service as it is.

use std::fmt;
use std::marker::PhantomData;
use std::task::{Context as Poller, Poll};

use tower_service::Service;

use super::Chaos;
use crate::context::Context;

/// Puts a [`Chaos`] before each call of a service: [`Chaos::layer`].
pub struct Layer<T, E, F>(PhantomData<fn(F) -> Result<T, E>>);

/// A service with a [`Chaos`] before each call: [`Chaos::layer`]. Its error is the service's own.
///
/// Without the feature `chaos` it is the service.
pub struct Chaotic<S, T, E, F> {
    service: S,
    nothing: PhantomData<fn(F) -> Result<T, E>>,
}

impl<T, E, F> Layer<T, E, F> {
    pub(super) fn new(_: Chaos<T, E>, _: F) -> Self {
        Self(PhantomData)
    }
}

impl<S, T, E, F: Clone> tower_layer::Layer<S> for Layer<T, E, F> {
    type Service = Chaotic<S, T, E, F>;

    fn layer(&self, service: S) -> Self::Service {
        Chaotic { service, nothing: PhantomData }
    }
}

impl<S, R, T, E, F> Service<R> for Chaotic<S, T, E, F>
where
    S: Service<R, Response = T, Error = E> + Clone,
    F: Fn(&R) -> Context,
    T: Send + 'static,
    E: 'static,
{
    type Response = T;
    type Error = E;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), E>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.service.call(request)
    }
}

impl<T, E, F: Clone> Clone for Layer<T, E, F> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<S: Clone, T, E, F: Clone> Clone for Chaotic<S, T, E, F> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), nothing: PhantomData }
    }
}

impl<T, E, F> fmt::Debug for Layer<T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, T, E, F> fmt::Debug for Chaotic<S, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaotic").field("service", &self.service).finish_non_exhaustive()
    }
}
