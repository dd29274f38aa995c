//! The semaphore: no wake-up and no permit is lost, whoever leaves; never more are held than there are; what was written
//! while permits were held is seen by the next to hold them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::semaphore::{Entered, Options, Order, Place, Protocol, Why};
use crate::task::pool::Priority;

/// One that comes for permits and, if it must wait, for its turn.
struct Comer {
    woken: Arc<Woken>,
    waker: Waker,
    place: Option<Place>,
}

impl Comer {
    /// Takes permits at once, or gets in line; whether it has them.
    fn come(semaphore: &Protocol, permits: usize) -> (Self, bool) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut comer = Self { woken, waker, place: None };
        let has = semaphore.try_take(permits)
            || match semaphore.enter(permits, Priority::Normal.level(), comer.waker.clone()) {
                Entered::Granted => true,
                Entered::Waits(place, _) => {
                    comer.place = Some(place);
                    false
                }
                Entered::Refused(why) => panic!("{why:?}"),
            };
        (comer, has)
    }

    /// Comes for its turn when all others are done: it must have been woken.
    fn turn(&self, semaphore: &Protocol) -> Result<(), Why> {
        let place = self.place.expect("it waits");
        assert_eq!(self.woken.times(), 1, "a wake-up was lost");
        let Poll::Ready(turn) = semaphore.look(place, &self.waker) else {
            panic!("woken for nothing")
        };
        turn
    }
}

fn semaphore(permits: usize) -> Arc<Protocol> {
    Arc::new(Protocol::new("semaphore", permits, Options::default()))
}

/// Two permits come back one by one while a waiter for both comes: it has them at once, or is woken.
fn a_waiter_is_woken_for_what_comes_back() {
    let semaphore = semaphore(2);
    assert!(semaphore.try_take(2));
    let givers = [(); 2].map(|()| {
        let semaphore = semaphore.clone();
        thread::spawn(move || semaphore.give(1))
    });
    let (comer, has) = Comer::come(&semaphore, 2);
    for giver in givers {
        giver.join().unwrap();
    }
    if !has {
        assert_eq!(comer.turn(&semaphore), Ok(()));
    }
    assert_eq!((semaphore.available(), semaphore.waiting()), (0, 0));
    semaphore.give(2);
    assert!(semaphore.try_take(2), "the way past the lock is open again");
}

/// The first in line goes away as the permit comes back: the second gets it.
fn a_permit_is_not_lost_with_a_waiter() {
    let semaphore = semaphore(1);
    assert!(semaphore.try_take(1));
    let ((first, _), (second, _)) = (Comer::come(&semaphore, 1), Comer::come(&semaphore, 1));
    let leaver = thread::spawn({
        let semaphore = semaphore.clone();
        move || semaphore.leave(first.place.unwrap(), 1)
    });
    semaphore.give(1);
    leaver.join().unwrap();
    assert_eq!(second.turn(&semaphore), Ok(()));
    assert_eq!((semaphore.available(), semaphore.waiting()), (0, 0));
}

/// The newest goes away as the permit comes back, or has it: the oldest has it only if it was called.
fn the_newest_is_next_and_no_permit_is_lost_with_it() {
    let options = Options::default().order(Order::NewestFirst);
    let semaphore = Arc::new(Protocol::new("semaphore", 1, options));
    assert!(semaphore.try_take(1));
    let ((oldest, _), (newest, _)) = (Comer::come(&semaphore, 1), Comer::come(&semaphore, 1));
    let leaver = thread::spawn({
        let semaphore = semaphore.clone();
        move || {
            let (place, waker) = (newest.place.unwrap(), &newest.waker);
            let has = semaphore.look(place, waker).is_ready();
            if !has {
                semaphore.leave(place, 1);
            }
            has
        }
    });
    semaphore.give(1);
    let newest_has_it = leaver.join().unwrap();
    let place = oldest.place.unwrap();
    if newest_has_it {
        assert_eq!(semaphore.look(place, &oldest.waker), Poll::Pending, "two have one permit");
        semaphore.give(1);
    }
    assert_eq!(oldest.turn(&semaphore), Ok(()));
    assert_eq!((semaphore.available(), semaphore.waiting()), (0, 0));
}

