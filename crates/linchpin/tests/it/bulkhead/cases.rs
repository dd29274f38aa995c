//! The specification's cases, by number.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use linchpin::Context;
use linchpin::resilience::FailedKind;
use linchpin::resilience::bulkhead::{Discipline, Options};
use linchpin::resilience::timeout::Timeout;
use linchpin::time::Instant;
use tokio::join;
use tokio::time::{advance, timeout};

use super::Fate::{Began, DeadlineExceeded, Refused};
use super::{bulkhead, caller, crowd, ms, patient, queue, refused, waiter};

const FULL: &str = "full, and so is the queue";
const WAITED: &str = "no place within the longest wait";

#[tokio::test(start_paused = true)]
async fn b1_the_default_lets_nobody_wait() {
    let (bulkhead, ctx, t0) = (bulkhead(2, Options::default()), Context::root(), Instant::now());
    let call = || caller(&bulkhead, t0, &ctx, 0, 10);
    assert_eq!(join!(call(), call(), call()), (Began(0), Began(0), Refused("full", 0)));
}

#[tokio::test(start_paused = true)]
async fn b2_runs_then_queues_then_refuses() {
    let (bulkhead, ctx, t0) = (bulkhead(1, queue(1, ms(100))), Context::root(), Instant::now());
    let fates = join!(
        caller(&bulkhead, t0, &ctx, 0, 80),
        caller(&bulkhead, t0, &ctx, 0, 10),
        caller(&bulkhead, t0, &ctx, 10, 10),
    );
    assert_eq!(fates, (Began(0), Began(80), Refused(FULL, 10)));
}

#[tokio::test(start_paused = true)]
async fn b3_the_longest_wait_refuses_and_leaves_the_queue() {
    let (bulkhead, ctx, t0) = (bulkhead(1, queue(1, ms(100))), Context::root(), Instant::now());
    let look = async {
        tokio::time::sleep(ms(101)).await;
        crowd(&bulkhead)
    };
    let fates =
        join!(caller(&bulkhead, t0, &ctx, 0, 200), caller(&bulkhead, t0, &ctx, 0, 10), look);
    assert_eq!(fates, (Began(0), Refused(WAITED, 100), (1, 0)));
    let numbers = bulkhead.numbers();
    assert_eq!((numbers.wait_timeout, numbers.queue_full), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn b3_a_place_at_the_very_moment_of_the_longest_wait_is_taken() {
    let bulkhead = bulkhead(1, queue(1, ms(100)));
    let held = bulkhead.try_enter().unwrap();
    let mut waiting = waiter(&bulkhead);
    advance(ms(100)).await;
    drop(held);
    assert!(matches!(waiting.poll(), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn b4_who_is_dropped_in_the_queue_gives_its_place_there_to_another() {
    let (bulkhead, ctx, t0) = (bulkhead(1, queue(1, ms(100))), Context::root(), Instant::now());
    let (a, b, d) = join!(
        caller(&bulkhead, t0, &ctx, 0, 80),
        timeout(ms(50), caller(&bulkhead, t0, &ctx, 0, 10)),
        caller(&bulkhead, t0, &ctx, 60, 10),
    );
    assert!(b.is_err(), "dropped at 50");
    assert_eq!((a, d), (Began(0), Began(80)));
}

#[tokio::test(start_paused = true)]
async fn b5_a_panic_gives_the_place_back_and_is_a_failure() {
    let (bulkhead, ctx) = (bulkhead(1, Options::default()), Context::root());
    let call = bulkhead.call::<(), (), _, _>(&ctx, || async { panic!("boom") });
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 1));
    // The same of a permit.
    let place = bulkhead.enter_owned(&ctx).await.unwrap();
    let task = linchpin::task::spawn("panics", async move {
        let _inside = place;
        panic!("boom");
    });
    assert!(task.outcome().await.is_err());
    assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 2));
}

#[tokio::test(start_paused = true)]
async fn b6_abandoned_work_has_its_place_until_it_ends() {
    let (bulkhead, ctx) = (bulkhead(1, Options::default()), Context::root());
    let limit = Timeout::new("test", ms(10)).unwrap();
    let place = bulkhead.enter_owned(&ctx).await.unwrap();
    let work = async move {
        tokio::time::sleep(ms(50)).await;
        drop(place);
        Ok::<(), ()>(())
    };
    let failed = limit.abandon(&ctx, "work", work).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::TimedOut));
    assert_eq!(refused(bulkhead.enter(&ctx).await).reason, "full");
    tokio::time::sleep(ms(39)).await;
    assert!(bulkhead.try_enter().is_err(), "49 ms");
    tokio::time::sleep(ms(2)).await;
    assert!(bulkhead.try_enter().is_ok());
}

