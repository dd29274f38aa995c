//! One call of a tower service for all requests that have the same key.

use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Coalesce;
use super::meters::Meters;
use super::shared::{Measured, Shared};
use crate::context::Context;
use crate::resilience::sent::Sent;
use crate::resilience::{Failed, FailedKind};
use crate::sync::singleflight::{Core, Flight, Work};

/// Puts a [`Coalesce`] around each call of a service: [`Coalesce::layer`].
pub struct Layer<K, V, E, X> {
    coalesce: Coalesce<K, V, E>,
    key: X,
}

/// A service that is called once for all requests that have the same key at the same time. Its error is [`Failed`] with the
/// service's own inside.
///
/// It is always ready: who shares needs no place inside, and a flight waits for the readiness of its own clone of the service
/// as a part of its work. That is why the service must be `Clone`. There is no context here, so dropping the response is what
/// leaves the flight.
///
/// A response is cloned for all who share it, so one whose body streams cannot be shared: read it inside.
pub struct Coalesced<S, K, V, E, X> {
    service: S,
    coalesce: Coalesce<K, V, E>,
    key: X,
}

pin_project! {
    /// The future of [`Coalesced`].
    #[must_use = "futures do nothing unless polled"]
    pub struct CoalescedFuture<S, R, K>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, K, S::Response, S::Error>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R, K, V, E>
    where
        S: Service<R>,
    {
        Shared { call: Shared<'static, Arc<Core<K, V, E>>, K, V, E, Asked<S, R>, Arc<Meters>> },
        Alone { #[pin] work: Sent<S, R> },
    }
}

/// What is sent if it leads.
struct Asked<S, R> {
    service: S,
    request: R,
    meters: Arc<Meters>,
}

static ROOT: Context = Context::root();

impl<S: Service<R>, R> Work for Asked<S, R> {
    type Future = Measured<Sent<S, R>>;

    fn begin(self, _: Flight<'_>) -> Self::Future {
        Measured::new(self.meters, Sent::to(self.service, self.request))
    }
}

impl<K, V, E, X> Layer<K, V, E, X> {
    pub(super) fn new(coalesce: Coalesce<K, V, E>, key: X) -> Self {
        Self { coalesce, key }
    }
}

impl<S, K, V, E, X: Clone> tower_layer::Layer<S> for Layer<K, V, E, X> {
    type Service = Coalesced<S, K, V, E, X>;

    fn layer(&self, service: S) -> Self::Service {
        Coalesced { service, coalesce: self.coalesce.clone(), key: self.key.clone() }
    }
}

impl<S, R, K, X> Service<R> for Coalesced<S, K, S::Response, S::Error, X>
where
    S: Service<R> + Clone + Send + 'static,
    S::Response: Clone + Send + Sync + 'static,
    S::Error: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
    K: Hash + Eq + Send + 'static,
    X: Fn(&R) -> Option<K>,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = CoalescedFuture<S, R, K>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let service = self.service.clone();
        let state = match (self.key)(&request) {
            None => State::Alone { work: Sent::to(service, request) },
            Some(key) => {
                let meters = self.coalesce.meters.clone();
                let work = Asked { service, request, meters: meters.clone() };
                let run = self.coalesce.group.fly_owned(&ROOT, key, work);
                State::Shared { call: Shared::new(run, meters) }
            }
        };
        CoalescedFuture { state }
    }
}

impl<S, R, K> Future for CoalescedFuture<S, R, K>
where
    S: Service<R> + Send + 'static,
    S::Response: Clone + Send + Sync + 'static,
    S::Error: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
    K: Hash + Eq + Send + 'static,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Shared { call } => Pin::new(call).poll(cx),
            StateProj::Alone { work } => {
                work.poll(cx).map_err(|error| FailedKind::Callee(error).into())
            }
        }
    }
}

impl<K, V, E, X: Clone> Clone for Layer<K, V, E, X> {
    fn clone(&self) -> Self {
        Self { coalesce: self.coalesce.clone(), key: self.key.clone() }
    }
}

impl<S: Clone, K, V, E, X: Clone> Clone for Coalesced<S, K, V, E, X> {
    fn clone(&self) -> Self {
        let Self { service, coalesce, key } = self;
        Self { service: service.clone(), coalesce: coalesce.clone(), key: key.clone() }
    }
}

impl<K, V, E, X> fmt::Debug for Layer<K, V, E, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("coalesce", &self.coalesce).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, K, V, E, X> fmt::Debug for Coalesced<S, K, V, E, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesced")
            .field("service", &self.service)
            .field("coalesce", &self.coalesce)
            .finish_non_exhaustive()
    }
}

impl<S: Service<R>, R, K> fmt::Debug for CoalescedFuture<S, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoalescedFuture").finish_non_exhaustive()
    }
}
