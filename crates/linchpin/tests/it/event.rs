//! Event, latch, wait group, barrier: who is let through and when, and what a dropped wait leaves.

mod barrier;
mod parity;
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::{Cause, Ended};
use linchpin::sync::event::{Event, Latch, UnderWay, WaitGroup};
use linchpin::task;
use linchpin::time::Instant;
use linchpin_testing::steps::{self, Poller, poll_by_hand};

use crate::bell::Bell;

const SECOND: Duration = Duration::from_secs(1);

type World = (Event, Latch, WaitGroup, task::Task<()>);
type Waited = Result<(), Ended>;

/// A wait under a root, polled once.
#[track_caller]
pub(crate) fn waits(
    wait: impl AsyncFnOnce(&Context) -> Waited,
) -> Poller<impl Future<Output = Waited>> {
    let mut waiter = poll_by_hand(async move { wait(&Context::root()).await });
    assert!(waiter.poll().is_pending(), "there is something to wait for");
    waiter
}

#[track_caller]
pub(crate) fn woken(waiter: &mut Poller<impl Future<Output = Waited>>) {
    assert!(waiter.wakes() > 0, "it was not woken");
    assert!(matches!(waiter.poll(), Poll::Ready(Ok(()))));
}

fn at_once(wait: impl Future<Output = Waited>) -> bool {
    wait.now_or_never().is_some_and(|waited| waited.is_ok())
}

#[test]
fn a_set_event_lets_through_who_waits_and_who_comes_until_it_is_reset() {
    let (ctx, event) = (Context::root(), Event::new());
    let mut waiters = [(); 3].map(|()| {
        let event = event.clone();
        waits(async move |ctx| event.wait(ctx).await)
    });
    assert!(!event.is_set() && !event.reset());
    assert!(event.set() && !event.set());
    waiters.iter_mut().for_each(woken);
    assert!(at_once(event.wait(&ctx)) && event.is_set());
    assert!(event.reset() && !event.reset());
    assert!(event.wait(&ctx).now_or_never().is_none());
}

#[test]
fn who_waits_is_let_through_though_the_event_is_reset_before_it_runs() {
    let event = Event::new();
    let mut before = {
        let event = event.clone();
        waits(async move |ctx| event.wait(ctx).await)
    };
    event.set();
    event.reset();
    let after = {
        let event = event.clone();
        waits(async move |ctx| event.wait(ctx).await)
    };
    woken(&mut before);
    assert_eq!(after.wakes(), 0, "it came after the reset");
}

#[test]
fn a_latch_opens_with_the_last_and_stays_open() {
    let (ctx, latch) = (Context::root(), Latch::new(3).unwrap());
    let mut waiter = {
        let latch = latch.clone();
        waits(async move |ctx| latch.wait(ctx).await)
    };
    assert_eq!([latch.count_down(), latch.count_down()], [false, false]);
    assert_eq!((latch.remaining(), waiter.wakes()), (1, 0));
    assert!(latch.count_down() && !latch.count_down(), "one of them is the last");
    woken(&mut waiter);
    assert!(at_once(latch.wait(&ctx)));
    assert!(at_once(Latch::new(0).unwrap().wait(&ctx)));
    assert!(Latch::new(usize::MAX).unwrap_err().to_string().contains("can be counted"));
}

#[test]
fn a_latch_whose_rest_will_not_happen_is_opened() {
    let latch = Latch::new(usize::MAX / 2).unwrap();
    let mut waiter = {
        let latch = latch.clone();
        waits(async move |ctx| latch.wait(ctx).await)
    };
    assert!(latch.open() && !latch.open());
    woken(&mut waiter);
    assert_eq!(latch.remaining(), 0);
}

#[test]
fn a_wait_group_lets_through_when_the_last_guard_goes_clones_counted() {
    let (ctx, group) = (Context::root(), WaitGroup::new());
    assert!(at_once(group.wait(&ctx)), "nothing is under way");
    let first = group.begin();
    let second = first.clone();
    let mut waiter = {
        let group = group.clone();
        waits(async move |ctx| group.wait(ctx).await)
    };
    assert_eq!((group.len(), group.is_empty()), (2, false));
    drop(first);
    assert_eq!(waiter.wakes(), 0);
    drop(second);
    woken(&mut waiter);
    assert!(group.is_empty());
}

