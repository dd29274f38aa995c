//! A panic in what a future polls, while the future lives on: under a `catch_unwind`, say.

use std::mem;
use std::pin::Pin;

/// What can let go of all that it holds.
pub(super) trait Ends {
    /// Drops the work, and then what it was let in by.
    fn end(self: Pin<&mut Self>);
}

struct Unwinding<'a, T: Ends>(Pin<&'a mut T>);

/// Polls a future, which ends if that panics: while the panic unwinds, so that permits see it, and nothing stays taken.
#[expect(clippy::inline_always, reason = "a few instructions that each call has")]
#[inline(always)]
pub(super) fn polled<T: Ends, R>(future: Pin<&mut T>, poll: impl FnOnce(Pin<&mut T>) -> R) -> R {
    let mut unwinding = Unwinding(future);
    let polled = poll(unwinding.0.as_mut());
    mem::forget(unwinding);
    polled
}

impl<F> Ends for Option<F> {
    fn end(mut self: Pin<&mut Self>) {
        self.set(None);
    }
}

impl<T: Ends> Drop for Unwinding<'_, T> {
    #[cold]
    fn drop(&mut self) {
        self.0.as_mut().end();
    }
}
