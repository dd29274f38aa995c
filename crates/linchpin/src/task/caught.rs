//! A future whose panics are values, those of its own drop too.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// What a panic was raised with.
pub(super) type Payload = Box<dyn Any + Send>;

pin_project! {
    /// `work`, gone by the time the outcome is there.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Caught<F> {
        #[pin]
        work: Option<F>,
    }
}

impl<F> Caught<F> {
    pub(super) fn new(work: F) -> Self {
        Self { work: Some(work) }
    }

    /// Drops the work where it stands.
    pub(super) fn discard(self: Pin<&mut Self>) -> Result<(), Payload> {
        let mut work = self.project().work;
        catch_unwind(AssertUnwindSafe(|| work.set(None)))
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Payload>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let work = self.as_mut().project().work.as_pin_mut();
            work.expect("work that is not done").poll(cx)
        }));
        let outcome = match polled {
            Ok(polled) => Ok(ready!(polled)),
            Err(payload) => Err(payload),
        };
        // The first panic is the one that explains the second.
        let dropped = self.discard();
        Poll::Ready(outcome.and_then(|output| dropped.map(|()| output)))
    }
}
