//! Object pools: what is kept is had by one, with all that was written to it, and no more is kept than may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as StdAtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use loom::thread;

use super::{catches, holds};
use crate::shim::Fault;
use crate::sync::object_pool::{Budget, Keeper, Stock};
use crate::sync::seat::{Hall, Mine};

/// What is pooled. Loom sees who comes to it, which is all that its cell is for.
struct Object {
    visited: UnsafeCell<()>,
    contents: usize,
}

struct Pool {
    hall: Hall,
    stock: Stock<Object>,
    budget: Budget,
    discarded: StdAtomicUsize,
}

const KIND: usize = 0;

impl Keeper<Object> for Pool {
    fn budget(&self) -> &Budget {
        &self.budget
    }

    fn weigh(&self, _: &Object) -> Option<usize> {
        Some(1)
    }

    fn discard(&self, object: Box<Object>) {
        object.visited.with_mut(|_| ());
        self.discarded.fetch_add(object.contents, Ordering::Relaxed);
    }
}

impl Pool {
    fn new(per_thread: usize, most: usize) -> Arc<Self> {
        Arc::new(Self {
            hall: Hall::new(),
            stock: Stock::new(4, &[per_thread]),
            budget: Budget::new(most, usize::MAX),
            discarded: StdAtomicUsize::new(0),
        })
    }

    /// A thread comes and sits down; when it ends it gets up.
    fn sit<R>(&self, work: impl FnOnce(Mine) -> R) -> R {
        let seat = self.hall.take().expect("a hall of this size is never full");
        let result = work(Mine::of_model(seat));
        self.hall.give(seat);
        result
    }

    fn give(&self, mine: Mine, contents: usize) {
        let object = Object { visited: UnsafeCell::new(()), contents };
        object.visited.with_mut(|_| ());
        self.stock.give(mine, KIND, Box::new(object), self);
    }

    /// Takes one and writes to it.
    fn take(&self, mine: Mine) -> usize {
        let object = self.stock.take(mine, KIND, self);
        object.map_or(0, |object| {
            object.visited.with_mut(|_| ());
            object.contents
        })
    }

    /// What is kept, and what was not.
    fn rest(self: Arc<Self>) -> usize {
        let Ok(pool) = Arc::try_unwrap(self) else { panic!("somebody has it still") };
        let kept: usize = pool.stock.into_all().map(|object| object.contents).sum();
        kept + pool.discarded.into_inner()
    }
}

/// Two threads come and go, the second perhaps to the seat of the first. Each object is had by one, whole.
fn a_seat_is_one_threads() {
    let pool = Pool::new(2, 8);
    let work = |pool: &Pool, contents| {
        pool.sit(|mine| {
            pool.give(mine, contents);
            pool.take(mine)
        })
    };
    let other = thread::spawn({
        let pool = pool.clone();
        move || work(&pool, 10)
    });
    let mine = work(&pool, 1);
    let other = other.join().unwrap();
    assert!(mine > 0 && other > 0, "each kept one for itself");
    assert_eq!(mine + other + pool.rest(), 11);
}

/// A thread gives more than it keeps, another takes what is for all.
fn what_is_too_much_goes_to_all() {
    let pool = Pool::new(2, 8);
    let other = thread::spawn({
        let pool = pool.clone();
        move || pool.sit(|mine| pool.take(mine) + pool.take(mine))
    });
    let mine = pool.sit(|mine| {
        [1, 10, 100].into_iter().for_each(|contents| pool.give(mine, contents));
        pool.take(mine)
    });
    assert!(mine > 0, "something is left for its own thread");
    let all = mine + other.join().unwrap() + pool.rest();
    assert_eq!(all, 111, "something was lost or had twice");
}

/// Two give at once, where one may be kept for all.
fn no_more_is_kept_than_may_be() {
    let pool = Pool::new(0, 1);
    let other = thread::spawn({
        let pool = pool.clone();
        move || pool.sit(|mine| pool.give(mine, 1))
    });
    pool.sit(|mine| pool.give(mine, 10));
    other.join().unwrap();
    assert_eq!(pool.budget.objects(), 1);
    assert!([1, 10].contains(&pool.discarded.load(Ordering::Relaxed)));
    assert!(pool.sit(|mine| pool.take(mine)) > 0);
    assert_eq!(pool.budget.objects(), 0);
}

/// All is cleared while another thread gives and takes: nothing is lost, and what lay there before does not come again.
fn a_clear_is_heard_of() {
    let pool = Pool::new(2, 8);
    let other = thread::spawn({
        let pool = pool.clone();
        move || {
            pool.sit(|mine| {
                pool.give(mine, 1);
                pool.take(mine)
            })
        }
    });
    let mine = pool.sit(|mine| {
        pool.give(mine, 10);
        pool.stock.clear(mine, &*pool);
        pool.take(mine)
    });
    assert_ne!(mine, 10, "it was cleared");
    let taken = other.join().unwrap();
    // Whoever comes to the seat of the other drops what was kept there.
    assert_eq!(mine + taken + pool.rest(), 11);
}

/// A thread carries what it kept to the shelf while all is cleared: nobody gets it.
fn what_is_on_its_way_is_cleared() {
    let pool = Pool::new(2, 8);
    let seats = [(); 2].map(|()| pool.hall.take().expect("a hall of this size is never full"));
    [1, 1].into_iter().for_each(|contents| pool.give(Mine::of_model(seats[0]), contents));
    let other = thread::spawn({
        let pool = pool.clone();
        move || pool.give(Mine::of_model(seats[0]), 10)
    });
    let mine = Mine::of_model(seats[1]);
    pool.stock.clear(mine, &*pool);
    other.join().unwrap();
    let had: usize = std::iter::repeat_with(|| pool.take(mine)).take_while(|had| *had > 0).sum();
    assert!([0, 10].contains(&had), "{had} of what was cleared");
    assert_eq!(had + pool.rest(), 12);
}

#[test]
fn object_pool_seat() {
    holds("object_pool_seat", a_seat_is_one_threads);
    catches(Fault::SeatIsGivenTwice, a_seat_is_one_threads);
}

#[test]
fn object_pool_shelf() {
    holds("object_pool_shelf", what_is_too_much_goes_to_all);
    catches(Fault::PoolPutsTheShelfBackLater, what_is_too_much_goes_to_all);
}

#[test]
fn object_pool_budget() {
    holds("object_pool_budget", no_more_is_kept_than_may_be);
    catches(Fault::PoolLooksBeforeItKeeps, no_more_is_kept_than_may_be);
}

#[test]
fn object_pool_clear() {
    holds("object_pool_clear", a_clear_is_heard_of);
}

#[test]
fn object_pool_way() {
    holds("object_pool_way", what_is_on_its_way_is_cleared);
    catches(Fault::PoolClearsBeforeItSays, what_is_on_its_way_is_cleared);
}
