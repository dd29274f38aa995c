//! A pool's queue: no job is left lying while a worker sleeps, and no place is lost with a submitter who goes away.

use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;

use super::{Woken, catches, holds};
use crate::shim::Fault;
use crate::task::pool::{After, Bounds, End, Next, Offer, Priority, Queue, TOP};

fn queue(limit: usize, room: usize) -> Arc<Queue<u8>> {
    Arc::new(Queue::new(Bounds { limit, room }, false))
}

fn follow(after: After) {
    after.wake.wake();
}

fn submit(queue: &Queue<u8>, job: u8) -> bool {
    let (offer, after) = queue.offer(TOP, Priority::Normal, job, false);
    follow(after);
    matches!(offer, Offer::Taken { .. })
}

/// Runs jobs until there is none; whether the worker was told to leave.
fn work(queue: &Queue<u8>, worker: usize, waker: &Waker, done: &mut Vec<u8>) -> bool {
    let mut ended = None;
    loop {
        let (next, after) = queue.turn(worker, ended.take(), false, waker);
        follow(after);
        match next {
            Next::Run(job) => {
                done.push(job);
                ended = Some(End::Done);
            }
            Next::Wait => return false,
            Next::Leave => return true,
        }
    }
}

/// A worker looks while a job comes: it runs it, or is woken for it.
fn a_job_that_comes_wakes_a_worker_that_goes_idle() {
    let queue = queue(1, 4);
    let hired = queue.enlist().unwrap();
    let (woken, waker) = Woken::pair();
    let submitter = thread::spawn({
        let queue = queue.clone();
        move || assert!(submit(&queue, 1) && submit(&queue, 2))
    });
    let mut done = Vec::new();
    work(&queue, hired.worker, &waker, &mut done);
    submitter.join().unwrap();
    if done.len() < 2 {
        assert!(woken.times() > 0, "a job lies there and the worker sleeps");
        work(&queue, hired.worker, &waker, &mut done);
    }
    assert_eq!(done, [1, 2]);
}

/// Two workers sleep, two jobs come at once: whoever is woken sees to it that the other is, or does both.
fn a_burst_leaves_no_job_behind() {
    let queue = queue(2, 4);
    let mut workers = Vec::new();
    for _ in 0..2 {
        let worker = queue.enlist().unwrap().worker;
        let (woken, waker) = Woken::pair();
        work(&queue, worker, &waker, &mut Vec::new());
        workers.push((worker, woken, waker));
    }
    let submitter = thread::spawn({
        let queue = queue.clone();
        move || assert!(submit(&queue, 1))
    });
    assert!(submit(&queue, 2));
    submitter.join().unwrap();
    let mut done = Vec::new();
    let mut seen = [0, 0];
    // Each runs as often as it was woken, and no more.
    while let Some(at) = (0..2).find(|at| workers[*at].1.times() > seen[*at]) {
        let (worker, woken, waker) = &workers[at];
        seen[at] = woken.times();
        work(&queue, *worker, waker, &mut done);
    }
    done.sort_unstable();
    assert_eq!(done, [1, 2]);
}

/// One place, two submitters in line, of whom one goes away as the place becomes free: the other gets it.
fn a_place_is_not_lost_with_a_submitter() {
    let queue = queue(1, 0);
    let worker = queue.enlist().unwrap().worker;
    let waker = futures_util::task::noop_waker();
    assert!(submit(&queue, 1));
    let (Next::Run(1), after) = queue.turn(worker, None, false, &waker) else { panic!("a job") };
    follow(after);
    let (first, after) = queue.line_up(TOP, Priority::Normal, &waker);
    follow(after);
    let (woken, next) = Woken::pair();
    let (second, after) = queue.line_up(TOP, Priority::Normal, &next);
    follow(after);
    let leaver = thread::spawn({
        let queue = queue.clone();
        move || follow(queue.leave_line(TOP, Priority::Normal, first))
    });
    work_on(&queue, worker, &waker);
    leaver.join().unwrap();
    assert_eq!(woken.times(), 1, "the place is lost");
    assert_eq!(queue.poll_place(TOP, Priority::Normal, second, &next), Poll::Ready(true));
    let (offer, after) = queue.redeem(TOP, Priority::Normal, second, 2);
    follow(after);
    assert!(matches!(offer, Offer::Taken { .. }));
}

fn work_on(queue: &Queue<u8>, worker: usize, waker: &Waker) {
    let (next, after) = queue.turn(worker, Some(End::Done), false, waker);
    follow(after);
    assert!(matches!(next, Next::Wait));
}

/// A pool is closed while a job comes and a worker works: what was taken in is done, and the worker leaves.
fn closing_leaves_nothing_taken_in_undone() {
    let queue = queue(1, 4);
    let worker = queue.enlist().unwrap().worker;
    let (woken, waker) = Woken::pair();
    let submitter = thread::spawn({
        let queue = queue.clone();
        move || usize::from(submit(&queue, 1))
    });
    let closer = thread::spawn({
        let queue = queue.clone();
        move || follow(queue.close(TOP))
    });
    let mut done = Vec::new();
    let mut left = work(&queue, worker, &waker, &mut done);
    let taken = submitter.join().unwrap();
    closer.join().unwrap();
    if !left {
        assert!(woken.times() > 0, "the worker sleeps for ever");
        left = work(&queue, worker, &waker, &mut done);
    }
    assert!(left);
    let (orphans, after) = queue.gone(worker);
    follow(after);
    assert_eq!((done.len(), orphans.len()), (taken, 0));
    assert_eq!(queue.stats(TOP).workers, 0);
}

#[test]
fn pool_wakes() {
    holds("pool_wakes", a_job_that_comes_wakes_a_worker_that_goes_idle);
    catches(Fault::PoolLooksBeforeItIdles, a_job_that_comes_wakes_a_worker_that_goes_idle);
}

#[test]
fn pool_burst() {
    holds("pool_burst", a_burst_leaves_no_job_behind);
}

#[test]
fn pool_line() {
    holds("pool_line", a_place_is_not_lost_with_a_submitter);
    catches(Fault::PoolForgetsTheNextInLine, a_place_is_not_lost_with_a_submitter);
}

#[test]
fn pool_close() {
    holds("pool_close", closing_leaves_nothing_taken_in_undone);
    catches(Fault::PoolLooksBeforeItIdles, closing_leaves_nothing_taken_in_undone);
}
