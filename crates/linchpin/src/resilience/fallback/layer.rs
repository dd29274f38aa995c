//! A fallback around each call of a tower service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Degraded, Fallback, Instead, Lost, Reason, Served};
use crate::context::Context;
use crate::error::catch;
use crate::resilience::{ByResult, Classify, Failed, FailedKind};

/// Puts a [`Fallback`] around each call of a service: [`Fallback::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C, I> {
    fallback: Fallback<C>,
    instead: I,
}

/// A service with something that stands in for its response. Its response is [`Served`] with the service's own inside, its
/// error [`Failed`].
///
/// It is ready when the service is, and fails to get ready with it: whoever is not ready was not asked, so nothing stands
/// in. There is no context here, so there is no [grace](super::Options::grace), and dropping the response is what cancels
/// it. Where the mark belongs into the response itself, [`Served::marked`] puts it there.
#[derive(Clone, Debug)]
pub struct StandIn<S, C = ByResult, I = ()> {
    service: S,
    fallback: Fallback<C>,
    instead: I,
}

pin_project! {
    /// The future of [`StandIn`].
    #[must_use = "futures do nothing unless polled"]
    pub struct StandInFuture<F, C, I, R, T, E>
    where
        I: Instead<R, T, E>,
    {
        #[pin]
        state: State<F, I::Future, T, E>,
        kept: Option<I::Kept>,
        fallback: Fallback<C>,
        instead: I,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, G, T, E> {
        Calling { #[pin] work: F },
        Instead { #[pin] work: G, degraded: Degraded, first: Option<E> },
        Exercising { #[pin] work: G, degraded: Degraded, answer: Option<T> },
        Done,
    }
}

static ROOT: Context = Context::root();

impl<C, I> Layer<C, I> {
    pub(super) fn new(fallback: Fallback<C>, instead: I) -> Self {
        Self { fallback, instead }
    }
}

impl<S, C: Clone, I: Clone> tower_layer::Layer<S> for Layer<C, I> {
    type Service = StandIn<S, C, I>;

    fn layer(&self, service: S) -> Self::Service {
        StandIn { service, fallback: self.fallback.clone(), instead: self.instead.clone() }
    }
}

impl<S, C, I, R> Service<R> for StandIn<S, C, I>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
    I: Instead<R, S::Response, S::Error> + Clone,
{
    type Response = Served<S::Response>;
    type Error = Failed<S::Error>;
    type Future = StandInFuture<S::Future, C, I, R, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let (fallback, instead) = (self.fallback.clone(), self.instead.clone());
        fallback.core.meters.called();
        let kept = Some(instead.keep(&request));
        let state = State::Calling { work: self.service.call(request) };
        StandInFuture { state, kept, fallback, instead }
    }
}

impl<F, C, I, R, T, E> Future for StandInFuture<F, C, I, R, T, E>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    I: Instead<R, T, E>,
{
    type Output = Result<Served<T>, Failed<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let fallback = &*this.fallback;
        let core = &fallback.core;
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { work } => {
                    let result = ready!(work.poll(cx));
                    // Gone by the time somebody knows of its result.
                    this.state.set(State::Done);
                    let kept = this.kept.take().expect("kept for this");
                    let stands_in = |result, reason| {
                        let degraded = core.degraded(reason);
                        let lost = Lost::new(Some(result), degraded, &ROOT);
                        (degraded, lost)
                    };
                    if let Some(reason) = fallback.classify.degraded(result.as_ref()) {
                        let (degraded, lost) = stands_in(result.as_ref(), reason);
                        let work = this.instead.instead(kept, lost);
                        this.state.set(State::Instead { work, degraded, first: result.err() });
                        continue;
                    }
                    let answer = result.map_err(FailedKind::Callee)?;
                    if !fallback.is_to_exercise(Ok::<_, &E>(&answer)) {
                        return Poll::Ready(Ok(Served::answer(answer)));
                    }
                    let (degraded, lost) = stands_in(Ok(&answer), Reason::Exercise);
                    match catch(|| this.instead.instead(kept, lost)) {
                        Ok(work) => {
                            let answer = Some(answer);
                            this.state.set(State::Exercising { work, degraded, answer });
                        }
                        Err(panicked) => {
                            core.exercised(degraded, Err(panicked));
                            return Poll::Ready(Ok(Served::answer(answer)));
                        }
                    }
                }
                StateProj::Instead { work, degraded, first } => {
                    let result = ready!(work.poll(cx));
                    let (degraded, first) = (*degraded, first.take());
                    this.state.set(State::Done);
                    return Poll::Ready(match result {
                        Ok(value) => {
                            core.meters.used(degraded);
                            Ok(Served::instead(value, degraded))
                        }
                        Err(error) => {
                            core.meters.failed(degraded);
                            let failed = Failed::from(FailedKind::Callee(error));
                            Err(match first {
                                Some(first) => {
                                    failed.standing_in_for(FailedKind::Callee(first).into())
                                }
                                None => failed,
                            })
                        }
                    });
                }
                StateProj::Exercising { work, degraded, answer } => {
                    let tried = match catch(|| work.poll(cx)) {
                        Ok(polled) => Ok(Ok(ready!(polled).is_ok())),
                        Err(panicked) => Err(panicked),
                    };
                    let (degraded, answer) = (*degraded, answer.take().expect("it is kept"));
                    core.exercised(degraded, tried);
                    crate::task::contained(core.name, DROPPED, || this.state.set(State::Done));
                    return Poll::Ready(Ok(Served::answer(answer)));
                }
                StateProj::Done => panic!("polled after its end"),
            }
        }
    }
}

const DROPPED: &str = "an exercise of a fallback panicked when it was dropped";

impl<F, C, I, R, T, E> fmt::Debug for StandInFuture<F, C, I, R, T, E>
where
    I: Instead<R, T, E>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandInFuture")
            .field("fallback", &self.fallback.name())
            .finish_non_exhaustive()
    }
}