#[test]
fn a_moment_without_work_is_enough_for_who_waited_and_not_for_who_comes_after() {
    let group = WaitGroup::new();
    let first = group.begin();
    let mut before = {
        let group = group.clone();
        waits(async move |ctx| group.wait(ctx).await)
    };
    drop(first);
    let second = group.begin();
    let mut after = {
        let group = group.clone();
        waits(async move |ctx| group.wait(ctx).await)
    };
    woken(&mut before);
    assert!(after.poll().is_pending());
    drop(second);
    woken(&mut after);
}

#[test]
fn a_guard_that_unwinds_is_done() {
    let group = WaitGroup::new();
    let guard = group.begin();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _guard: UnderWay = guard;
        panic!("boom");
    }));
    assert!(unwound.is_err() && group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_context_and_leaves_nothing() {
    let event = Event::new();
    let (began, ctx) = (Instant::now(), Context::root().with_timeout(SECOND));
    let ended = event.wait(&ctx).await.unwrap_err();
    assert!(matches!(ended.cause(), Cause::Deadline));
    assert!((SECOND..2 * SECOND).contains(&began.elapsed()));
    event.set();
    assert!(event.wait(&ctx).await.is_err(), "a context that has ended waits for nothing");
    assert!(event.wait(&Context::root()).await.is_ok());
}

#[test]
fn what_comes_with_the_end_has_come() {
    let (ctx, event) = (Context::root().child(), Event::new());
    let mut waiter = poll_by_hand(event.wait(&ctx));
    assert!(waiter.poll().is_pending());
    event.set();
    ctx.cancel("over");
    assert!(matches!(waiter.poll(), Poll::Ready(Ok(()))));
}

#[test]
fn a_waker_of_an_event_that_panics_keeps_nobody_from_being_woken() {
    let (ctx, event) = (Context::root(), Event::new());
    let bells = [true, true, false].map(Bell::new);
    let mut waits = bells.clone().map(|_| Box::pin(event.wait(&ctx)));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = bell.waker();
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    event.set();
    assert!(bells.iter().all(|bell| bell.has_rung()));
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_event_may_be_dropped_anywhere() {
    let world = async || {
        let (event, latch, group) = (Event::new(), Latch::new(1).unwrap(), WaitGroup::new());
        let (guard, setter, counted) = (group.begin(), event.clone(), latch.clone());
        let task = task::spawn("setter", async move {
            tokio::time::sleep(SECOND).await;
            setter.set();
            tokio::time::sleep(SECOND).await;
            counted.count_down();
            tokio::time::sleep(SECOND).await;
            drop(guard);
        });
        (event, latch, group, task)
    };
    let work = async |(event, latch, group, _): &World| {
        let ctx = Context::root().with_timeout(10 * SECOND);
        event.wait(&ctx).await.unwrap();
        latch.wait(&ctx).await.unwrap();
        group.wait(&ctx).await.unwrap();
    };
    let left = async |(event, latch, group, task): &World| {
        while !task.is_finished() {
            tokio::time::sleep(SECOND).await;
        }
        let ctx = Context::root();
        assert!(at_once(event.wait(&ctx)) && at_once(latch.wait(&ctx)));
        assert!(at_once(group.wait(&ctx)));
        // The list is empty again, so each step is one atomic operation: nothing is left to be called.
        assert!(event.reset() && event.set());
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 3);
}

/// Tasks on several threads begin and end, and one waits again and again: it never sees what is under way as done.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_a_wait_is_over_when_all_before_it_are_done() {
    let (group, done) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
    let ctx = Context::root().with_timeout(60 * SECOND);
    for round in 1..=300 {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (guard, done) = (group.begin(), done.clone());
                task::spawn("one of many", async move {
                    tokio::task::yield_now().await;
                    done.fetch_add(1, Ordering::Relaxed);
                    drop(guard);
                })
            })
            .collect();
        group.wait(&ctx).await.unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 4 * round);
        for task in tasks {
            task.join().await;
        }
    }
}
