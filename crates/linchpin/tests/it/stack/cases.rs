//! The cases O1 to O4 of the specification, and what the order of the policies means otherwise, under virtual time.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::breaker::{self, State};
use linchpin::resilience::bulkhead;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::retry::{Schedule, StopReason};
use linchpin::resilience::stack::Stack;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::time::Instant;

use super::{MS, SECOND, at_once, client, exact};

/// Opens at the second failure in a row, and stays open.
fn hasty() -> breaker::Options {
    breaker::Options::default().consecutive_failures(2).open_for(60 * SECOND).random(|| 0.5)
}

async fn hang() -> Result<u8, &'static str> {
    pending().await
}

fn is_deadline<E>(failed: &Failed<E>) -> bool {
    matches!(failed.kind(), FailedKind::Ended(ended) if matches!(ended.cause(), Cause::Deadline))
}

/// How many times the callee is asked, when the call returns, and with what.
async fn hung(stack: &Stack) -> (u32, Duration, Failed<&'static str>) {
    let (start, asked) = (Instant::now(), Cell::new(0));
    let failed = stack
        .call(&Context::root(), |_| {
            asked.set(asked.get() + 1);
            hang()
        })
        .await
        .unwrap_err();
    (asked.get(), start.elapsed(), failed)
}

#[tokio::test(start_paused = true)]
async fn o1_an_open_breaker_ends_the_retrying_and_the_timeout_is_what_is_told() {
    let stack = client().retry(at_once()).breaker(hasty()).timeout(SECOND).build().unwrap();
    let (asked, took, failed) = hung(&stack).await;
    assert_eq!((asked, took), (2, 2 * SECOND));
    assert!(matches!(failed.kind(), FailedKind::TimedOut), "{failed:?}");
    assert_eq!(failed.stop_reason(), Some(StopReason::CircuitOpen));
}

#[tokio::test(start_paused = true)]
async fn o2_a_limit_says_nothing_of_the_callee_and_an_open_breaker_costs_no_token() {
    let rate = (Rate::new(1, 3_600 * SECOND), limiter::Options::default().burst(2));
    let stack = client().breaker(hasty()).limiter(rate).build().unwrap();
    let ctx = Context::root();
    let call = async |result: Result<u8, u8>| stack.call(&ctx, |_| async move { result }).await;
    assert_eq!(call(Ok(1)).await.unwrap(), 1);
    assert_eq!(call(Ok(2)).await.unwrap(), 2);
    for _ in 0..10 {
        let failed = call(Ok(3)).await.unwrap_err();
        let is_limit = |failed: &Failed<u8>| matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "limiter");
        assert!(is_limit(&failed), "{failed:?}");
    }
    let numbers = stack.breaker().unwrap().numbers();
    assert_eq!((numbers.state, numbers.calls, numbers.failures), (State::Closed, 2, 0));

    let stack = client().breaker(hasty()).limiter(Rate::per_second(1_000)).build().unwrap();
    stack.breaker().unwrap().force_open();
    let before = stack.limiter().unwrap().try_acquire(0).unwrap();
    for _ in 0..10 {
        let failed = stack.call(&ctx, |_| async { Ok::<_, u8>(1) }).await.unwrap_err();
        assert!(
            matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "breaker")
        );
    }
    assert_eq!(stack.limiter().unwrap().try_acquire(0).unwrap().remaining(), before.remaining());
}

