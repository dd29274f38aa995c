//! What a stack calls: a closure, or a service.

use std::task::{Context as Poller, Poll};

use crate::resilience::retry::Attempt;

/// Begins attempts.
pub(super) trait Work<'a> {
    type Value;
    type Error;
    type Future: Future<Output = Result<Self::Value, Self::Error>>;

    /// Gets ready for an attempt after the first.
    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Self::Error>>;

    fn begin(&mut self, attempt: Attempt<'a>) -> Self::Future;

    /// Whether it could begin once more.
    fn is_replayable(&self) -> bool;
}

/// A closure that is called for each attempt.
#[derive(Debug)]
pub(super) struct Closure<F>(pub(super) F);

impl<'a, F, Fut, T, E> Work<'a> for Closure<F>
where
    F: FnMut(Attempt<'a>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Value = T;
    type Error = E;
    type Future = Fut;

    #[inline]
    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn begin(&mut self, attempt: Attempt<'a>) -> Fut {
        (self.0)(attempt)
    }

    #[inline]
    fn is_replayable(&self) -> bool {
        true
    }
}
