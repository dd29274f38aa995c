//! Chaos before each call of a tower service.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::Chaos;
use super::scope::Scope;
use crate::context::Context;

/// Puts a [`Chaos`] before each call of a service: [`Chaos::layer`].
pub struct Layer<T, E, F> {
    chaos: Chaos<T, E>,
    context: F,
}

/// A service with a [`Chaos`] before each call: [`Chaos::layer`]. Its error is the service's own, and so is the error that
/// is injected.
///
/// Where chance is drawn from the id of a request, its attempts share a draw here, since nothing tells one from the other:
/// what fails once fails each time. [`Chaos::attempt`] knows the number.
///
/// It is ready when the service is. With an injected wait the response waits, and then calls the service that was ready; a
/// clone of it takes its place meanwhile. Without the feature `chaos` it is the service.
pub struct Chaotic<S, T, E, F> {
    service: S,
    chaos: Chaos<T, E>,
    context: F,
}

pin_project! {
    /// The future of [`Chaotic`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ChaoticFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, R, S::Future, S::Response, S::Error>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, R, F, T, E> {
        Answered { #[pin] answer: Ready<Result<T, E>> },
        Calling { #[pin] work: F, after: Option<After<T, E>> },
        // Boxed, since it is seldom: nothing is injected where speed matters.
        Waiting { wait: Wait<T, E>, call: Option<(S, R)> },
    }
}

/// Whether there is an answer, and what is to be done with that of the service.
type Wait<T, E> = Pin<Box<dyn Future<Output = (Option<T>, Option<After<T, E>>)> + Send>>;

/// What may become of the answer.
type After<T, E> = Box<(Scope<T, E>, Context)>;

impl<T, E, F> Layer<T, E, F> {
    pub(super) fn new(chaos: Chaos<T, E>, context: F) -> Self {
        Self { chaos, context }
    }
}

impl<S, T, E, F: Clone> tower_layer::Layer<S> for Layer<T, E, F> {
    type Service = Chaotic<S, T, E, F>;

    fn layer(&self, service: S) -> Self::Service {
        Chaotic { service, chaos: self.chaos.clone(), context: self.context.clone() }
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
    type Future = ChaoticFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), E>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let context = (self.context)(&request);
        let scope = self.chaos.core.as_ref().and_then(|core| core.scope(&context, 0));
        let state = match scope {
            None => State::Calling { work: self.service.call(request), after: None },
            Some(scope) => match scope.fault(&context) {
                Some(error) => State::Answered { answer: ready(Err(error)) },
                None => {
                    let clone = self.service.clone();
                    let ready = std::mem::replace(&mut self.service, clone);
                    let wait = Box::pin(before(scope, context));
                    State::Waiting { wait, call: Some((ready, request)) }
                }
            },
        };
        ChaoticFuture { state }
    }
}

/// The answer, if there is one. A context that ends here ends nothing: whoever waits drops the response.
async fn before<T, E>(scope: Scope<T, E>, context: Context) -> (Option<T>, Option<After<T, E>>) {
    let _ended = scope.wait(&context).await;
    let answer = scope.after_the_wait(&context);
    let after = scope.cuts().then(|| Box::new((scope, context)));
    (answer, after)
}

impl<S, R> Future for ChaoticFuture<S, R>
where
    S: Service<R>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Answered { answer } => return answer.poll(cx),
                StateProj::Calling { work, after } => {
                    let result = ready!(work.poll(cx));
                    return Poll::Ready(match after.take().map(|after| *after) {
                        Some((scope, context)) => {
                            result.and_then(|answer| scope.after_the_call(&context, answer))
                        }
                        None => result,
                    });
                }
                StateProj::Waiting { wait, call } => match ready!(wait.as_mut().poll(cx)) {
                    (Some(answer), _) => State::Answered { answer: ready(Ok(answer)) },
                    (None, after) => {
                        let (mut service, request) = call.take().expect("polled after a panic");
                        State::Calling { work: service.call(request), after }
                    }
                },
            };
            state.set(next);
        }
    }
}

impl<T, E, F: Clone> Clone for Layer<T, E, F> {
    fn clone(&self) -> Self {
        Self { chaos: self.chaos.clone(), context: self.context.clone() }
    }
}

impl<S: Clone, T, E, F: Clone> Clone for Chaotic<S, T, E, F> {
    fn clone(&self) -> Self {
        let (service, chaos) = (self.service.clone(), self.chaos.clone());
        Self { service, chaos, context: self.context.clone() }
    }
}

impl<T, E, F> fmt::Debug for Layer<T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("chaos", &self.chaos).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, T, E, F> fmt::Debug for Chaotic<S, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaotic")
            .field("service", &self.service)
            .field("chaos", &self.chaos)
            .finish_non_exhaustive()
    }
}

impl<S: Service<R>, R> fmt::Debug for ChaoticFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaoticFuture").finish_non_exhaustive()
    }
}
