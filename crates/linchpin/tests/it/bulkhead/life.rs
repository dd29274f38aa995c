//! A bulkhead in use: drops, permits that move, outcomes, what people see.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use linchpin::resilience::bulkhead::{Bulkhead, Options};
use linchpin::resilience::{FailedKind, Outcome};
use linchpin::{Context, Error, Kind, task};
use linchpin_testing::steps::drop_at_each;

use super::{bulkhead, crowd, ms, patient, queue, refused, waiter};

/// A bulkhead whose only place is taken for a second.
async fn taken(options: Options) -> (Bulkhead, task::Task<()>) {
    let bulkhead = bulkhead(1, options);
    let permit = bulkhead.enter_owned(&Context::root()).await.unwrap();
    let holder = task::spawn("holder", async move {
        tokio::time::sleep(ms(1_000)).await;
        drop(permit);
    });
    (bulkhead, holder)
}

/// Nobody is in it and nobody waits, when the holder has left.
async fn is_free((bulkhead, holder): &(Bulkhead, task::Task<()>)) {
    assert_eq!(bulkhead.numbers().queued, 0, "who was dropped has left the queue");
    while !holder.is_finished() {
        tokio::time::sleep(ms(1_000)).await;
    }
    assert_eq!(crowd(bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_waited_for_is_nobodys_when_the_wait_is_dropped() {
    for options in [queue(1, ms(10_000)), queue(1, ms(500)), patient(1)] {
        let wide = || Context::root().with_timeout(ms(10_000));
        drop_at_each(
            async || taken(options).await,
            async |(bulkhead, _)| drop(bulkhead.enter(&wide()).await),
            async |world| is_free(world).await,
        )
        .await;
        drop_at_each(
            async || taken(options).await,
            async |(bulkhead, _)| drop(bulkhead.enter_owned(&wide()).await),
            async |world| is_free(world).await,
        )
        .await;
        drop_at_each(
            async || taken(options).await,
            async |(bulkhead, _)| {
                let work = async || {
                    tokio::task::yield_now().await;
                    Ok::<_, ()>(1)
                };
                drop(bulkhead.weighing(1).call(&wide(), work).await);
            },
            async |world| is_free(world).await,
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_tells_its_own_error_and_a_refusal_says_why() {
    let (ctx, bulkhead) = (Context::root(), bulkhead(1, Options::default()));
    let failed = bulkhead.call(&ctx, async || Err::<(), _>("sick")).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")));
    assert_eq!(bulkhead.numbers().failures, 1);
    let inside = bulkhead.enter(&ctx).await.unwrap();
    let never = bulkhead.call(&ctx, || async { unreachable!("nobody is asked") });
    let refusal = refused::<(), Error>(never.await);
    assert_eq!(refusal.to_string(), "bulkhead `test` refused: full (1 of 1)");
    assert_eq!((refusal.retry_after, refusal.retryable), (None, false));
    assert_eq!(refusal.http_status(), 503);
    assert_eq!(Error::from(refusal).kind(), Kind::ResourceExhausted);
    drop(inside);
}

/// Comes in when it is dropped.
struct Takes(Bulkhead);

impl Drop for Takes {
    fn drop(&mut self) {
        drop(self.0.try_enter().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_what_is_said_and_else_nothing() {
    let bulkhead = bulkhead(1, Options::default());
    for (outcome, failures) in [(Outcome::Success, 0), (Outcome::Ignored, 0), (Outcome::Failure, 1)]
    {
        bulkhead.try_enter().unwrap().record(outcome);
        bulkhead.try_enter_owned().unwrap().record(outcome);
        assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 2 * failures));
    }
    drop(bulkhead.try_enter().unwrap());
    assert_eq!(bulkhead.numbers().failures, 2);
    // A permit that is taken while a panic unwinds is none of its.
    let takes = Takes(bulkhead.clone());
    let raised = catch_unwind(AssertUnwindSafe(move || {
        let _takes = takes;
        panic!("boom");
    }));
    assert!(raised.is_err());
    assert_eq!(bulkhead.numbers().failures, 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cuts_a_call_is_a_failure_and_another_end_is_not() {
    let bulkhead = bulkhead(1, Options::default());
    let ctx = Context::root().with_timeout(ms(10));
    let hangs = || std::future::pending::<Result<(), ()>>();
    assert!(bulkhead.call(&ctx, hangs).await.is_err());
    assert_eq!(bulkhead.numbers().failures, 1);
    let ctx = Context::root().child();
    let cancel = async {
        tokio::task::yield_now().await;
        ctx.cancel("gone");
    };
    assert!(tokio::join!(bulkhead.call(&ctx, hangs), cancel).0.is_err());
    assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_never_more_than_there_are_places() {
    let (bulkhead, ctx) = (bulkhead(10, patient(1_000)), Context::root());
    let (inside, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = async || {
        peak.fetch_max(inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        tokio::time::sleep(ms(1)).await;
        inside.fetch_sub(1, Ordering::Relaxed);
        Ok::<_, ()>(())
    };
    let calls = (0..1_000).map(|_| bulkhead.call(&ctx, work));
    assert!(join_all(calls).await.into_iter().all(|call| call.is_ok()));
    assert_eq!(peak.into_inner(), 10);
}

#[tokio::test(start_paused = true)]
async fn people_see_how_it_is() {
    let bulkhead = bulkhead(1, patient(2));
    assert_eq!(bulkhead.snapshot().state, "free");
    let permit = bulkhead.try_enter().unwrap();
    assert_eq!(bulkhead.snapshot().state, "full");
    let waiting = waiter(&bulkhead);
    assert_eq!(
        bulkhead.snapshot().to_string(),
        "bulkhead `test`: queueing, in_use 1, max_concurrent 1, queued 1, max_queue 2, queue_full 0, wait_timeout 0, \
         failures 0"
    );
    assert_eq!(
        format!("{permit:?} {bulkhead:?}"),
        "Permit { bulkhead: \"test\", weight: 1, .. } Bulkhead { name: \"test\", max_concurrent: 1, in_use: 1, queued: 1, \
         options: Options { max_queue: 2, max_wait: 18446744073709551615.999999999s, discipline: Fifo }, .. }"
    );
    drop(waiting);
    assert_eq!((bulkhead.name(), crowd(&bulkhead)), ("test", (1, 0)));
}
