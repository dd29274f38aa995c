//! One attempt after another, or several at a time.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;

use crate::resilience::Failed;

pin_project! {
    /// A call, or attempts of one that race.
    #[project = WayOf]
    pub(super) enum Way<A, H> {
        Alone { #[pin] run: A },
        // Seldom, and large.
        Hedged { race: Pin<Box<H>> },
    }
}

impl<T, E, A, H> Future for Way<A, H>
where
    A: Future<Output = Result<T, Failed<E>>>,
    H: Future<Output = Result<T, Failed<Failed<E>>>>,
{
    type Output = Result<T, Failed<E>>;

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        match self.project() {
            WayOf::Alone { run } => run.poll(cx),
            WayOf::Hedged { race } => race.as_mut().poll(cx).map_err(Failed::flatten),
        }
    }
}