#[tokio::test(start_paused = true)]
async fn o3_no_place_is_held_while_a_retry_rests() {
    let rests = exact().backoff(Schedule::constant(5 * SECOND).unwrap());
    let stack = client().retry(rests).bulkhead(1).build().unwrap();
    let ctx = Context::root();
    let first = Cell::new(true);
    let mut resting = Box::pin(stack.call(&ctx, |_| {
        let result = if first.replace(false) { Err("once") } else { Ok(1) };
        async move { result }
    }));
    assert!((&mut resting).now_or_never().is_none(), "it rests");
    let other = stack.call(&ctx, |_| async { Ok::<_, &str>(2) }).now_or_never();
    assert_eq!(other.expect("there is a place").unwrap(), 2);
    assert_eq!(resting.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn o4_the_deadline_is_for_all_attempts() {
    let stack = client().retry(at_once()).deadline(3 * SECOND).timeout(2 * SECOND).build().unwrap();
    let (asked, took, failed) = hung(&stack).await;
    assert_eq!((asked, took), (2, 3 * SECOND));
    assert!(is_deadline(&failed), "{failed:?}");
    assert_eq!(failed.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_nearest_of_all_deadlines_cuts_and_a_cut_callee_has_failed() {
    for (own, context, took) in [(3, 2, 2), (2, 3, 2), (2, 2, 2)] {
        let stack = client().deadline(own * SECOND).breaker(hasty()).build().unwrap();
        let (start, ctx) = (Instant::now(), Context::root().with_timeout(context * SECOND));
        let failed = stack.call(&ctx, |_| hang()).await.unwrap_err();
        assert!(is_deadline(&failed), "{failed:?}");
        assert_eq!(start.elapsed(), took * SECOND);
        assert_eq!(stack.breaker().unwrap().numbers().failures, 1);
        // An error that comes when the time is up already is not told.
        let failed = stack
            .call(&Context::root(), |_| async {
                tokio::time::sleep(own * SECOND).await;
                Err::<u8, _>("late")
            })
            .await
            .unwrap_err();
        assert!(is_deadline(&failed), "{failed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_knows_its_number_its_deadline_and_its_context() {
    let stack = client().retry(at_once()).deadline(3 * SECOND).build().unwrap();
    let ctx = Context::root().with_timeout(5 * SECOND);
    let (now, seen) = (Instant::now(), RefCell::new(Vec::new()));
    let failed = stack
        .call(&ctx, |attempt| {
            assert_eq!(attempt.deadline(), Some(now + 3 * SECOND));
            assert_eq!(attempt.context().deadline(), Some(now + 3 * SECOND));
            assert_eq!(attempt.call().deadline(), Some(now + 5 * SECOND));
            seen.borrow_mut().push(attempt.number());
            async { Err::<u8, _>("no") }
        })
        .await
        .unwrap_err();
    assert_eq!((seen.take(), failed.attempts()), (vec![1, 2, 3], 3));
    assert_eq!(failed.stop_reason(), Some(StopReason::Attempts));
    assert!(matches!(failed.kind(), FailedKind::Callee("no")));
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_a_queue_of_ours_is_not_the_callees_slowness() {
    let slow = breaker::Options::default().slow_calls(SECOND, 0.25).min_calls(1);
    let waits = (1, bulkhead::Options::default().max_queue(4).max_wait(20 * SECOND));
    let stack = client().breaker(slow).bulkhead(waits).timeout(10 * SECOND).build().unwrap();
    let ctx = Context::root();
    let brief = |takes: u32| {
        stack.call(&ctx, move |_| async move {
            tokio::time::sleep(takes * MS).await;
            Ok::<_, u8>(takes)
        })
    };
    let start = Instant::now();
    let results = futures_util::future::join_all([brief(900), brief(900), brief(900)]).await;
    assert!(results.into_iter().all(|result| result.is_ok()));
    assert_eq!(start.elapsed(), 2_700 * MS, "one after the other");
    assert_eq!(stack.breaker().unwrap().numbers().slow, 0);
    brief(1_001).await.unwrap();
    assert_eq!(stack.breaker().unwrap().numbers().state, State::Open, "that one was");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_a_queue_of_ours_says_nothing_of_the_callee() {
    let waits = (1, bulkhead::Options::default().max_queue(4).max_wait(2 * SECOND));
    let turns = (Rate::per_second(1), limiter::Options::default().burst(1).max_wait(2 * SECOND));
    let crowded = client().deadline(3 * SECOND).breaker(hasty()).bulkhead(waits).build().unwrap();
    let paced = client().deadline(3 * SECOND).breaker(hasty()).limiter(turns).build().unwrap();
    for stack in [crowded, paced] {
        let root = Context::root();
        let mut inside = Box::pin(stack.call(&root, |_| hang()));
        assert!((&mut inside).now_or_never().is_none());
        let (ctx, start) = (root.with_timeout(500 * MS), Instant::now());
        let failed = stack.call(&ctx, |_| async { Ok::<_, u8>(1) }).await.unwrap_err();
        let is_told = is_deadline(&failed) || matches!(failed.kind(), FailedKind::Refused(_));
        assert!(is_told, "{failed:?}");
        assert!(start.elapsed() <= 500 * MS);
        assert_eq!(stack.breaker().unwrap().numbers().failures, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_gives_the_token_back() {
    let rate = (Rate::new(1, 3_600 * SECOND), limiter::Options::default().burst(2));
    let stack = client().limiter(rate).bulkhead(1).build().unwrap();
    let ctx = Context::root();
    let mut inside = Box::pin(stack.call(&ctx, |_| hang()));
    assert!((&mut inside).now_or_never().is_none());
    for _ in 0..5 {
        let failed = stack.call(&ctx, |_| async { Ok::<_, u8>(1) }).await.unwrap_err();
        assert!(
            matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "bulkhead")
        );
    }
    drop(inside);
    assert_eq!(stack.call(&ctx, |_| async { Ok::<_, u8>(1) }).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_may_make_calls_wait_and_each_attempt_pays() {
    let turns = (Rate::per_second(1), limiter::Options::default().burst(1).max_wait(10 * SECOND));
    let stack = client().retry(at_once()).limiter(turns).build().unwrap();
    let (start, seen) = (Instant::now(), RefCell::new(Vec::new()));
    let failed = stack
        .call(&Context::root(), |_| {
            seen.borrow_mut().push(start.elapsed());
            async { Err::<u8, _>(()) }
        })
        .await
        .unwrap_err();
    assert_eq!(seen.take(), [Duration::ZERO, SECOND, 2 * SECOND]);
    assert_eq!(failed.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_waits_for_a_place_within_its_deadline() {
    let waits = (1, bulkhead::Options::default().max_queue(4).max_wait(SECOND));
    let server = Stack::server("test").deadline(2 * SECOND).bulkhead(waits).build().unwrap();
    let ctx = Context::root();
    let mut inside = Box::pin(server.call(&ctx, |_| hang()));
    assert!((&mut inside).now_or_never().is_none());
    let start = Instant::now();
    let failed = server.call(&ctx, |_| hang()).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)), "{failed:?}");
    assert_eq!(start.elapsed(), SECOND);
    assert!(is_deadline(&inside.await.unwrap_err()));
    assert_eq!(start.elapsed(), 2 * SECOND);
}
