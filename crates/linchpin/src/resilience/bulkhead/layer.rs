//! A bulkhead around each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::core::{Core, Held};
use super::permit::Permit;
use super::turn::Turn;
use crate::context::Context;
use crate::resilience::{ByResult, Classify as _, Failed, FailedKind};

/// Puts a [`Bulkhead`](super::Bulkhead) around each call of a service: [`Bulkhead::layer`](super::Bulkhead::layer).
#[derive(Clone, Debug)]
pub struct Layer(Arc<Core>);

/// A service of which so many calls are under way at once. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and refuses in `call`: a readiness that fails would end a `tower::buffer` for good.
/// Nothing is taken before `call`, so a service that was ready and is dropped leaves nothing behind. Where who is not let
/// in should hold back who calls, and not be refused, tower's own `ConcurrencyLimit` waits in its readiness.
///
/// With a queue the response waits for its turn, and calls the service that was ready then; a clone of it takes its place
/// meanwhile. It knows no context, so its priority is the usual one: put a time limit around it. Dropping the response
/// gives the place up.
///
/// The place is taken until the response is there, or the head of one with a body. For a body that is sent in pieces
/// `linchpin_http::middleware::bulkhead` holds it to the end of that.
#[derive(Clone, Debug)]
pub struct Confined<S> {
    service: S,
    core: Arc<Core>,
}

pin_project! {
    /// The future of [`Confined`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ConfinedFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future, S::Error>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R, F, E> {
        // The work goes before its place does.
        Calling { #[pin] work: F, permit: Permit<'static> },
        Refused { failed: Option<Failed<E>> },
        // Apart: most calls do not wait, and all are moved.
        Waiting { wait: Box<Wait<S, R, E>> },
        Over,
    }
}

/// For a place, with what is called then.
struct Wait<S, R, E> {
    turn: Turn<'static, 'static, E>,
    ready: Option<(S, R)>,
}

static ROOT: Context = Context::root();

impl Layer {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self(core)
    }
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Confined<S>;

    fn layer(&self, service: S) -> Self::Service {
        Confined { service, core: self.0.clone() }
    }
}

impl<S, R> Service<R> for Confined<S>
where
    S: Service<R> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = ConfinedFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let core = &self.core;
        let state = if core.take(1) {
            // The permit is there before the service is called, which may panic.
            let permit = Permit::new(Held::Owned(core.clone()), 1);
            State::Calling { work: self.service.call(request), permit }
        } else if core.places.lets_wait() {
            let turn = Turn::new(Held::Owned(core.clone()), &ROOT, 1, None);
            let clone = self.service.clone();
            let ready = std::mem::replace(&mut self.service, clone);
            State::Waiting { wait: Box::new(Wait { turn, ready: Some((ready, request)) }) }
        } else {
            State::Refused { failed: Some(core.refuse_now(1).into()) }
        };
        ConfinedFuture { state }
    }
}

impl<S, R> Future for ConfinedFuture<S, R>
where
    S: Service<R>,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Calling { work, permit } => {
                    let result = ready!(work.poll(cx));
                    permit.says(ByResult.classify(result.as_ref()));
                    // The work is gone by the time somebody else has its place.
                    state.set(State::Over);
                    return Poll::Ready(result.map_err(|error| FailedKind::Callee(error).into()));
                }
                StateProj::Refused { failed } => {
                    return Poll::Ready(Err(failed.take().expect("polled after its end")));
                }
                StateProj::Waiting { wait } => match ready!(Pin::new(&mut wait.turn).poll(cx)) {
                    Ok(permit) => {
                        let ready = wait.ready.take();
                        let (mut service, request) = ready.expect("there with the turn");
                        State::Calling { work: service.call(request), permit }
                    }
                    Err(failed) => State::Refused { failed: Some(failed) },
                },
                StateProj::Over => panic!("polled after its end"),
            };
            state.set(next);
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for ConfinedFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfinedFuture").finish_non_exhaustive()
    }
}
