//! Futures that must not wait with a lock in hand.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::imp::Mark;

pin_project! {
    struct Checked<F> {
        #[pin]
        work: F,
    }
}

/// `work`, which in a debug build tells if it waits with a lock in hand.
///
/// A guard stays on its thread, so what is spawned cannot hold one across an await: it does not compile. This is for
/// futures that stay on theirs, too, such as those of a `LocalSet` and the one of `main`. Tasks of
/// [`task`](crate::task), [`Context::run`](crate::Context::run) and `linchpin_testing::steps` check on their own.
/// What was taken before the poll is not its affair.
///
/// # Cancel safety
///
/// As safe as `work`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use linchpin::sync::{Mutex, lock};
///
/// let hits = Mutex::new(0);
/// let work = lock::checked(async {
///     *hits.lock() += 1; // the guard goes at the end of the line
///     tokio::task::yield_now().await;
///     *hits.lock()
/// });
/// assert_eq!(work.await, 1);
/// # }
/// ```
pub fn checked<F: Future>(work: F) -> impl Future<Output = F::Output> {
    Checked { work }
}

impl<F: Future> Future for Checked<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mark = Mark::here();
        let polled = self.project().work.poll(cx);
        if polled.is_pending() {
            mark.nothing_is_held_since();
        }
        polled
    }
}
