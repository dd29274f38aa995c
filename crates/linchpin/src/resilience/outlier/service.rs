//! A balancer over tower services.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Balancer, Picked, conclude};
use crate::resilience::{ByResult, Classify, Failed};
use crate::time::Instant;

/// One service over those of a [`Balancer`]: [`Balancer::service`]. Its error is [`Failed`] with the target's own inside.
///
/// It is always ready: which target a call goes to is chosen when it is called, and the response then waits for a clone of
/// that to be ready. One that fails to get ready is a failure of its target. The call is under way until its future has the
/// response, or the head of one with a body; dropping the future before is an ignored call.
///
/// It knows no context and no other attempts: for those take [`Balancer::call`].
#[derive(Clone, Debug)]
pub struct Balanced<T, C = ByResult>(Balancer<T, C>);

pin_project! {
    /// The future of [`Balanced`].
    #[must_use = "futures do nothing unless polled"]
    pub struct BalancedFuture<T, R, C>
    where
        T: Service<R>,
        T: 'static,
    {
        #[pin]
        state: State<T, R, T::Future, T::Error>,
        picked: Option<Picked<'static, T>>,
        classify: C,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<T, R, F, E> {
        Calling { #[pin] work: F },
        Over,
        Readying { call: Option<(T, R)> },
        Refused { failed: Option<Failed<E>> },
    }
}

impl<T, C> Balanced<T, C> {
    pub(super) fn new(balancer: Balancer<T, C>) -> Self {
        Self(balancer)
    }
}

impl<T, C, R> Service<R> for Balanced<T, C>
where
    T: Service<R> + Clone + 'static,
    C: Classify<T::Response, T::Error> + Clone,
{
    type Response = T::Response;
    type Error = Failed<T::Error>;
    type Future = BalancedFuture<T, R, C>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.0.classify.clone();
        let (state, picked) = match self.0.draw_owned(Instant::now()) {
            Ok(picked) => {
                let target = T::clone(&picked);
                (State::Readying { call: Some((target, request)) }, Some(picked))
            }
            Err(refusal) => (State::Refused { failed: Some(refusal.into()) }, None),
        };
        BalancedFuture { state, picked, classify }
    }
}

impl<T, R, C> Future for BalancedFuture<T, R, C>
where
    T: Service<R> + 'static,
    C: Classify<T::Response, T::Error>,
{
    type Output = Result<T::Response, Failed<T::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProj::Refused { failed } = this.state.as_mut().project() {
            return Poll::Ready(Err(failed.take().expect("polled after its end")));
        }
        // Here, so that a panic of the target finds it on its way.
        let picked = this.picked.take().expect("polled after its end");
        let Poll::Ready(result) = this.state.as_mut().poll_target(cx) else {
            *this.picked = Some(picked);
            return Poll::Pending;
        };
        // Gone by the time somebody knows of it.
        this.state.set(State::Over);
        Poll::Ready(conclude(this.classify, picked, result))
    }
}

impl<T: Service<R>, R> State<T, R, T::Future, T::Error> {
    fn poll_target(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Result<T::Response, T::Error>> {
        loop {
            let work = match self.as_mut().project() {
                StateProj::Calling { work } => return work.poll(cx),
                StateProj::Over | StateProj::Refused { .. } => panic!("polled after its end"),
                StateProj::Readying { call } => {
                    let (target, _) = call.as_mut().expect("polled after a panic");
                    ready!(target.poll_ready(cx))?;
                    let (mut target, request) = call.take().expect("just looked at");
                    target.call(request)
                }
            };
            self.set(State::Calling { work });
        }
    }
}

impl<T: Service<R> + 'static, R, C> fmt::Debug for BalancedFuture<T, R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalancedFuture").field("picked", &self.picked).finish_non_exhaustive()
    }
}
