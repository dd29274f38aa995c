//! Waiting for the end of a context.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use smallvec::SmallVec;

use super::Context;
use super::cause::{Cause, Ended};
use super::node::Node;
use super::watch::Told;
use crate::shim::{Fault, planted};
use crate::time::Instant;

/// The future of [`Context::cancelled`].
///
/// One timer serves all who wait for the same deadline; it is armed by the first and goes with the last. The timer
/// lives on the runtime of whoever armed it; if that runtime goes away, the others arm another.
#[must_use = "futures do nothing unless polled"]
pub struct Cancelled<'a> {
    context: &'a Context,
    entry: Option<Entry>,
    /// The waker that was left.
    waker: Option<Waker>,
    /// Whether a timer is to notice the deadline.
    timed: bool,
}

/// A place at every level of a context that can end: a key for each, in the order of the levels.
#[derive(Debug)]
pub(super) struct Entry(SmallVec<[u32; 6]>);

/// The key at a level that has ended: its list is gone and takes nobody any more.
const NOWHERE: u32 = u32::MAX;

// ===== impl Entry =====

impl Entry {
    pub(super) fn new(context: &Context, told: impl Fn() -> Told) -> Self {
        let enter =
            |node: &Arc<Node>| node.watch_live(|watch| watch.insert(told())).unwrap_or(NOWHERE);
        Self(context.0.iter().flat_map(Node::watchable).map(enter).collect())
    }

    /// Arms what can end the context from outside; `false` if it must be done again.
    pub(super) fn arm(context: &Context, timed: bool) -> bool {
        let Some(node) = &context.0 else { return true };
        let timer = !timed || node.deadline().is_none() || node.owner_of_deadline().arm();
        node.watchable().filter(|node| node.is_token()).fold(timer, |all, node| node.arm() && all)
    }

    fn replace(&self, context: &Context, waker: &Waker) {
        let levels = context.0.iter().flat_map(Node::watchable);
        for (node, key) in levels.zip(&self.0) {
            node.watch_live(|watch| watch.replace(*key, Told::Waker(waker.clone())));
        }
    }

    pub(super) fn leave(&self, context: &Context) {
        let levels = context.0.iter().flat_map(Node::watchable);
        for (node, key) in levels.zip(&self.0) {
            // Dropped here, outside of the lock.
            let _left = node.watch_live(|watch| watch.remove(*key));
        }
    }
}

// ===== impl Context =====

impl Context {
    /// Runs `wait`, which will be over at `until`: refuses at once if the deadline is earlier, and so needs no timer
    /// to notice the deadline.
    pub(crate) async fn run_until<F: Future>(
        &self,
        until: Instant,
        wait: F,
    ) -> Result<F::Output, Ended> {
        self.check()?;
        if self.deadline().is_some_and(|deadline| deadline < until) {
            return Err(Cause::Deadline.into());
        }
        let mut wait = pin!(wait);
        let mut ended = pin!(Cancelled { context: self, entry: None, waker: None, timed: false });
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = wait.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            ended.as_mut().poll(cx).map(|cause| Err(cause.into()))
        })
        .await
    }
}

// ===== impl Cancelled =====

impl<'a> Cancelled<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, entry: None, waker: None, timed: true }
    }

    fn enter(&mut self, waker: &Waker) {
        match (&self.entry, &self.waker) {
            (Some(_), Some(left)) if left.will_wake(waker) => return,
            (Some(entry), _) => entry.replace(self.context, waker),
            (None, _) => {
                self.entry = Some(Entry::new(self.context, || Told::Waker(waker.clone())));
            }
        }
        self.waker = Some(waker.clone());
    }
}

impl Future for Cancelled<'_> {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Cause> {
        if self.context.0.is_none() {
            // Nobody can end a root.
            return Poll::Pending;
        }
        if planted(Fault::ContextLooksBeforeItEnters) {
            let cause = self.context.noticed();
            self.enter(cx.waker());
            return cause.map_or(Poll::Pending, Poll::Ready);
        }
        self.enter(cx.waker());
        // After entering, so that an end in between is either seen here or wakes us. The clock need not be read: the
        // alarm does that.
        if let Some(cause) = self.context.noticed() {
            return Poll::Ready(cause);
        }
        if !Entry::arm(self.context, self.timed) {
            cx.waker().wake_by_ref();
        }
        // Arming may have found that the time has come.
        self.context.noticed().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            entry.leave(self.context);
        }
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("context", self.context).finish_non_exhaustive()
    }
}
