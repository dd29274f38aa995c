//! A call and its flight, with what is counted of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;

use super::meters::{End, Meters};
use crate::resilience::Failed;
use crate::sync::singleflight::Run;
use crate::time::Instant;

/// A call. Dropped before its end, it is counted as dropped.
pub(super) struct Shared<'a, C, K, V, E, W, M: AsRef<Meters>> {
    run: Run<'a, C, K, V, E, W>,
    meters: M,
    ended: bool,
}

impl<'a, C, K, V, E, W, M: AsRef<Meters>> Shared<'a, C, K, V, E, W, M> {
    pub(super) fn new(run: Run<'a, C, K, V, E, W>, meters: M) -> Self {
        Self { run, meters, ended: false }
    }
}

/// Nothing is pinned in it.
impl<C, K, V, E, W, M: AsRef<Meters>> Unpin for Shared<'_, C, K, V, E, W, M> {}

impl<'a, C, K, V, E, W, M> Future for Shared<'a, C, K, V, E, W, M>
where
    Run<'a, C, K, V, E, W>: Future<Output = Result<V, Failed<E>>>,
    M: AsRef<Meters>,
{
    type Output = Result<V, Failed<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.run).poll(cx));
        self.ended = true;
        self.meters.as_ref().ended(self.run.has_led(), End::of(&result));
        Poll::Ready(result)
    }
}

impl<C, K, V, E, W, M: AsRef<Meters>> Drop for Shared<'_, C, K, V, E, W, M> {
    fn drop(&mut self) {
        if !self.ended {
            self.meters.as_ref().ended(self.run.has_led(), End::Dropped);
        }
    }
}

pin_project! {
    /// The work of a flight, and how long it takes if it has to wait.
    pub(super) struct Measured<F> {
        #[pin]
        work: F,
        from: Option<Instant>,
        meters: Arc<Meters>,
    }
}

impl<F> Measured<F> {
    pub(super) fn new(meters: Arc<Meters>, work: F) -> Self {
        Self { work, from: None, meters }
    }
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = this.work.poll(cx);
        match (&polled, *this.from) {
            (Poll::Ready(_), Some(from)) => this.meters.flew(from.elapsed()),
            (Poll::Pending, None) => *this.from = Some(Instant::now()),
            _ => {}
        }
        polled
    }
}
