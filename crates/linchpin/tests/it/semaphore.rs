//! Semaphore: who gets permits, who waits and for how long, what comes back.

mod line;
mod parity;
mod random;
mod size;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::{Cause, Ended};
use linchpin::resilience::{Failed, FailedKind, Refusal};
use linchpin::sync::semaphore::{Options, Permit, Semaphore};
use linchpin::task::pool::Priority;
use linchpin::time::Instant;
use linchpin_testing::steps::{self, Poller, poll_by_hand};

use crate::bell::Bell;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn semaphore(permits: usize) -> Semaphore {
    Semaphore::new(permits, Options::default().name("test")).unwrap()
}

/// Waits under a root, polled once.
pub(crate) fn waiter(
    semaphore: &Semaphore,
    permits: usize,
) -> Poller<impl Future<Output = Result<Permit, Failed>> + use<>> {
    let semaphore = semaphore.clone();
    let mut waiter =
        poll_by_hand(async move { semaphore.acquire_owned(&Context::root(), permits).await });
    assert!(waiter.poll().is_pending(), "there is something to wait for");
    waiter
}

/// What a waiter got that was woken for it.
#[track_caller]
pub(crate) fn granted<F>(waiter: &mut Poller<F>) -> Permit
where
    F: Future<Output = Result<Permit, Failed>>,
{
    assert!(waiter.wakes() > 0, "it was not woken");
    let Poll::Ready(Ok(permit)) = waiter.poll() else { panic!("it was not granted") };
    permit
}

