//! Waiting for the end of a context.

use std::fmt;
use std::pin::Pin;
use std::ptr;
use std::task::{Context as Poller, Poll, Waker, ready};

use pin_project_lite::pin_project;
use smallvec::SmallVec;

use super::Context;
use super::cause::{Cause, Ended};
use super::node::Node;
use super::watch::Told;
use crate::shim::{Fault, planted};
use crate::sync::lock::Mark;
use crate::time::Instant;

/// The future of [`Context::cancelled`].
///
/// One timer serves all who wait for the same deadline; it is armed by the first and goes with the last. The timer
/// lives on the runtime of whoever armed it; if that runtime goes away, the others arm another.
#[must_use = "futures do nothing unless polled"]
pub struct Cancelled<'a> {
    context: &'a Context,
    entry: Option<Entry>,
    /// The waker that was left. A level that has not ended holds it still, so nobody else has its address.
    left: Address,
    /// Whether a timer is to notice the deadline.
    timed: bool,
}

/// Where the two halves of a waker are.
type Address = (usize, usize);

pin_project! {
    /// Work until it is done or the context ends. Written by hand, since an async function holds its arguments twice.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Run<'a, F> {
        ended: Cancelled<'a>,
        // When the work will be over, if that is known.
        until: Option<Instant>,
        begun: bool,
        #[pin]
        work: Option<F>,
    }
}

/// A place at every level of a context that can end.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// A key for each level, in their order.
    keys: SmallVec<[u32; 6]>,
    /// Whether one of them ends with a token.
    token: bool,
}

/// The key at a level that has ended: its list is gone and takes nobody any more.
const NOWHERE: u32 = u32::MAX;

// ===== impl Entry =====

impl Entry {
    pub(super) fn new(context: &Context, told: impl Fn() -> Told) -> Self {
        let mut entry = Self::default();
        entry.enter(context, told);
        entry
    }

    /// Enters where it is: a moved entry costs what the entering does.
    fn enter(&mut self, context: &Context, told: impl Fn() -> Told) {
        let Some(node) = &context.0 else { return };
        node.each_watchable(|node| {
            let told = told();
            let key = node.watch_live(|watch| watch.insert(told)).unwrap_or(NOWHERE);
            self.keys.push(key);
            self.token |= node.is_token();
        });
    }

    /// Whether something must be armed for the context to end from outside.
    fn needs_alarm(&self, context: &Context, timed: bool) -> bool {
        self.token || (timed && context.deadline().is_some())
    }

    /// Arms what can end the context from outside; `false` if it must be done again.
    pub(super) fn arm(&self, context: &Context, timed: bool) -> bool {
        let Some(node) = context.0.as_ref().filter(|_| self.needs_alarm(context, timed)) else {
            return true;
        };
        let timer = !timed || node.deadline().is_none() || node.owner_of_deadline().arm();
        node.watchable().filter(|node| node.is_token()).fold(timer, |all, node| node.arm() && all)
    }

    fn replace(&self, context: &Context, waker: &Waker) {
        let levels = context.0.iter().flat_map(Node::watchable);
        for (node, key) in levels.zip(&self.keys) {
            let waker = waker.clone();
            // Dropped here, outside of the lock.
            let _before = node.watch_live(|watch| watch.replace(*key, waker));
        }
    }

    pub(super) fn leave(&self, context: &Context) {
        let Some(node) = &context.0 else { return };
        let mut keys = self.keys.iter();
        node.each_watchable(|node| {
            // One that panicked while it entered has not entered everywhere.
            if let Some(key) = keys.next() {
                // Dropped here, outside of the lock.
                let _left = node.watch_live(|watch| watch.remove(*key));
            }
        });
    }
}

// ===== impl Context, Run =====

impl Context {
    /// Runs `wait`, which will be over at `until`: refuses at once if the deadline is earlier, and so needs no timer
    /// to notice the deadline.
    pub(crate) fn run_until<F: Future>(&self, until: Instant, wait: F) -> Run<'_, F> {
        Run {
            ended: Cancelled::timed(self, false),
            until: Some(until),
            begun: false,
            work: Some(wait),
        }
    }
}

impl Context {
    /// [`run`](Self::run) for who has just looked whether the context has ended: `work` is polled in any case, so an end
    /// came while it ran.
    #[inline]
    pub(crate) fn run_on<F: Future>(&self, work: F) -> Run<'_, F> {
        // Made at once and not changed: it is large, and each copy of it costs.
        Run { ended: Cancelled::new(self), until: None, begun: true, work: Some(work) }
    }
}

impl<'a, F> Run<'a, F> {
    pub(super) fn new(context: &'a Context, work: F) -> Self {
        Self { ended: Cancelled::new(context), until: None, begun: false, work: Some(work) }
    }
}

impl<F: Future> Future for Run<'_, F> {
    type Output = Result<F::Output, Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !*this.begun {
            let context = this.ended.context;
            context.check()?;
            if let (Some(until), Some(deadline)) = (*this.until, context.deadline())
                && deadline < until
            {
                return Poll::Ready(Err(Cause::Deadline.into()));
            }
            *this.begun = true;
        }
        let work = this.work.as_mut().as_pin_mut().expect("polled after its end");
        let mark = Mark::here();
        let outcome = match work.poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                mark.nothing_is_held_since();
                Err(ready!(this.ended.poll_ended(cx)).clone())
            }
        };
        // Gone by the time somebody knows of it.
        this.work.set(None);
        Poll::Ready(outcome)
    }
}

// ===== impl Cancelled =====

impl<'a> Cancelled<'a> {
    #[inline]
    pub(super) fn new(context: &'a Context) -> Self {
        Self::timed(context, true)
    }

    #[inline]
    fn timed(context: &'a Context, timed: bool) -> Self {
        Self { context, entry: None, left: (0, 0), timed }
    }

    /// Waits without taking the cause along.
    #[inline]
    pub(super) fn poll_ended(&mut self, cx: &mut Poller<'_>) -> Poll<&'a Ended> {
        // The root never ends.
        if self.context.0.is_none() { Poll::Pending } else { self.poll_below_the_root(cx) }
    }

    fn poll_below_the_root(&mut self, cx: &mut Poller<'_>) -> Poll<&'a Ended> {
        let context = self.context;
        let looked = || context.noticed().map_or(Poll::Pending, Poll::Ready);
        if planted(Fault::ContextLooksBeforeItEnters) {
            let looked = looked();
            self.enter(cx.waker());
            return looked;
        }
        let timed = self.timed;
        let entry = self.enter(cx.waker());
        // After entering, so that an end in between is either seen here or wakes us. The clock need not be read: the
        // alarm does that.
        let ended = looked();
        if ended.is_ready() || !entry.needs_alarm(context, timed) {
            return ended;
        }
        if !entry.arm(context, timed) {
            cx.waker().wake_by_ref();
        }
        // Arming may have found that the time has come.
        looked()
    }

    #[inline]
    fn enter(&mut self, waker: &Waker) -> &Entry {
        let address = (waker.data().addr(), ptr::from_ref(waker.vtable()).addr());
        let (context, left) = (self.context, std::mem::replace(&mut self.left, address));
        match &mut self.entry {
            Some(entry) => {
                if left != address {
                    entry.replace(context, waker);
                }
                entry
            }
            none => {
                let entry = none.insert(Entry::default());
                entry.enter(context, || Told::Waker(waker.clone()));
                entry
            }
        }
    }
}

impl Future for Cancelled<'_> {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Cause> {
        self.poll_ended(cx).map(|ended| ended.cause().clone())
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
