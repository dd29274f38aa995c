//! Who judges when the store is slow, wrong or gone, and how it comes back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use linchpin::resilience::FailedKind;
use linchpin::resilience::limiter::shared::{OnStoreError, Shared};
use linchpin::time::Instant;
use linchpin::{Context, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{Handle, Mood, Store, drain, five, refused, take};
use crate::limiter::{ms, pass};
use crate::panic::logged;
use crate::paused::block_on;
use crate::recorder::Meters;

#[test]
fn l13_without_its_store_it_keeps_to_its_share_and_tells_each_switch_once() {
    let (store, meters) = (Store::new(), Meters::default());
    let build = || five(&store, OnStoreError::LocalShare(2));
    let limiter = metrics::with_local_recorder(&meters, build);
    let outage = async {
        assert_eq!(drain(&limiter).await, 5);
        store.is(Mood::Ill);
        // Half of five.
        assert_eq!(drain(&limiter).await, 2);
        assert!(limiter.numbers().away);
        let refusal = refused(take(&limiter).await);
        assert_eq!(refusal.retry_after, Some(ms(200)), "half the rate");
        let above = refused(limiter.take(&Context::root(), "bob", 3).await);
        assert_eq!((above.kind, above.retry_after.is_some()), (Kind::Unavailable, true));
        pass(ms(1_000)).await;
        drain(&limiter).await;
        store.is(Mood::Well);
        pass(ms(100)).await;
        // Two of five are back, if the other has used as much.
        assert_eq!(drain(&limiter).await, 2);
        assert!(!limiter.numbers().away);
    };
    let log = logged(|| block_on(outage)).join("\n");
    assert_eq!(log.matches("the store is away").count(), 1, "{log}");
    assert_eq!(log.matches("the store is back").count(), 1, "{log}");
    let numbers = limiter.numbers();
    assert_eq!((numbers.switches, numbers.forgot), (1, 0));
    assert_eq!(
        meters.shown("linchpin_limiter_"),
        [
            "decisions_total{limiter=test,outcome=passed} 11",
            "decisions_total{limiter=test,outcome=refused} 6",
            "keys{limiter=test} 1",
            "passed_without_store_total{limiter=test} 4",
            "store_failures_total{limiter=test} 2",
            "store_switches_total{limiter=test} 2",
        ]
    );
    assert!(limiter.snapshot().to_string().starts_with("limiter `test`: there, per_second 10,"));
}

#[tokio::test(start_paused = true)]
async fn open_lets_all_pass_and_closed_none() {
    let store = Store::new();
    let (open, closed) = (five(&store, OnStoreError::Open), five(&store, OnStoreError::Closed));
    store.is(Mood::Ill);
    for _ in 0..20 {
        assert_eq!(take(&open).await.unwrap().remaining(), 5);
    }
    assert_eq!(open.numbers().passed_without_store, 20);
    let refusal = refused(take(&closed).await);
    assert_eq!((refusal.kind, refusal.retry_after), (Kind::Unavailable, Some(ms(100))));
    assert_eq!(closed.numbers().passed_without_store, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_waited_for_once_and_asked_again_by_one() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Open);
    store.is(Mood::Hangs);
    let began = Instant::now();
    take(&limiter).await.unwrap();
    assert_eq!(began.elapsed(), ms(50));
    let began = Instant::now();
    assert_eq!(store.asked(), 1);
    for turn in 1..=3 {
        pass(ms(100)).await;
        join_all((0..100).map(|_| take(&limiter))).await;
        assert_eq!(store.asked(), 1 + turn, "one of a hundred");
    }
    assert_eq!(began.elapsed(), ms(3 * 150));
    assert_eq!(limiter.numbers().switches, 1);
}

#[tokio::test(start_paused = true)]
async fn just_in_time_is_in_time() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    store.is(Mood::Slow(ms(49)));
    take(&limiter).await.unwrap();
    store.is(Mood::Slow(ms(51)));
    refused(take(&limiter).await);
    assert!(limiter.numbers().away);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_context_says_nothing_of_the_store() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    store.is(Mood::Hangs);
    // A tenth of what is left.
    let hurried = Context::root().with_timeout(ms(100));
    let began = Instant::now();
    refused(limiter.take(&hurried, "ann", 1).await);
    assert_eq!(began.elapsed(), ms(10));
    assert!(!limiter.numbers().away);
    // One that is cancelled meanwhile.
    let child = Context::root().child();
    let mut waits = std::pin::pin!(limiter.take(&child, "ann", 1));
    assert!(waits.as_mut().now_or_never().is_none());
    child.cancel("enough");
    assert!(matches!(waits.await.unwrap_err().kind(), FailedKind::Ended(_)));
    // One that has ended before.
    let asked = store.asked();
    assert!(matches!(
        limiter.take(&child, "ann", 1).await.unwrap_err().kind(),
        FailedKind::Ended(_)
    ));
    assert_eq!(store.asked(), asked);
    let numbers = limiter.numbers();
    assert_eq!((numbers.away, numbers.switches, numbers.failures), (false, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_charged_once_and_not_asked_for_again() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    store.is(Mood::LosesAnswers);
    refused(take(&limiter).await);
    assert_eq!(store.asked(), 1);
    store.is(Mood::Well);
    pass(ms(100)).await;
    store.is(Mood::Well);
    let left = limiter.take(&Context::root(), "ann", 0).await.unwrap();
    assert_eq!(left.remaining(), 5, "100 ms later it is back");
    store.is(Mood::LosesAnswers);
    refused(limiter.take(&Context::root(), "ann", 3).await);
    store.is(Mood::Well);
    pass(ms(100)).await;
    let left = limiter.take(&Context::root(), "ann", 0).await.unwrap();
    assert_eq!(left.remaining(), 3, "three were taken, one is back");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_forgot_is_counted() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    take(&limiter).await.unwrap();
    let outage = async || {
        store.is(Mood::Ill);
        refused(take(&limiter).await);
        store.is(Mood::Well);
        pass(ms(100)).await;
        drop(take(&limiter).await);
    };
    outage().await;
    assert_eq!(limiter.numbers().forgot, 0);
    store.epoch.store(2, Ordering::SeqCst);
    outage().await;
    assert_eq!(limiter.numbers().forgot, 1);
    outage().await;
    assert_eq!(limiter.numbers().forgot, 1);
}

#[tokio::test(start_paused = true)]
async fn a_visit_that_is_dropped_anywhere_leaves_the_store_as_it_is() {
    let world = async || {
        let store = Store::new();
        let limiter = five(&store, OnStoreError::Closed);
        assert_eq!(drain(&limiter).await, 5);
        // The next one asks whether it is back, and waits for it.
        store.is(Mood::Ill);
        refused(take(&limiter).await);
        store.is(Mood::Slow(ms(10)));
        pass(ms(100)).await;
        (store, limiter, Context::root())
    };
    let left = async |(store, limiter, _): &(Arc<Store>, Shared<Handle>, Context)| {
        store.is(Mood::Well);
        pass(ms(100)).await;
        drop(take(limiter).await);
        let numbers = limiter.numbers();
        assert_eq!((numbers.away, numbers.switches, numbers.forgot), (false, 1, 0));
        // Whoever was dropped while it looked left that to the next.
        store.epoch.store(2, Ordering::SeqCst);
        store.is(Mood::Ill);
        drop(take(limiter).await);
        store.is(Mood::Well);
        pass(ms(100)).await;
        drop(take(limiter).await);
        assert_eq!(limiter.numbers().forgot, 1);
    };
    drop_at_each(world, async |(_, limiter, ctx)| limiter.take(ctx, "ann", 1).await, left).await;
    let reserve = async |(_, limiter, ctx): &(_, Shared<Handle>, Context)| {
        limiter.reserve(ctx, "ann", 1, ms(1_000)).await
    };
    drop_at_each(world, reserve, left).await;
    let acquire = async |(_, limiter, ctx): &(_, Shared<Handle>, Context)| {
        limiter.acquire(ctx, "ann", 1).await
    };
    drop_at_each(world, acquire, left).await;
    let penalize = async |(_, limiter, ctx): &(_, Shared<Handle>, Context)| {
        limiter.penalize(ctx, "ann", ms(1)).await
    };
    drop_at_each(world, penalize, left).await;
    let call = async |(_, limiter, ctx): &(_, Shared<Handle>, Context)| {
        limiter.call(ctx, "ann", async || Ok::<_, linchpin::Error>(1)).await
    };
    drop_at_each(world, call, left).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_leaves_the_limiter_whole() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    take(&limiter).await.unwrap();
    store.is(Mood::Panics);
    assert!(AssertUnwindSafe(take(&limiter)).catch_unwind().await.is_err());
    // Also of who asks whether it is back.
    store.is(Mood::Ill);
    refused(take(&limiter).await);
    pass(ms(100)).await;
    store.is(Mood::Panics);
    assert!(AssertUnwindSafe(take(&limiter)).catch_unwind().await.is_err());
    store.is(Mood::Well);
    pass(ms(100)).await;
    take(&limiter).await.unwrap();
    assert!(!limiter.numbers().away);
}
