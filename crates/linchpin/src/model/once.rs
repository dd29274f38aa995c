//! The value that is made once: by one at a time; whoever gives up, leaves or is done, nobody waits for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use loom::sync::atomic::AtomicUsize as LoomAtomicUsize;
use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::sync::once::{Found, Turns};

/// One that comes for the turn and, if it must wait, for what it is woken for.
struct Comer {
    woken: Arc<Woken>,
    key: Option<u64>,
}

impl Comer {
    fn come(turns: &Turns) -> (Self, Option<Found>) {
        let mut comer = Self { woken: Arc::default(), key: None };
        let found = comer.poll(turns);
        (comer, found)
    }

    fn poll(&mut self, turns: &Turns) -> Option<Found> {
        match turns.poll(&mut self.key, &Waker::from(self.woken.clone())) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        }
    }

    /// What it finds when all others are done: it must have been woken for it.
    fn found(&mut self, turns: &Turns) -> Found {
        assert!(self.woken.times() > 0, "a wake-up was lost");
        self.poll(turns).expect("woken for nothing")
    }
}

/// Somebody makes an attempt that fails while another comes: that one has the turn, at once or woken.
fn who_comes_while_one_gives_up_has_the_turn() {
    let turns = Arc::new(Turns::new());
    assert_eq!(turns.try_take(), Some(Found::Mine));
    let maker = thread::spawn({
        let turns = turns.clone();
        move || turns.give_up()
    });
    let (mut comer, found) = Comer::come(&turns);
    maker.join().unwrap();
    assert_eq!(found.unwrap_or_else(|| comer.found(&turns)), Found::Mine);
}

/// The same where the attempt succeeds, and what was written before is seen.
fn who_comes_while_one_finishes_finds_the_value() {
    let (turns, value) = (Arc::new(Turns::new()), Arc::new(LoomAtomicUsize::new(0)));
    assert_eq!(turns.try_take(), Some(Found::Mine));
    let maker = thread::spawn({
        let (turns, value) = (turns.clone(), value.clone());
        move || {
            value.store(1, Ordering::Relaxed);
            turns.finish();
        }
    });
    let (mut comer, found) = Comer::come(&turns);
    if found.is_some() {
        assert_eq!((found, value.load(Ordering::Relaxed)), (Some(Found::Over), 1));
    }
    maker.join().unwrap();
    assert_eq!(found.unwrap_or_else(|| comer.found(&turns)), Found::Over);
}

/// The first in line goes away as the turn comes to it: the second has it.
fn the_turn_is_not_lost_with_who_leaves() {
    let turns = Arc::new(Turns::new());
    assert_eq!(turns.try_take(), Some(Found::Mine));
    let ((first, _), (mut second, _)) = (Comer::come(&turns), Comer::come(&turns));
    let leaver = thread::spawn({
        let turns = turns.clone();
        move || turns.leave(first.key.unwrap())
    });
    turns.give_up();
    leaver.join().unwrap();
    assert_eq!(second.found(&turns), Found::Mine);
    // And the third finds it taken.
    assert_eq!(turns.try_take(), None);
}

/// Three come at once, and each gives up: one after the other has the turn, and nobody two.
fn one_at_a_time_has_the_turn() {
    let (turns, inside) = (Arc::new(Turns::new()), Arc::new(LoomAtomicUsize::new(0)));
    let comers = [(); 2].map(|()| {
        let (turns, inside) = (turns.clone(), inside.clone());
        thread::spawn(move || {
            let (comer, found) = Comer::come(&turns);
            if found.is_none() {
                // It comes too late, and is sorry.
                turns.leave(comer.key.unwrap());
                return;
            }
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two have the turn");
            inside.fetch_sub(1, Ordering::Relaxed);
            turns.give_up();
        })
    });
    for comer in comers {
        comer.join().unwrap();
    }
    assert_eq!(turns.try_take(), Some(Found::Mine), "nobody has it any more");
}

#[test]
fn once_wakes() {
    holds("once_wakes", who_comes_while_one_gives_up_has_the_turn);
    catches(Fault::OnceLooksBeforeItWaits, who_comes_while_one_gives_up_has_the_turn);
}

#[test]
fn once_finishes() {
    holds("once_finishes", who_comes_while_one_finishes_finds_the_value);
    catches(Fault::OnceLooksBeforeItWaits, who_comes_while_one_finishes_finds_the_value);
}

#[test]
fn once_line() {
    holds("once_line", the_turn_is_not_lost_with_who_leaves);
    catches(Fault::OnceForgetsWhoLeft, the_turn_is_not_lost_with_who_leaves);
}

#[test]
fn once_excludes() {
    holds("once_excludes", one_at_a_time_has_the_turn);
    catches(Fault::OnceForgetsWhoLeft, one_at_a_time_has_the_turn);
}
