//! A stack around each call of a tower service.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer as _;
use tower_service::Service;

use super::Stack;
use super::parts::{ByParts, Parts};
use super::run::{Run, Terms};
use super::way::Way;
use super::work::Work;
use crate::context::Context;
use crate::resilience::hedge::HedgedFuture;
use crate::resilience::retry::{Attempt, ByClone, Replay};
use crate::resilience::{ByResult, Classify, Failed, FailedKind};
use crate::time::Instant;

/// Puts a [`Stack`] around each call of a service: [`Stack::layer`].
#[derive(Clone, Debug)]
pub struct Layer<C = ByResult, P = ByClone> {
    stack: Stack<C>,
    replay: P,
}

/// A service with a [`Stack`] around each call. Its error is [`Failed`] with the service's own inside, flat.
///
/// It is ready when the service is, and takes nothing before `call`: a service that was ready and is dropped leaves
/// nothing behind, and no policy ends a `tower::buffer` by a readiness that fails. The one that was found ready makes the
/// first attempt; each further one is made by the same after it has been driven to readiness once more, so what limits
/// inside counts every attempt. A copy of the request is made before each attempt where there is a retry.
///
/// A service that fails to get ready before the first attempt says so from `poll_ready`, and no policy counts it; before a
/// later one that is how the attempt fails. There is no context here: dropping the response is what cancels it, and a
/// [`Replay`] may know a deadline.
#[derive(Clone, Debug)]
pub struct Stacked<S, C = ByResult, P = ByClone> {
    service: S,
    stack: Stack<C>,
    replay: P,
}

type Called<S, R, C, P> = Run<
    'static,
    Arc<Parts<C>>,
    C,
    Calls<S, R, P>,
    <S as Service<R>>::Future,
    <S as Service<R>>::Error,
>;

type HedgedCall<S, R, C, P> = HedgedFuture<Attempts<S, C>, R, ByParts<Arc<Parts<C>>>, P>;

pin_project! {
    /// The future of [`Stacked`].
    #[must_use = "futures do nothing unless polled"]
    pub struct StackedFuture<S, R, C, P>
    where
        S: Service<R>,
        S: Clone,
        C: Classify<S::Response, S::Error>,
    {
        #[pin]
        way: Way<Called<S, R, C, P>, HedgedCall<S, R, C, P>>,
    }
}

/// A service whose calls are attempts: what stands below a hedge.
#[derive(Debug)]
struct Attempts<S, C> {
    service: S,
    parts: Arc<Parts<C>>,
    deadline: Option<Instant>,
}

/// Calls a service.
struct Calls<S, R, P> {
    service: S,
    /// What is sent the next time.
    next: Option<R>,
    /// Where there may be a next time.
    replay: Option<P>,
}

static ROOT: Context = Context::root();

impl<C, P> Layer<C, P> {
    pub(super) fn new(stack: Stack<C>, replay: P) -> Self {
        Self { stack, replay }
    }
}

impl<S, C, P: Clone> tower_layer::Layer<S> for Layer<C, P> {
    type Service = Stacked<S, C, P>;

    fn layer(&self, service: S) -> Self::Service {
        Stacked { service, stack: self.stack.clone(), replay: self.replay.clone() }
    }
}

impl<S, C, P, R> Service<R> for Stacked<S, C, P>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
    P: Replay<R> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = StackedFuture<S, R, C, P>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        // The clone stays here and is made ready by the next caller; the ready one goes with the call.
        let clone = self.service.clone();
        let service = mem::replace(&mut self.service, clone);
        let deadline = self.replay.deadline(&request);
        let is_idempotent = self.replay.is_idempotent(&request);
        let (parts, replay) = (self.stack.parts.clone(), self.replay.clone());
        let Some(hedge) = &self.stack.parts.hedge else {
            let replay = parts.retry.is_some().then_some(replay);
            let calls = Calls { service, next: Some(request), replay };
            let began = Some(Instant::now());
            let terms = Terms { began, deadline, is_idempotent, number: 1 };
            return StackedFuture { way: Way::Alone { run: Run::new(parts, &ROOT, calls, terms) } };
        };
        let deadline = parts.deadline(Instant::now(), deadline);
        let hedge = hedge.classified(ByParts(parts.clone())).layer_with(replay);
        let mut hedged = hedge.layer(Attempts { service, parts, deadline });
        StackedFuture { way: Way::Hedged { race: Box::pin(hedged.call(request)) } }
    }
}

impl<S: Clone, C> Clone for Attempts<S, C> {
    fn clone(&self) -> Self {
        let Self { service, parts, deadline } = self;
        Self { service: service.clone(), parts: parts.clone(), deadline: *deadline }
    }
}

impl<S, C, R> Service<R> for Attempts<S, C>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = Called<S, R, C, Once>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let clone = self.service.clone();
        let service = mem::replace(&mut self.service, clone);
        let calls = Calls { service, next: Some(request), replay: None };
        let began = Some(Instant::now());
        let terms = Terms { began, deadline: self.deadline, ..Terms::default() };
        Run::new(self.parts.clone(), &ROOT, calls, terms)
    }
}

/// What is sent once needs no copy.
#[derive(Debug)]
struct Once;

impl<R> Replay<R> for Once {
    fn copy(&self, _: &R) -> Option<R> {
        None
    }
}

impl<'a, S, R, P> Work<'a> for Calls<S, R, P>
where
    S: Service<R>,
    P: Replay<R>,
{
    type Value = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn begin(&mut self, _: Attempt<'a>) -> S::Future {
        let request = self.next.take().expect("there is one, or there is no retry");
        self.next = self.replay.as_ref().and_then(|replay| replay.copy(&request));
        self.service.call(request)
    }

    fn is_replayable(&self) -> bool {
        self.next.is_some()
    }
}

impl<S, R, C, P> Future for StackedFuture<S, R, C, P>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
    P: Replay<R>,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        self.project().way.poll(cx)
    }
}

impl<S, R, C, P> fmt::Debug for StackedFuture<S, R, C, P>
where
    S: Service<R> + Clone,
    C: Classify<S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackedFuture").finish_non_exhaustive()
    }
}
