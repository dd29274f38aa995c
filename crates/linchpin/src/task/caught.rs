//! A future whose panics are values, those of its own drop too.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// What a panic was raised with.
pub(crate) type Payload = Box<dyn Any + Send>;

/// What a panic becomes.
pub(crate) trait Panic: Sized {
    fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Self>;

    /// One of the work, and another of its drop.
    fn and(self, second: Self) -> Self;
}

pin_project! {
    /// `work`, gone by the time the outcome is there.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Caught<F, P = Payload> {
        #[pin]
        work: Option<F>,
        panic: PhantomData<fn() -> P>,
    }
}

impl<F> Caught<F> {
    /// Whose panic is what it was raised with.
    pub(crate) fn new(work: F) -> Self {
        Self::of(work)
    }
}

impl<F, P: Panic> Caught<F, P> {
    /// Whose panic becomes a `P`.
    pub(crate) fn of(work: F) -> Self {
        Self { work: Some(work), panic: PhantomData }
    }

    /// Drops the work where it stands.
    pub(crate) fn discard(self: Pin<&mut Self>) -> Result<(), P> {
        let mut work = self.project().work;
        P::catch(|| work.set(None))
    }
}

impl<F: Future, P: Panic> Future for Caught<F, P> {
    type Output = Result<F::Output, P>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = P::catch(|| {
            let work = self.as_mut().project().work.as_pin_mut();
            work.expect("work that is not done").poll(cx)
        });
        let outcome = match polled {
            Ok(polled) => Ok(ready!(polled)),
            Err(panic) => Err(panic),
        };
        Poll::Ready(match (outcome, self.discard()) {
            (Ok(output), Ok(())) => Ok(output),
            (Ok(_), Err(panic)) | (Err(panic), Ok(())) => Err(panic),
            (Err(first), Err(second)) => Err(first.and(second)),
        })
    }
}

impl Panic for Payload {
    fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Self> {
        catch_unwind(AssertUnwindSafe(work))
    }

    /// The first, which explains the second.
    fn and(self, second: Self) -> Self {
        if let Err(third) = Self::catch(|| drop(second)) {
            // It may go on for ever. A leak is the lesser evil.
            std::mem::forget(third);
        }
        self
    }
}
