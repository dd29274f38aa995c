//! When an attempt leaves a queue on this side and is with its callee: told by the queue, heard by who measures attempts.
//!
//! The queue may lie anywhere inside of the work, which is a closure or a service of its own, so there is no argument by
//! which it could tell. It tells the thread, and whoever polls the attempt listens while it does.

use std::cell::Cell;

use crate::time::Instant;

thread_local! {
    /// Of the attempt that is being polled.
    static BEGUN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Whoever is being polled has waited in a queue on this side, and does so no more.
#[cold]
pub(super) fn now() {
    BEGUN.set(Some(Instant::now()));
}

/// Polls an attempt, and hears when it has left a queue meanwhile. Whoever polls around that one hears it, too.
#[inline]
pub(super) fn heard<R>(poll: impl FnOnce() -> R) -> (R, Option<Instant>) {
    // What a poll that panicked left behind is nobody's.
    let before = BEGUN.take();
    let polled = poll();
    let heard = BEGUN.take();
    BEGUN.set(heard.or(before));
    (polled, heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_hears_what_was_told_meanwhile_and_tells_it_on() {
        let tells = || now();
        assert_eq!(heard(|| ()).1, None);
        let ((((), inner), outside), outer) = heard(|| (heard(tells), heard(|| ()).1));
        assert!(inner.is_some() && inner == outer, "{inner:?} {outer:?}");
        assert_eq!(outside, None, "it is not what is polled next");
        now();
        assert_eq!(heard(|| ()).1, None, "nor what was told before");
    }
}
