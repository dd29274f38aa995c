//! The context tree: an end is never missed, whoever comes first, and what runs at an end runs once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Wake, Waker};

use loom::thread;

use super::{Woken, catches, holds};
use crate::Context;
use crate::shim::Fault;

/// Polls a wait by hand while `end` runs on another thread, and holds that it saw the end or was woken.
///
/// By hand and not with a parked thread: a wake-up that was lost is then a failed assertion, where loom cannot unwind
/// from a deadlock.
fn wait_while(waiting: &Context, end: impl FnOnce() + Send + 'static) {
    let (woken, waker) = Woken::pair();
    let mut cx = Poller::from_waker(&waker);
    let ender = thread::spawn(end);
    let mut wait = pin!(waiting.cancelled());
    let first = wait.as_mut().poll(&mut cx);
    ender.join().unwrap();
    assert!(waiting.is_cancelled());
    if first.is_pending() {
        assert_eq!(woken.times(), 1, "a wake-up was lost, or came twice");
        assert!(wait.as_mut().poll(&mut cx).is_ready(), "woken before the end could be seen");
    }
}

/// One thread waits on a grandchild while another ends its grandparent.
fn an_end_two_levels_up_reaches_a_waiter() {
    let parent = Context::root().child();
    let waiting = parent.child().disarm().child().disarm();
    wait_while(&waiting, move || parent.cancel("over"));
}

/// A waiter on a child of two parents, of which the second ends.
fn either_parent_ends_a_merged_child() {
    let (one, other) = (Context::root().child(), Context::root().child());
    let both = Context::merge([&*one, &*other]).disarm();
    wait_while(&both, move || other.cancel("other"));
}

/// A waiter that is polled in the middle of an end is told of it after it can be seen.
fn who_is_woken_sees_the_end() {
    // Noted and not asserted: a panic of a waker is contained.
    struct Looks(Context, AtomicUsize);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(usize::from(!self.0.is_cancelled()), Ordering::Relaxed);
        }
    }
    let owner = Context::root().child();
    let waiting = Context::clone(&owner);
    let looks = Arc::new(Looks(waiting.clone(), AtomicUsize::new(0)));
    let waker = Waker::from(looks.clone());
    let mut wait = pin!(waiting.cancelled());
    let ender = thread::spawn(move || owner.cancel("over"));
    let _either = wait.as_mut().poll(&mut Poller::from_waker(&waker));
    ender.join().unwrap();
    assert_eq!(looks.1.load(Ordering::Relaxed), 0, "told before the end could be seen");
}

/// A callback is left while another thread ends the context: it runs once.
fn a_callback_runs_once() {
    let runs = Arc::new(AtomicUsize::new(0));
    let owner = Context::root().child();
    let context = Context::clone(&owner);
    let ender = thread::spawn(move || owner.cancel("over"));
    let count = runs.clone();
    let after = context.after(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    ender.join().unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert!(!after.stop());
}

/// A callback is withdrawn while another thread ends the context: it ran, or it was prevented, never both or neither.
fn a_withdrawal_tells_the_truth() {
    let runs = Arc::new(AtomicUsize::new(0));
    let owner = Context::root().child();
    let count = runs.clone();
    let after = owner.after(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let ender = thread::spawn(move || owner.cancel("over"));
    let prevented = after.stop();
    ender.join().unwrap();
    assert_eq!(usize::from(!prevented), runs.load(Ordering::Relaxed));
}

/// Two threads end the same context: both see the same cause.
fn the_first_cause_stays() {
    let owner = Arc::new(Context::root().child());
    let other = owner.clone();
    let ender = thread::spawn(move || {
        other.cancel("one");
        other.cause().unwrap().to_string()
    });
    owner.cancel("two");
    let here = owner.cause().unwrap().to_string();
    assert_eq!(here, ender.join().unwrap());
}

/// A child is dropped while its parent ends: who waits below is told by one of them at least.
fn a_child_goes_while_its_parent_ends() {
    let parent = Context::root().child();
    let child = parent.child();
    let waiting = child.child().disarm();
    let (woken, waker) = Woken::pair();
    let mut cx = Poller::from_waker(&waker);
    let ender = thread::spawn(move || parent.cancel("over"));
    let mut wait = pin!(waiting.cancelled());
    let first = wait.as_mut().poll(&mut cx);
    drop(child);
    assert!(waiting.is_cancelled());
    ender.join().unwrap();
    assert!(first.is_ready() || woken.times() > 0, "nobody told");
    assert!(wait.as_mut().poll(&mut cx).is_ready(), "woken before the end could be seen");
}

/// A waiter leaves while the end comes: nothing is left, and nobody blocks.
fn a_waiter_leaves_while_the_end_comes() {
    let parent = Context::root().child();
    let waiting = parent.child().disarm();
    let waiter = thread::spawn(move || {
        let mut wait = Box::pin(waiting.cancelled());
        let waker = futures_util::task::noop_waker();
        let _either = wait.as_mut().poll(&mut Poller::from_waker(&waker));
        drop(wait);
    });
    parent.cancel("over");
    waiter.join().unwrap();
}

#[test]
fn context_wakes() {
    holds("context_wakes", an_end_two_levels_up_reaches_a_waiter);
    catches(Fault::ContextLooksBeforeItEnters, an_end_two_levels_up_reaches_a_waiter);
    holds("context_told_after", who_is_woken_sees_the_end);
    catches(Fault::ContextTellsBeforeItEnds, who_is_woken_sees_the_end);
}

#[test]
fn context_merge() {
    holds("context_merge", either_parent_ends_a_merged_child);
    catches(Fault::ContextLooksBeforeItEnters, either_parent_ends_a_merged_child);
}

#[test]
fn context_after() {
    holds("context_after", a_callback_runs_once);
    catches(Fault::ContextLooksBeforeItEnters, a_callback_runs_once);
    holds("context_after_stop", a_withdrawal_tells_the_truth);
}

#[test]
fn context_first_cause() {
    holds("context_first_cause", the_first_cause_stays);
}

#[test]
fn context_drop() {
    holds("context_drop", a_child_goes_while_its_parent_ends);
}

#[test]
fn context_leave() {
    holds("context_leave", a_waiter_leaves_while_the_end_comes);
}
