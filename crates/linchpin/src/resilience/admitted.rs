//! A policy that lets a call in at once or not at all, before each call of a tower service.
//!
//! A breaker, a throttle, an adaptive limit and a shedder are such policies, and one layer serves them all: their
//! `layer()`. A policy of one's own becomes one by [`Admit`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::failed::{Failed, FailedKind};
use super::outcome::Classify;
use super::refusal::Refusal;

/// A policy that lets a call in by a permit, and is told how it ended.
pub trait Admit: Clone {
    /// What a call is let in by. Dropped without a word, the call says nothing, or that it failed while a panic unwinds.
    type Permit: fmt::Debug;
    /// What reads the result of a call.
    type Classify: Clone;

    /// Lets a call in that begins now.
    ///
    /// # Errors
    ///
    /// The refusal; nothing is taken then.
    fn admit_one(&self) -> Result<Self::Permit, Refusal>;

    /// What reads the results of its calls.
    fn classifier(&self) -> &Self::Classify;

    /// Records what `result` says, and passes it on.
    ///
    /// # Errors
    ///
    /// That of the result, as `Callee`.
    fn conclude<T, E>(
        classify: &Self::Classify,
        permit: Self::Permit,
        result: Result<T, E>,
    ) -> Result<T, Failed<E>>
    where
        Self::Classify: Classify<T, E>;
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
    {
        #[pin]
        work: Option<F>,
        permit: Option<P::Permit>,
        classify: P::Classify,
        refused: Option<Failed<E>>,
    }
}

impl<P> Layer<P> {
    /// A layer of that policy.
    pub fn new(policy: P) -> Self {
        Self(policy)
    }
}

impl<S, P: Admit> tower_layer::Layer<S> for Layer<P> {
    type Service = Admitted<S, P>;

    fn layer(&self, service: S) -> Self::Service {
        Admitted { service, policy: self.0.clone() }
    }
}

impl<S, P, R> Service<R> for Admitted<S, P>
where
    S: Service<R>,
    P: Admit,
    P::Classify: Classify<S::Response, S::Error>,
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
        match self.policy.admit_one() {
            Ok(permit) => {
                // The permit is there before the service is called, which may panic.
                let permit = Some(permit);
                let work = Some(self.service.call(request));
                AdmittedFuture { work, permit, classify, refused: None }
            }
            Err(refusal) => {
                let refused = Some(refusal.into());
                AdmittedFuture { work: None, permit: None, classify, refused }
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
        let mut this = self.project();
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(Err(refused));
        }
        let work = this.work.as_mut().as_pin_mut().expect("polled after its end");
        let result = ready!(work.poll(cx));
        // Gone by the time somebody knows of it.
        this.work.set(None);
        let permit = this.permit.take().expect("there as long as the work is");
        Poll::Ready(P::conclude(this.classify, permit, result))
    }
}

impl<F, P: Admit, E> fmt::Debug for AdmittedFuture<F, P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmittedFuture").field("permit", &self.permit).finish_non_exhaustive()
    }
}
