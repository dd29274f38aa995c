//! Event, latch, wait group, barrier, watched value: nobody who waits is forgotten, and nobody is let through early.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::event::{Arrivals, Countdown};
use crate::sync::waiters::{Over, Place, Wait};
use crate::sync::watched::{Newer, Shared};

/// One who waits, and is looked at when all others are done.
struct Waiter<P: Place> {
    wait: Wait<P>,
    woken: Arc<Woken>,
    first: Poll<Over>,
}

impl<P: Place> Waiter<P> {
    fn at(place: P) -> Self {
        let woken = Arc::new(Woken::default());
        let mut wait = Wait::at(place);
        let first = wait.poll_over(&Waker::from(woken.clone()));
        Self { wait, woken, first }
    }

    /// Whether it was let through; it must have been woken then.
    fn is_over(mut self) -> bool {
        if self.first.is_ready() {
            return true;
        }
        let over = self.wait.poll_over(Waker::noop()).is_ready();
        assert_eq!(self.woken.times(), usize::from(over), "woken in vain, or not");
        over
    }
}

/// Two are done while one waits: it is let through, and sees what both did before.
fn a_waiter_is_let_through_by_the_last_and_sees_what_all_did() {
    let countdown = Arc::new(Countdown::new(2));
    let written = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let parts = [0, 1].map(|part| {
        let (countdown, written) = (countdown.clone(), written.clone());
        thread::spawn(move || {
            written[part].store(1, Ordering::Relaxed);
            countdown.down(1)
        })
    });
    let all = || written.iter().map(|word| word.load(Ordering::Relaxed)).sum::<usize>();
    let waiter = Waiter::at(&*countdown);
    if waiter.first.is_ready() {
        assert_eq!(all(), 2, "let through without what was done");
    }
    let last = parts.map(|part| part.join().unwrap());
    assert_eq!(last.iter().filter(|last| **last).count(), 1);
    assert!(waiter.is_over(), "forgotten");
    assert_eq!(countdown.number(), 0);
}

/// Something is done and something else begins, while one waits that came before and one comes: zero for a moment.
fn a_moment_is_enough_for_who_waits_and_not_for_who_comes_after() {
    let countdown = Arc::new(Countdown::new(1));
    let before = Waiter::at(&*countdown);
    let other = thread::spawn({
        let countdown = countdown.clone();
        move || {
            countdown.down(1);
            countdown.up();
        }
    });
    let comes = Waiter::at(&*countdown);
    other.join().unwrap();
    let after = Waiter::at(&*countdown);
    assert!(before.is_over(), "the moment was missed");
    drop(comes);
    assert!(after.first.is_pending() && !after.is_over(), "let through at one");
    assert!(countdown.down(1));
}

/// One who waits leaves as the last is done: the flag is as the list is, and the next wait holds.
fn one_who_leaves_takes_nobodys_flag() {
    let countdown = Arc::new(Countdown::new(1));
    let (leaves, stays) = (Waiter::at(&*countdown), Waiter::at(&*countdown));
    let other = thread::spawn({
        let countdown = countdown.clone();
        move || countdown.down(1)
    });
    drop(leaves);
    assert!(other.join().unwrap());
    assert!(stays.is_over(), "forgotten");
    assert!(countdown.up_from_zero(), "the way past the lock is open again");
}

/// One resets an event, looks at what it tells of, and waits; another changes that and sets the event. It is seen or heard.
fn what_comes_after_the_look_is_heard() {
    let (event, told) = (Arc::new(Countdown::new(0)), Arc::new(AtomicUsize::new(0)));
    let teller = thread::spawn({
        let (event, told) = (event.clone(), told.clone());
        move || {
            told.store(1, Ordering::Relaxed);
            event.down(1);
        }
    });
    event.up_from_zero();
    let seen = told.load(Ordering::Relaxed) == 1;
    let waiter = Waiter::at(&*event);
    teller.join().unwrap();
    assert!(seen || waiter.is_over(), "missed");
}

/// Two come to a barrier for two, and one of them may leave: none is forgotten, and no two lead.
fn all_pass_or_wait() {
    let arrivals = Arc::new(Arrivals::new(2));
    let other = thread::spawn({
        let arrivals = arrivals.clone();
        move || {
            let waiter = Waiter::at(&*arrivals);
            // Its arrival counts if it was called, whether or not it has looked.
            waiter.first.is_ready()
        }
    });
    let waiter = Waiter::at(&*arrivals);
    let mine = waiter.first.is_ready();
    let others = other.join().unwrap();
    assert!(!(mine && others), "two lead");
    assert_eq!(waiter.is_over(), mine || others, "one passed alone");
}

/// One leaves a barrier for three while the last comes: all have passed, or it is not counted and the last waits.
fn who_leaves_is_not_counted() {
    let arrivals = Arc::new(Arrivals::new(3));
    let stays = Waiter::at(&*arrivals);
    let ticket = (&*arrivals).enter(Waker::noop().clone()).expect("it is not the last");
    let other = thread::spawn({
        let arrivals = arrivals.clone();
        move || Waiter::at(&*arrivals).first.is_ready()
    });
    let took_back = (&*arrivals).leave(ticket).is_some();
    let passed = other.join().unwrap();
    assert_eq!(took_back, !passed, "the last passed with one who left");
    assert_eq!(stays.is_over(), passed, "one passed without the other");
}

/// A value is replaced while a viewer comes to wait for one.
fn a_viewer_is_told_of_what_it_has_not_seen() {
    let shared = Arc::new(Shared::new(0));
    let setter = thread::spawn({
        let shared = shared.clone();
        move || drop(shared.replace(|_| Some(Arc::new(1))))
    });
    let waiter = Waiter::at(Newer { shared: &shared, seen: 0 });
    setter.join().unwrap();
    assert!(waiter.is_over(), "a change was missed");
}

#[test]
fn event_wakes() {
    holds("event_wakes", a_waiter_is_let_through_by_the_last_and_sees_what_all_did);
    catches(
        Fault::CountdownLooksBeforeItWaits,
        a_waiter_is_let_through_by_the_last_and_sees_what_all_did,
    );
}

#[test]
fn event_pulses() {
    holds("event_pulses", a_moment_is_enough_for_who_waits_and_not_for_who_comes_after);
    holds("event_leaves", one_who_leaves_takes_nobodys_flag);
}

#[test]
fn event_resets() {
    holds("event_resets", what_comes_after_the_look_is_heard);
    catches(Fault::CountdownForgetsWhatWasDone, what_comes_after_the_look_is_heard);
}

#[test]
fn event_barrier() {
    holds("event_barrier", all_pass_or_wait);
    holds("event_barrier_leaves", who_leaves_is_not_counted);
    catches(Fault::BarrierCallsLater, who_leaves_is_not_counted);
}

#[test]
fn event_watched() {
    holds("event_watched", a_viewer_is_told_of_what_it_has_not_seen);
    catches(Fault::WatchedLooksBeforeItWaits, a_viewer_is_told_of_what_it_has_not_seen);
}
