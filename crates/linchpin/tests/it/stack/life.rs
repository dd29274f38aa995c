//! Drops, panics and ends in the middle of a call.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::breaker;
use linchpin::resilience::bulkhead;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::retry::StopReason;
use linchpin::resilience::stack::Stack;
use linchpin::resilience::{Failed, FailedKind, Outcome};
use linchpin_testing::steps::drop_at_each;

use super::{MS, SECOND, client, exact};

/// One place and a queue, one token a millisecond, two attempts with a rest.
fn whole() -> Stack {
    client()
        .deadline(60 * SECOND)
        .retry(exact().max_attempts(2))
        .breaker(breaker::Options::default())
        .limiter((Rate::new(1, MS), limiter::Options::default().burst(1).max_wait(10 * SECOND)))
        .bulkhead((1, bulkhead::Options::default().max_queue(4).max_wait(10 * SECOND)))
        .timeout(10 * SECOND)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_may_be_dropped_at_each_wait() {
    drop_at_each(
        async || {
            let stack = whole();
            // The turn lies ahead.
            drop(stack.limiter().unwrap().try_acquire(1));
            (stack, Context::root().child())
        },
        async |(stack, ctx)| {
            stack
                .call(ctx, |attempt| async move {
                    tokio::time::sleep(MS).await;
                    if attempt.is_retry() { Ok(1) } else { Err(()) }
                })
                .await
        },
        async |(stack, ctx)| {
            assert_eq!(stack.bulkhead().unwrap().free(), 1);
            assert_eq!(stack.call(ctx, |_| async { Ok::<_, ()>(2) }).await.unwrap(), 2);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_in_the_queue_leaves_it() {
    let stack = whole();
    let ctx = Context::root();
    let mut inside = Box::pin(stack.call(&ctx, |_| std::future::pending::<Result<u8, ()>>()));
    assert!((&mut inside).now_or_never().is_none());
    tokio::time::advance(MS).await;
    let asked = Cell::new(0);
    let mut waits = Box::pin(stack.call(&ctx, |_| {
        asked.set(asked.get() + 1);
        async { Ok::<u8, ()>(1) }
    }));
    assert!((&mut waits).now_or_never().is_none());
    drop(waits);
    drop(inside);
    assert_eq!((stack.bulkhead().unwrap().free(), asked.get()), (1, 0));
    let numbers = stack.breaker().unwrap().numbers();
    assert_eq!((numbers.calls, numbers.failures), (0, 0), "nobody said anything");
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_all_back_wherever_it_is_caught() {
    for (name, when) in [("beginning", 0), ("at once", 1), ("later", 2), ("classifying", 3)] {
        let plain = whole();
        let stack = plain.classified(move |_: Result<&u8, &()>| {
            assert!(when != 3, "in the classifier");
            Outcome::Success
        });
        let ctx = Context::root();
        let call = stack.call(&ctx, |_| {
            assert!(when != 0, "in the closure");
            async move {
                assert!(when != 1, "at once");
                tokio::time::sleep(MS).await;
                assert!(when != 2, "later");
                Ok(1)
            }
        });
        let mut call = Box::pin(AssertUnwindSafe(call).catch_unwind());
        assert!(call.as_mut().await.is_err(), "{name}: the panic is the caller's");
        // The future is still there.
        let numbers = plain.breaker().unwrap().numbers();
        assert_eq!((numbers.calls, numbers.failures), (1, 1), "{name}: it counts as a failure");
        assert_eq!(plain.bulkhead().unwrap().free(), 1, "{name}: its place is free");
        drop(call);
        assert_eq!(plain.bulkhead().unwrap().free(), 1, "{name}: once");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_heard_in_a_rest_and_in_a_queue() {
    let (stack, ctx) = (whole(), Context::root().child());
    let mut rests = Box::pin(stack.call(&ctx, |_| async { Err::<u8, _>(()) }));
    assert!((&mut rests).now_or_never().is_none());
    ctx.cancel(Cause::Shutdown);
    let failed = rests.await.unwrap_err();
    let is_shutdown = |failed: &Failed<()>| matches!(failed.kind(), FailedKind::Ended(ended) if matches!(ended.cause(), Cause::Shutdown));
    assert!(is_shutdown(&failed), "{failed:?}");
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Cancelled)));

    let (stack, ctx) = (whole(), Context::root().child());
    drop(stack.limiter().unwrap().try_acquire(1));
    let mut waits = Box::pin(stack.call(&ctx, |_| async { Err::<u8, _>(()) }));
    assert!((&mut waits).now_or_never().is_none());
    ctx.cancel(Cause::Shutdown);
    assert!(is_shutdown(&waits.await.unwrap_err()));
    assert_eq!(stack.breaker().unwrap().numbers().calls, 0);
}

#[tokio::test]
async fn a_call_can_go_to_another_thread() {
    fn goes<T: Send>(value: T) -> T {
        value
    }
    let (stack, ctx) = (whole(), Context::root());
    let call = goes(stack.call(&ctx, |_| async { Ok::<_, ()>(1) }));
    assert_eq!(call.await.unwrap(), 1);
}
