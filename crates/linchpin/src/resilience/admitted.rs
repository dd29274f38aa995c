//! A policy that lets a call in at once or not at all, before each call of a tower service.
//!
//! A breaker, a throttle, an adaptive limit and a shedder are such policies, and one layer serves them all: their
//! `layer()`. A policy of one's own becomes one by [`Admit`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::failed::{Failed, FailedKind};
use super::outcome::Classify;
use super::refusal::Refusal;
use super::within::Within;
use crate::context::{Context, Ended};

/// A policy that lets a call in by a permit, and is told how it ended.
pub trait Admit {
    /// What a call is let in by. Dropped without a word, the call says nothing, or that it failed while a panic unwinds.
    type Permit<'a>: fmt::Debug
    where
        Self: 'a;
    /// What reads the result of a call.
    type Classify;

    /// Lets a call in if that takes one look, as it does for nearly all. `None` says nothing: [`let_in`](Self::let_in) has
    /// the word then. Apart from that, so that a permit need not be told from a refusal.
    #[inline]
    fn pass(&self) -> Option<Self::Permit<'_>> {
        None
    }

    /// The same with a permit that owns a handle.
    #[inline]
    fn pass_owned(&self) -> Option<Self::Permit<'static>>
    where
        Self: 'static,
    {
        None
    }

    /// Lets a call in that begins now, under a context.
    ///
    /// # Errors
    ///
    /// The refusal; nothing is taken then.
    fn let_in(&self, ctx: &Context) -> Result<Self::Permit<'_>, Refusal>;

    /// The same with a permit that owns a handle.
    ///
    /// # Errors
    ///
    /// As [`let_in`](Self::let_in).
    fn let_in_owned(&self, ctx: &Context) -> Result<Self::Permit<'static>, Refusal>
    where
        Self: 'static;

    /// What reads the results of its calls.
    fn classifier(&self) -> &Self::Classify;

    /// Records what a result says. The permit is dropped next.
    fn says<T, E>(classify: &Self::Classify, permit: &mut Self::Permit<'_>, result: Result<&T, &E>)
    where
        Self::Classify: Classify<T, E>;

    /// Records that the context has ended before the call had. The permit is dropped next.
    fn cut(permit: &mut Self::Permit<'_>, ended: &Ended);
}

/// Puts a policy before each call of a service.
#[derive(Clone, Debug)]
pub struct Layer<P>(P);

/// A service with a policy before each call. Its error is [`Failed`] with the service's own inside.
///
/// It is ready when the service is, and the policy refuses in `call`: a readiness that fails would end a `tower::buffer`
/// for good. Nothing is taken before `call`, so a service that was ready and is dropped leaves nothing behind. A service
/// that fails to get ready says so as `Callee`, and nothing is counted: nobody was asked.
///
/// The call counts, and has its place, until its future has the response, or the head of one with a body. Dropping the
/// future before is an ignored call. There is no context here, so a policy that asks for one takes the root.
#[derive(Clone, Debug)]
pub struct Admitted<S, P> {
    service: S,
    policy: P,
}

pin_project! {
    /// The future of [`Admitted`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AdmittedFuture<F, P, E>
    where
        P: Admit,
        P: 'static,
    {
        #[pin]
        within: Within<F, P::Permit<'static>>,
        classify: P::Classify,
        refused: Option<Failed<E>>,
    }
}

static ROOT: Context = Context::root();

impl<P> Layer<P> {
    /// A layer of that policy.
    pub fn new(policy: P) -> Self {
        Self(policy)
    }
}

impl<S, P: Clone> tower_layer::Layer<S> for Layer<P> {
    type Service = Admitted<S, P>;

    fn layer(&self, service: S) -> Self::Service {
        Admitted { service, policy: self.0.clone() }
    }
}

impl<S, P, R> Service<R> for Admitted<S, P>
where
    S: Service<R>,
    P: Admit + 'static,
    P::Classify: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Failed<S::Error>;
    type Future = AdmittedFuture<S::Future, P, S::Error>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| FailedKind::Callee(error).into())
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.policy.classifier().clone();
        // The permit is there before the service is called, which may panic.
        if let Some(permit) = self.policy.pass_owned() {
            let within = Within::new(permit, self.service.call(request));
            return AdmittedFuture { within, classify, refused: None };
        }
        match self.policy.let_in_owned(&ROOT) {
            Ok(permit) => {
                let within = Within::new(permit, self.service.call(request));
                AdmittedFuture { within, classify, refused: None }
            }
            Err(refusal) => {
                let refused = Some(refusal.into());
                AdmittedFuture { within: Within::nothing(), classify, refused }
            }
        }
    }
}

impl<F, P, T, E> Future for AdmittedFuture<F, P, E>
where
    F: Future<Output = Result<T, E>>,
    P: Admit,
    P::Classify: Classify<T, E>,
{
    type Output = Result<T, Failed<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(Err(refused));
        }
        let classify = this.classify;
        let polled =
            this.within.poll(cx, |permit, result| P::says(classify, permit, result.as_ref()));
        polled.map_err(|error| FailedKind::Callee(error).into())
    }
}

impl<F, P: Admit, E> fmt::Debug for AdmittedFuture<F, P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmittedFuture")
            .field("permit", &self.within.permit())
            .finish_non_exhaustive()
    }
}
