//! A set of futures: one that is woken while the set looks is polled again, or whoever waits for the next is woken.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;

use super::{block_on, catches, holds};
use crate::Context;
use crate::shim::atomic::{AtomicBool, Ordering};
use crate::shim::{Fault, Mutex, lock};
use crate::sync::select::Set;

/// Something that happens once, and who is to be told.
#[derive(Default)]
struct Event {
    happened: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Event {
    fn happen(&self) {
        // Relaxed: that the poll sees it is what the set promises.
        self.happened.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        let waker = lock(&self.waker).clone();
        waker.into_iter().for_each(Waker::wake);
    }

    /// A future of it that leaves its waker the first time only: it relies on being polled for each wake-up.
    async fn wait(self: Arc<Self>) {
        let mut left = false;
        poll_fn(|cx| {
            if !left {
                left = true;
                *lock(&self.waker) = Some(cx.waker().clone());
            }
            if self.happened.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Two futures are woken by two threads while the set is waited for: both come.
fn each_that_is_woken_comes() {
    let events = [(); 2].map(|()| Arc::new(Event::default()));
    let mut set = Set::new();
    for (key, event) in events.iter().enumerate() {
        set.insert(key, Box::pin(event.clone().wait()));
    }
    let threads = events.map(|event| thread::spawn(move || event.happen()));
    let ctx = Context::root();
    let mut came = [(); 2].map(|()| block_on(set.next(&ctx)).unwrap().unwrap().0);
    came.sort_unstable();
    assert_eq!(came, [0, 1]);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// One is woken for nothing first: it is polled again for the wake-up that counts.
fn each_wake_up_is_answered() {
    let event = Arc::new(Event::default());
    let mut set = Set::new();
    set.insert(1, Box::pin(event.clone().wait()));
    let teller = thread::spawn(move || {
        event.wake();
        event.happen();
    });
    assert_eq!(block_on(set.next(&Context::root())).unwrap(), Some((1, ())));
    teller.join().unwrap();
}

/// A waker that outlives its future rings for the next at its place: that is polled once too often, and comes.
fn a_late_waker_harms_nobody() {
    let (gone, event) = (Arc::new(Event::default()), Arc::new(Event::default()));
    let mut set = Set::new();
    set.insert(0, Box::pin(gone.clone().wait()));
    let waker = futures_util::task::noop_waker();
    let ctx = Context::root();
    {
        let mut next = std::pin::pin!(set.next(&ctx));
        assert!(next.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    let late = thread::spawn(move || gone.happen());
    set.remove(&0);
    set.insert(1, Box::pin(event.clone().wait()));
    let teller = thread::spawn(move || event.happen());
    assert_eq!(block_on(set.next(&ctx)).unwrap(), Some((1, ())));
    late.join().unwrap();
    teller.join().unwrap();
}

#[test]
fn set_wakes() {
    holds("set_wakes", each_that_is_woken_comes);
    catches(Fault::SetLooksBeforeItWaits, each_that_is_woken_comes);
}

#[test]
fn set_answers() {
    holds("set_answers", each_wake_up_is_answered);
    catches(Fault::SetPollsBeforeItIsStill, each_wake_up_is_answered);
}

#[test]
fn set_late() {
    holds("set_late", a_late_waker_harms_nobody);
}