#[test]
fn b7_a_bulkhead_that_shrinks_waits_for_nobody_and_lets_nobody_in_until_fewer_are_inside() {
    let bulkhead = bulkhead(10, Options::default());
    let mut inside: Vec<_> = (0..10).map(|_| bulkhead.try_enter().unwrap()).collect();
    bulkhead.resize(4).unwrap();
    while inside.len() > 3 {
        assert_eq!(crowd(&bulkhead), (inside.len(), 0));
        let refusal = bulkhead.try_enter().unwrap_err();
        assert_eq!((refusal.reason, refusal.used, refusal.limit), ("full", inside.len() as u64, 4));
        inside.pop();
    }
    inside.push(bulkhead.try_enter().unwrap());
    assert!(bulkhead.try_enter().is_err());
}

#[tokio::test(start_paused = true)]
async fn b8_a_deadline_before_the_longest_wait_ends_it_when_it_comes() {
    let (bulkhead, root, t0) = (bulkhead(1, queue(1, ms(100))), Context::root(), Instant::now());
    let ctx = root.with_timeout(ms(30));
    let fates = join!(caller(&bulkhead, t0, &root, 0, 200), caller(&bulkhead, t0, &ctx, 0, 10));
    assert_eq!(fates, (Began(0), DeadlineExceeded(30)));
    assert_eq!(bulkhead.numbers().wait_timeout, 0);
    // At the same moment it is the deadline.
    let t0 = Instant::now();
    let ctx = root.with_timeout(ms(100));
    let fates = join!(caller(&bulkhead, t0, &root, 0, 200), caller(&bulkhead, t0, &ctx, 0, 10));
    assert_eq!(fates, (Began(0), DeadlineExceeded(100)));
}

#[tokio::test(start_paused = true)]
async fn b9_the_newest_runs_first() {
    let (bulkhead, ctx) = (bulkhead(1, patient(3).discipline(Discipline::Lifo)), Context::root());
    let (held, order) = (bulkhead.try_enter().unwrap(), Mutex::new(Vec::new()));
    let wait = async |number: u64| {
        tokio::time::sleep(ms(number)).await;
        let permit = bulkhead.enter(&ctx).await.unwrap();
        order.lock().unwrap().push(number);
        tokio::time::sleep(ms(10)).await;
        drop(permit);
    };
    let open = async {
        tokio::time::sleep(ms(10)).await;
        drop(held);
    };
    join!(wait(1), wait(2), wait(3), open);
    assert_eq!(*order.lock().unwrap(), [3, 2, 1]);
}

const STOOD: &str = "no place before the queue stood for too long";

/// D8: in a queue that has not been empty for 150 ms, who has waited for 6 ms is not there any more.
#[tokio::test(start_paused = true)]
async fn d8_nobody_waits_for_long_in_a_queue_that_stands() {
    let options = Options::default().max_queue(100).discipline(Discipline::codel());
    let (bulkhead, ctx, t0) = (bulkhead(1, options), Context::root(), Instant::now());
    let _taken = bulkhead.try_enter().unwrap();
    let comes = (0..200).step_by(4);
    let fates = join_all(comes.clone().map(|at| caller(&bulkhead, t0, &ctx, at, 1))).await;
    let expected = comes.map(|at| Refused(STOOD, (at + 5).max(100)));
    assert_eq!(fates, expected.collect::<Vec<_>>());
    // It has been empty, so it may be a burst again.
    let (t0, again) = (Instant::now(), Refused(STOOD, 100));
    assert_eq!(caller(&bulkhead, t0, &ctx, 0, 1).await, again);
}

#[tokio::test(start_paused = true)]
async fn d8_a_queue_that_stands_lets_the_newest_in_first() {
    let options = Options::default().max_queue(100).discipline(Discipline::codel());
    let (bulkhead, ctx, t0) = (bulkhead(1, options), Context::root(), Instant::now());
    let come = |comes, works| caller(&bulkhead, t0, &ctx, comes, works);
    let fates = join!(come(0, 97), come(0, 3), come(90, 2), come(98, 2), come(99, 2));
    let young = (Began(0), Began(97)); // the oldest
    let standing = (Refused(STOOD, 100), Began(102), Began(100));
    assert_eq!((fates.0, fates.1), young);
    assert_eq!((fates.2, fates.3, fates.4), standing);
}
