//! What the tests of Go's `sync.Pool` say, one by one. The guide's chapter P1 has the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use linchpin::sync::object_pool::{ObjectPool, Options};

use super::{numbers, shared};

/// `TestPool`: what was put is got, and then there is none.
#[test]
fn what_was_given_is_taken_once() {
    let pool = shared(10);
    pool.give(100);
    pool.give(200);
    let taken = [pool.take(), pool.take()];
    let mut values = taken.each_ref().map(|number| **number);
    values.sort_unstable();
    assert_eq!(values, [100, 200]);
    assert_eq!(*pool.take(), 0, "none lies ready, so one is made");
}

/// `TestPoolNew`: `New` is called when there is none, and not otherwise.
#[test]
fn one_is_made_only_when_none_lies_ready() {
    let pool = numbers(Options::default());
    assert_eq!(pool.take().detach(), 0);
    assert_eq!(pool.take().detach(), 1);
    pool.give(42);
    assert_eq!(pool.take().detach(), 42);
    assert_eq!(pool.take().detach(), 2);
}

struct Finalized(Arc<AtomicUsize>);

impl Drop for Finalized {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn finalized(max_kept: usize) -> (ObjectPool<Finalized>, Arc<AtomicUsize>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let counted = gone.clone();
    let options = Options::default().per_thread(0).max_kept(max_kept);
    (ObjectPool::new(move || Finalized(counted.clone()), options).unwrap(), gone)
}

/// `TestPoolGC`: the pool does not hold what was taken out of it.
#[test]
fn what_was_taken_out_is_not_held_by_the_pool() {
    let (pool, gone) = finalized(100);
    drop([(); 100].map(|()| pool.take()));
    let taken = [(); 100].map(|()| pool.take().detach());
    assert_eq!(gone.load(Ordering::Relaxed), 0);
    drop(taken);
    assert_eq!((gone.load(Ordering::Relaxed), pool.stats().kept), (100, 0));
}

/// `TestPoolRelease`: what is pooled does not live for ever.
#[test]
fn what_is_cleared_is_gone_to_the_last() {
    let (pool, gone) = finalized(100);
    drop([(); 100].map(|()| pool.take()));
    assert_eq!(gone.load(Ordering::Relaxed), 0);
    pool.clear();
    assert_eq!(gone.load(Ordering::Relaxed), 100);
}

/// `TestPool`, its end: nor is more kept than may be.
#[test]
fn what_there_is_no_room_for_is_gone_at_once() {
    let (pool, gone) = finalized(10);
    drop([(); 100].map(|()| pool.take()));
    assert_eq!(gone.load(Ordering::Relaxed), 90);
    drop(pool);
    assert_eq!(gone.load(Ordering::Relaxed), 100);
}

/// `TestPoolStress`: many at once, and nobody gets what somebody has.
#[test]
fn many_threads_that_hammer_it_never_share_an_object() {
    const THREADS: u64 = 10;
    const ROUNDS: u64 = if cfg!(miri) { 10 } else { 20_000 };
    let pool = ObjectPool::new(|| 0_u64, Options::default().max_kept(16)).unwrap();
    thread::scope(|scope| {
        for mark in 1..=THREADS {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut held: Vec<_> = (0..=round % 7).map(|_| pool.take()).collect();
                    for object in &mut held {
                        **object = mark;
                    }
                    if round % 1_000 == 0 {
                        pool.clear();
                    }
                    assert!(held.iter().all(|object| **object == mark));
                }
            });
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.out, stats.made), (0, stats.kept + stats.discarded));
}

/// `TestPoolDequeue`, `TestPoolChain`: one side only gives, the other only takes, and nothing is had twice or lost.
#[test]
fn what_some_give_and_others_take_is_had_once() {
    const EACH: u64 = if cfg!(miri) { 50 } else { 20_000 };
    let pool = ObjectPool::new(|| u64::MAX, Options::default().max_kept(usize::MAX)).unwrap();
    let had: Vec<AtomicUsize> = (0..2 * EACH).map(|_| AtomicUsize::new(0)).collect();
    let note = |number: u64| {
        if number != u64::MAX {
            had[number as usize].fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let givers = [0, 1].map(|giver| {
            let pool = &pool;
            scope.spawn(move || (0..EACH).for_each(|n| pool.give(giver * EACH + n)))
        });
        for _ in 0..2 {
            scope.spawn(|| (0..EACH).for_each(|_| note(pool.take().detach())));
        }
        for giver in givers {
            giver.join().unwrap();
        }
    });
    // What is left lies on the shelf, or with seats of threads that are gone: a clear finds it, but drops it.
    let left = pool.stats().kept;
    let taken = had.iter().filter(|count| count.load(Ordering::Relaxed) == 1).count() as u64;
    assert!(had.iter().all(|count| count.load(Ordering::Relaxed) <= 1), "something was had twice");
    assert_eq!(taken + left, 2 * EACH, "something was lost");
}
