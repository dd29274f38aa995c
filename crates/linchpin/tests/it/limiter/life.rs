//! A limiter in use: waits and turns, calls, contexts, panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Limiter, Options, Rate};
use linchpin::resilience::{Failed, FailedKind};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{drain, five, gcra, limiter, ms, pass, remaining, retry_after};

fn spent() -> Limiter {
    let limiter = gcra(1);
    drain(&limiter, 1);
    limiter
}

/// Whoever was dropped before its turn has given it back.
fn is_as_before(limiter: &Limiter) {
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_anywhere_gives_its_turn_back() {
    drop_at_each(
        async || (spent(), Context::root().child(), Instant::now()),
        async |(limiter, ctx, _)| limiter.acquire(ctx, 1).await,
        async |(limiter, _, began)| {
            if Instant::now() == *began {
                is_as_before(limiter);
            }
        },
    )
    .await;
    drop_at_each(
        async || (spent(), Context::root(), Instant::now()),
        async |(limiter, ctx, _)| limiter.reserve(1, ms(100)).unwrap().wait(ctx).await,
        async |(limiter, _, began)| {
            if Instant::now() == *began {
                is_as_before(limiter);
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_may_be_dropped_anywhere() {
    drop_at_each(
        async || {
            let options = Options::default().burst(1).max_wait(ms(1_000));
            let limiter = limiter(Rate::per_second(10), options);
            drain(&limiter, 1);
            (limiter, Instant::now())
        },
        async |(limiter, _)| {
            let work = async || {
                tokio::task::yield_now().await;
                Ok::<_, ()>(1)
            };
            limiter.call(&Context::root(), work).await
        },
        async |(limiter, began)| {
            if Instant::now() == *began {
                is_as_before(limiter);
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_key_may_be_dropped_anywhere() {
    drop_at_each(
        async || {
            let options = Options::default().burst(1);
            let keyed: Keyed<u8> =
                Keyed::new("test", Rate::per_second(10), options, KeyedOptions::default()).unwrap();
            keyed.try_acquire(&1, 1).unwrap();
            (keyed, Instant::now())
        },
        async |(keyed, _)| keyed.acquire(&Context::root(), &1, 1).await,
        async |(keyed, began)| {
            if Instant::now() == *began {
                assert_eq!(retry_after(keyed.try_acquire(&1, 1)), ms(100));
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_context_that_has_ended_takes_nothing_and_one_that_ends_gives_back() {
    let limiter = five();
    let gone = Context::root().child();
    gone.cancel("gone");
    assert!(limiter.acquire(&gone, 1).await.is_err());
    assert!(limiter.call(&gone, async || Ok::<_, ()>(1)).await.is_err());
    assert_eq!(remaining(&limiter), 5);

    let limiter = spent();
    let ctx = Context::root().child();
    let mut wait = Box::pin(limiter.acquire(&ctx, 1));
    assert!((&mut wait).now_or_never().is_none());
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(200));
    ctx.cancel("meanwhile");
    let failed = wait.await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)), "{failed:?}");
    is_as_before(&limiter);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_given_back_on_drop_and_used_by_who_keeps_it() {
    let limiter = spent();
    drop(limiter.reserve(1, ms(100)).unwrap());
    is_as_before(&limiter);
    let began = Instant::now();
    assert_eq!(limiter.reserve(1, ms(100)).unwrap().keep(), began + ms(100));
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(200));
    let gone = Context::root().child();
    gone.cancel("gone");
    let turn = limiter.reserve(1, ms(200)).unwrap();
    assert_eq!(turn.decision().waited(), ms(200));
    assert!(turn.wait(&gone).await.is_err());
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(200));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_refused_by_default_and_waits_if_it_may() {
    let ctx = Context::root();
    let refused: Result<(), Failed<Error>> =
        spent().call(&ctx, || async { unreachable!("never asked") }).await;
    let FailedKind::Refused(refusal) = refused.unwrap_err().into_kind() else {
        panic!("no refusal")
    };
    assert_eq!(
        refusal.to_string(),
        "limiter `test` refused: its rate is used up (1 of 1), try again in 100ms"
    );
    assert!(!refusal.retryable, "a retry around it would only ask again");
    assert_eq!(Error::from(refusal).kind(), Kind::ResourceExhausted);

    let options = Options::default().burst(1).max_wait(ms(150));
    let limiter = limiter(Rate::per_second(10), options);
    let began = Instant::now();
    let call = || limiter.call(&ctx, async || Ok::<_, ()>(Instant::now() - began));
    let (one, two, three) = tokio::join!(call(), call(), call());
    assert_eq!((one.unwrap(), two.unwrap()), (ms(0), ms(100)));
    let FailedKind::Refused(refusal) = three.unwrap_err().into_kind() else { panic!("no refusal") };
    assert_eq!(refusal.reason, "the wait would be too long");
    // The context leaves less than the limiter would.
    let hasty = Context::root().with_timeout(ms(50));
    assert!(limiter.call(&hasty, async || Ok::<_, ()>(1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_callees_error_is_passed_on_and_a_panic_is_the_callers() {
    let limiter = five();
    let ctx = Context::root();
    let failed = limiter.call(&ctx, async || Err::<(), _>("broken")).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(error) if *error == "broken"));
    let call = limiter.call(&ctx, || async { panic!("boom") });
    let raised = AssertUnwindSafe(call).catch_unwind().await;
    assert!(raised.map(|_: Result<(), Failed<()>>| ()).is_err());
    assert_eq!(remaining(&limiter), 3, "both have begun");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_dropped_by_a_panic_comes_back() {
    let limiter = spent();
    let panics = || {
        let _turn = limiter.reserve(1, ms(100)).unwrap();
        panic!("boom");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    is_as_before(&limiter);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_what_is_left() {
    let limiter = five();
    drain(&limiter, 4);
    assert_eq!(
        limiter.snapshot().to_string(),
        "limiter `test`: passing, limit 5, remaining 1, per_second 10, reset_after 0.4"
    );
    drain(&limiter, 1);
    assert_eq!(limiter.snapshot().state, "spent");
    pass(ms(500)).await;
    assert_eq!(limiter.snapshot().numbers[1], ("remaining", 5.0));
    let shown = format!("{limiter:?}");
    assert!(shown.starts_with("Limiter { name: \"test\", rate: Rate { count: 10"), "{shown}");
}