pub(crate) fn refused<T>(result: Result<T, Failed>) -> Refusal {
    match result.map(drop).unwrap_err().into_kind() {
        FailedKind::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn ended<T>(result: Result<T, Failed>) -> Ended {
    match result.map(drop).unwrap_err().into_kind() {
        FailedKind::Ended(ended) => ended,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn permits_are_taken_by_weight_and_come_back_when_dropped() {
    let (ctx, semaphore) = (Context::root(), semaphore(8));
    let three = semaphore.acquire(&ctx, 3).await.unwrap();
    let five = semaphore.acquire_owned(&ctx, 5).await.unwrap();
    assert_eq!((three.permits(), five.permits()), (3, 5));
    assert_eq!((semaphore.available(), semaphore.limit(), semaphore.waiting()), (0, 8, 0));
    let refusal = semaphore.try_acquire(1).unwrap_err();
    assert_eq!(refusal.to_string(), "semaphore `test` refused: full (8 of 8)");
    drop(three);
    assert_eq!(semaphore.available(), 3);
    drop(five);
    assert_eq!(semaphore.available(), 8);
    assert!(semaphore.try_acquire_owned(8).is_ok());
}

#[test]
fn bad_sizes_are_refused_with_the_reason() {
    let why = |permits| Semaphore::new(permits, Options::default()).unwrap_err().to_string();
    assert_eq!(
        why(0),
        "bad options for Semaphore: `semaphore` has no permit at all; say at least 1"
    );
    assert!(why(Semaphore::MAX_PERMITS + 1).contains("the most is"));
    let largest = semaphore(Semaphore::MAX_PERMITS);
    drop(largest.try_acquire(Semaphore::MAX_PERMITS).unwrap());
    assert_eq!(largest.available(), Semaphore::MAX_PERMITS);
    assert!(largest.resize(0).is_err());
    assert_eq!(largest.limit(), Semaphore::MAX_PERMITS);
}

#[test]
fn none_at_all_are_there_whoever_waits_until_it_is_closed() {
    let semaphore = semaphore(1);
    let _held = semaphore.try_acquire(1).unwrap();
    let _waiter = waiter(&semaphore, 1);
    assert_eq!(semaphore.try_acquire(0).unwrap().permits(), 0);
    assert!(semaphore.acquire(&Context::root(), 0).now_or_never().unwrap().is_ok());
    semaphore.close();
    assert!(semaphore.try_acquire(0).is_err());
}

#[test]
fn a_context_that_has_ended_is_refused_though_permits_are_free() {
    let (ctx, semaphore) = (Context::root().child(), semaphore(1));
    ctx.cancel("over");
    let result = semaphore.acquire(&ctx, 1).now_or_never().unwrap();
    assert_eq!(ended(result).to_string(), "ended: over");
    assert_eq!(semaphore.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_waiting_leaves_the_line_and_loses_nothing() {
    let semaphore = semaphore(2);
    let held = semaphore.try_acquire(1).unwrap();
    let (began, ctx) = (Instant::now(), Context::root().with_timeout(SECOND));
    let result = semaphore.acquire(&ctx, 2).await;
    assert!(matches!(ended(result).cause(), Cause::Deadline));
    assert!((SECOND..2 * SECOND).contains(&began.elapsed()));
    assert_eq!((semaphore.waiting(), semaphore.available()), (0, 1));
    drop(held);
    assert!(semaphore.try_acquire(2).is_ok());
}

#[test]
fn an_end_that_comes_with_the_permits_wins_and_the_next_gets_them() {
    let (ctx, semaphore) = (Context::root().child(), semaphore(1));
    let held = semaphore.try_acquire(1).unwrap();
    let mut first = poll_by_hand(semaphore.acquire(&ctx, 1));
    assert!(first.poll().is_pending());
    let mut second = waiter(&semaphore, 1);
    drop(held);
    ctx.cancel("over");
    let Poll::Ready(result) = first.poll() else { panic!("both happened") };
    assert_eq!(ended(result).to_string(), "ended: over");
    drop(granted(&mut second));
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_close_refuses_who_waits_and_who_comes_and_takes_what_comes_back() {
    let semaphore = semaphore(2);
    let held = semaphore.try_acquire_owned(2).unwrap();
    let (mut granted_before, mut waiting) = (waiter(&semaphore, 1), waiter(&semaphore, 2));
    let mut held = held;
    drop(held.split(1));
    semaphore.close();
    assert!(semaphore.is_closed());
    drop(granted(&mut granted_before));
    let Poll::Ready(result) = waiting.poll() else { panic!("it is refused") };
    assert_eq!(refused(result).to_string(), "semaphore `test` refused: closed (1 of 2)");
    let late = semaphore.acquire(&Context::root(), 1).now_or_never().unwrap();
    assert_eq!(refused(late).reason, "closed");
    assert_eq!(semaphore.try_acquire(1).unwrap_err().reason, "closed");
    drop(held);
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
}

#[test]
fn split_permits_come_back_apart_and_merged_ones_together() {
    let semaphore = semaphore(10);
    let mut held = semaphore.try_acquire(6).unwrap();
    assert!(held.split(7).is_none());
    let mut part = held.split(4).unwrap();
    assert_eq!((held.permits(), part.permits()), (2, 4));
    drop(held);
    assert_eq!(semaphore.available(), 6);
    part.merge(semaphore.try_acquire(3).unwrap());
    assert_eq!((part.permits(), semaphore.available()), (7, 3));
    let none = part.split(0).unwrap();
    drop(part);
    assert_eq!((none.permits(), semaphore.available()), (0, 10));
}

#[test]
fn permits_of_two_semaphores_do_not_merge_and_nothing_is_lost() {
    let (one, other) = (semaphore(2), semaphore(2));
    let merged = std::panic::catch_unwind(|| {
        one.try_acquire(1).unwrap().merge(other.try_acquire(2).unwrap());
    });
    assert!(merged.is_err());
    assert_eq!((one.available(), other.available()), (2, 2));
}

#[test]
fn the_numbers_are_shown() {
    let semaphore = semaphore(3);
    let held = semaphore.try_acquire(2).unwrap();
    let _waiter = waiter(&semaphore, 2);
    let shown = format!("{semaphore:?}");
    assert_eq!(shown, "Semaphore { name: \"test\", limit: 3, available: 1, waiting: 1, .. }");
    assert_eq!(format!("{held:?}"), "Permit { permits: 2, .. }");
}

#[test]
fn a_waker_of_a_semaphore_that_panics_keeps_nobody_from_being_woken() {
    let semaphore = semaphore(2);
    let held = semaphore.try_acquire(2).unwrap();
    let ctx = Context::root();
    let bells = [true, false].map(Bell::new);
    let mut waits = [(); 2].map(|()| Box::pin(semaphore.acquire(&ctx, 1)));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = bell.waker();
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    drop(held);
    assert!(bells.iter().all(|bell| bell.has_rung()));
    drop(waits);
    assert_eq!(semaphore.available(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_may_be_dropped_anywhere() {
    let world = async || {
        let semaphore = semaphore(2);
        let held = semaphore.try_acquire_owned(1).unwrap();
        let holder = linchpin::task::spawn("holder", async move {
            tokio::time::sleep(SECOND).await;
            drop(held);
        });
        (semaphore, holder)
    };
    let left = async |(semaphore, holder): &(Semaphore, linchpin::task::Task<()>)| {
        while !holder.is_finished() {
            tokio::time::sleep(SECOND).await;
        }
        assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
    };
    for timeout in [10 * SECOND, SECOND / 2] {
        let work = async |(semaphore, _): &(Semaphore, linchpin::task::Task<()>)| {
            let ctx = Context::root().with_timeout(timeout);
            drop(semaphore.acquire(&ctx, 2).await);
            drop(semaphore.acquire_owned(&ctx, 2).await);
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
        let work = async |(semaphore, _): &(Semaphore, linchpin::task::Task<()>)| {
            let ctx = Context::root().with_timeout(timeout);
            drop(semaphore.at(Priority::High).acquire(&ctx, 2).await);
            drop(semaphore.at(Priority::Low).acquire_owned(&ctx, 2).await);
        };
        assert!(steps::drop_at_each(world, work, left).await.steps > 1);
    }
}

/// Tasks on several threads that take, keep and give back: never more than there are, and nobody is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_there_are_never_more_than_there_are() {
    const PERMITS: usize = 5;
    let (semaphore, used) = (semaphore(PERMITS), Arc::new(AtomicUsize::new(0)));
    let tasks = (1..=PERMITS).flat_map(|permits| [permits, permits]).map(|permits| {
        let (semaphore, used) = (semaphore.clone(), used.clone());
        linchpin::task::spawn("one of many", async move {
            for round in 0..300 {
                let ctx = Context::root().with_timeout(60 * SECOND);
                let impatient = async {
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                };
                let permit = tokio::select! {
                    biased;
                    permit = semaphore.acquire(&ctx, permits) => permit.unwrap(),
                    () = impatient, if round % 7 == 0 => continue,
                };
                assert!(used.fetch_add(permits, Ordering::SeqCst) + permits <= PERMITS);
                if round % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                used.fetch_sub(permits, Ordering::SeqCst);
                drop(permit);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.join().await;
    }
    assert_eq!((semaphore.available(), semaphore.waiting()), (PERMITS, 0));
}