/// Two take the one permit and write while they hold it: each sees what the other wrote before.
fn what_was_written_under_a_permit_is_seen_under_it() {
    let (semaphore, written) = (semaphore(1), Arc::new(AtomicUsize::new(0)));
    let work = |semaphore: &Protocol, written: &AtomicUsize| {
        if !semaphore.try_take(1) {
            return 0;
        }
        // Neither read nor write is ordered by itself.
        written.store(written.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        semaphore.give(1);
        1
    };
    let other = thread::spawn({
        let (semaphore, written) = (semaphore.clone(), written.clone());
        move || work(&semaphore, &written)
    });
    let mine = work(&semaphore, &written);
    let all = mine + other.join().unwrap();
    assert_eq!(written.load(Ordering::Relaxed), all, "two held it at once");
}

/// The same through the line.
fn what_was_written_under_a_permit_is_seen_by_who_waited() {
    let (semaphore, written) = (semaphore(1), Arc::new(AtomicUsize::new(0)));
    assert!(semaphore.try_take(1));
    let (comer, _) = Comer::come(&semaphore, 1);
    let giver = thread::spawn({
        let (semaphore, written) = (semaphore.clone(), written.clone());
        move || {
            written.store(1, Ordering::Relaxed);
            semaphore.give(1);
        }
    });
    if semaphore.look(comer.place.unwrap(), &comer.waker) == Poll::Ready(Ok(())) {
        assert_eq!(written.load(Ordering::Relaxed), 1);
    }
    giver.join().unwrap();
}

/// It shrinks from two to one while both permits are held, one comes back, and somebody tries to take it.
fn a_semaphore_that_shrinks_keeps_what_comes_back() {
    let semaphore = semaphore(2);
    assert!(semaphore.try_take(2));
    let sizer = thread::spawn({
        let semaphore = semaphore.clone();
        move || semaphore.resize(1)
    });
    semaphore.give(1);
    let taken = semaphore.try_take(1);
    sizer.join().unwrap();
    // One is held still, by somebody else.
    assert_eq!(semaphore.available(), 0);
    if taken {
        // It came before the resizing: two are held, and one of them is owed.
        semaphore.give(1);
    }
    assert!(!semaphore.try_take(1), "more are held than there are");
    semaphore.give(1);
    assert_eq!((semaphore.available(), semaphore.limit()), (1, 1));
    assert!(semaphore.try_take(1));
}

/// It is closed while one waits and a permit comes back: the waiter is granted it or refused, and never forgotten.
fn a_close_forgets_nobody() {
    let semaphore = semaphore(1);
    assert!(semaphore.try_take(1));
    let (comer, _) = Comer::come(&semaphore, 1);
    let closer = thread::spawn({
        let semaphore = semaphore.clone();
        move || semaphore.close()
    });
    semaphore.give(1);
    closer.join().unwrap();
    let granted = comer.turn(&semaphore) == Ok(());
    assert_eq!(semaphore.available(), usize::from(!granted));
    assert!(!semaphore.try_take(1), "it is closed");
}

#[test]
fn semaphore_wakes() {
    holds("semaphore_wakes", a_waiter_is_woken_for_what_comes_back);
    catches(Fault::SemaphoreLooksBeforeItWaits, a_waiter_is_woken_for_what_comes_back);
}

#[test]
fn semaphore_line() {
    holds("semaphore_line", a_permit_is_not_lost_with_a_waiter);
    catches(Fault::SemaphoreForgetsWhoLeft, a_permit_is_not_lost_with_a_waiter);
}

#[test]
fn semaphore_newest() {
    holds("semaphore_newest", the_newest_is_next_and_no_permit_is_lost_with_it);
    for fault in [Fault::SemaphoreServesByTheNewestNumber, Fault::SemaphoreForgetsWhoLeft] {
        catches(fault, the_newest_is_next_and_no_permit_is_lost_with_it);
    }
}

#[test]
fn semaphore_orders() {
    holds("semaphore_orders", what_was_written_under_a_permit_is_seen_under_it);
    holds("semaphore_orders_the_line", what_was_written_under_a_permit_is_seen_by_who_waited);
    for orders in [
        what_was_written_under_a_permit_is_seen_under_it as fn(),
        what_was_written_under_a_permit_is_seen_by_who_waited,
    ] {
        catches(Fault::SemaphoreReleasesNothing, orders);
    }
}

#[test]
fn semaphore_size() {
    holds("semaphore_size", a_semaphore_that_shrinks_keeps_what_comes_back);
    catches(Fault::SemaphoreForgetsItsDebt, a_semaphore_that_shrinks_keeps_what_comes_back);
}

#[test]
fn semaphore_close() {
    holds("semaphore_close", a_close_forgets_nobody);
}
