//! When the next attempt is due: quantiles, and how they follow what attempts take.

use std::iter::repeat_n;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::hedge::{Hedge, Options};
use linchpin::resilience::retry::Attempt;
use linchpin::time::Instant;

use super::{MS, ROOT, SECOND, ample, hedge};

fn by_quantile() -> Options {
    Options::default().idempotent()
}

/// Calls that take so long each, and what the delay is after them.
async fn calls(hedge: &Hedge, take: impl IntoIterator<Item = Duration>) -> Option<Duration> {
    for takes in take {
        let work = |_: Attempt<'_>| async move {
            tokio::time::sleep(takes).await;
            Ok::<_, ()>(())
        };
        hedge.call(&ROOT, work).await.unwrap();
    }
    hedge.numbers().delay
}

#[tokio::test(start_paused = true)]
async fn h9_the_delay_is_the_nearest_rank_once_a_hundred_are_known() {
    let hedge = hedge(by_quantile());
    assert_eq!(calls(&hedge, (1..100).map(|ms| ms * MS)).await, None, "99 are not enough");
    assert_eq!(hedge.snapshot().state, "measuring");
    assert_eq!(calls(&hedge, [100 * MS]).await, Some(95 * MS));
    assert_eq!(hedge.numbers().sent, 0, "and none was hedged");
    let start = Instant::now();
    let slow = hedge.call(&ROOT, |attempt| async move {
        if !attempt.is_retry() {
            tokio::time::sleep(SECOND).await;
        }
        Ok::<_, ()>(attempt.number())
    });
    assert_eq!((slow.await.unwrap(), start.elapsed()), (2, 95 * MS));
    let numbers = hedge.numbers();
    assert_eq!((numbers.calls, numbers.sent, numbers.won, numbers.lost), (101, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_delay_follows_the_last_thousand_and_is_never_below_its_least() {
    let hedge = hedge(by_quantile().max_extra_load(0.001));
    assert_eq!(calls(&hedge, repeat_n(10 * MS, 100)).await, Some(10 * MS));
    // Slow for all: five in a hundred of the window are enough.
    assert_eq!(calls(&hedge, repeat_n(200 * MS, 50)).await, Some(200 * MS));
    assert_eq!(calls(&hedge, repeat_n(10 * MS, 900)).await, Some(10 * MS));
    assert_eq!(calls(&hedge, repeat_n(Duration::ZERO, 1000)).await, Some(MS), "the least");
    assert_eq!(
        calls(&hedge, repeat_n(Duration::from_secs(5000), 100)).await,
        Some(4_294_967_294 * MS / 1_000)
    );
}

#[tokio::test(start_paused = true)]
async fn fast_failures_and_those_who_went_away_do_not_lower_the_delay() {
    let hedge = hedge(by_quantile().max_attempts(1));
    assert_eq!(calls(&hedge, repeat_n(100 * MS, 100)).await, Some(100 * MS));
    let ctx = Context::root();
    for _ in 0..2000 {
        let failed = hedge.call(&ctx, |_| async {
            tokio::time::sleep(MS).await;
            Err::<(), _>(())
        });
        assert!(failed.await.is_err());
        let call = hedge.call(&ctx, |_| std::future::pending::<Result<(), ()>>());
        assert!(tokio::time::timeout(MS, call).await.is_err(), "dropped");
    }
    assert_eq!(hedge.numbers().delay, Some(100 * MS));
    // One that took as long as the delay, as a time limit does, counts.
    for _ in 0..100 {
        let failed = hedge.call(&ctx, |_| async {
            tokio::time::sleep(SECOND).await;
            Err::<(), _>(())
        });
        assert!(failed.await.is_err());
    }
    assert_eq!(hedge.numbers().delay, Some(SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_lost_and_what_the_deadline_cut_count_as_slow_as_they_were() {
    let hedge = hedge(by_quantile().max_extra_load(10.0));
    assert_eq!(calls(&hedge, repeat_n(100 * MS, 100)).await, Some(100 * MS));
    let root = Context::root();
    // Twenty-five calls whose first attempt loses after 300 ms, the second taking 200.
    for _ in 0..25 {
        let won = hedge.call(&root, |attempt| async move {
            let takes = if attempt.is_retry() { 200 } else { 10_000 };
            tokio::time::sleep(takes * MS).await;
            Ok::<_, ()>(())
        });
        won.await.unwrap();
    }
    // 150 samples, of which 25 took 300: the 143rd of them does.
    assert_eq!(hedge.numbers().delay, Some(300 * MS));
    let hedge = super::hedge(by_quantile().max_attempts(1));
    assert_eq!(calls(&hedge, repeat_n(100 * MS, 100)).await, Some(100 * MS));
    for _ in 0..50 {
        let ctx = root.with_timeout(700 * MS);
        assert!(hedge.call(&ctx, |_| std::future::pending::<Result<(), ()>>()).await.is_err());
    }
    assert_eq!(hedge.numbers().delay, Some(700 * MS));
}

#[tokio::test(start_paused = true)]
async fn before_the_delay_is_known_a_failure_still_brings_the_next() {
    let hedge = hedge(by_quantile().max_attempts(3).max_extra_load(10.0));
    let start = Instant::now();
    let call = hedge.call(&ROOT, |attempt| async move {
        tokio::time::sleep(10 * MS).await;
        if attempt.number() == 3 { Ok(()) } else { Err(()) }
    });
    call.await.unwrap();
    assert_eq!((start.elapsed(), hedge.numbers().sent), (30 * MS, 2));
}

#[tokio::test(start_paused = true)]
async fn other_options_are_taken_while_it_runs_and_what_was_counted_stays() {
    let hedge = hedge(by_quantile());
    assert_eq!(calls(&hedge, (1..=100).map(|ms| ms * MS)).await, Some(95 * MS));
    hedge.reconfigure(by_quantile().quantile(0.5)).unwrap();
    assert_eq!(hedge.numbers().delay, Some(50 * MS), "found in what is known");
    hedge.reconfigure(ample()).unwrap();
    assert_eq!((hedge.numbers().delay, hedge.numbers().calls), (Some(500 * MS), 100));
    hedge.reconfigure(by_quantile().min_delay(97 * MS)).unwrap();
    assert_eq!(hedge.numbers().delay, Some(97 * MS));
    assert!(hedge.reconfigure(by_quantile().quantile(1.0)).is_err());
    assert_eq!(hedge.numbers().delay, Some(97 * MS), "nothing has changed");
    hedge.reconfigure(ample().max_attempts(1)).unwrap();
    let start = Instant::now();
    assert_eq!(calls(&hedge, [SECOND]).await, Some(500 * MS));
    assert_eq!((start.elapsed(), hedge.numbers().sent, hedge.snapshot().state), (SECOND, 0, "off"));
}

#[tokio::test(start_paused = true)]
async fn the_extra_load_is_exact_and_a_window() {
    let hedge = hedge(Options::default().idempotent().delay(MS));
    let slow = || async {
        let work = |_: Attempt<'_>| async {
            tokio::time::sleep(2 * MS).await;
            Ok::<_, ()>(())
        };
        hedge.call(&ROOT, work).await.unwrap();
    };
    for _ in 0..100 {
        slow().await;
    }
    // One for each twenty calls, and the first twentieth call is the first to have it.
    assert_eq!((hedge.numbers().sent, hedge.numbers().out_of_budget), (5, 95));
    tokio::time::sleep(11 * SECOND).await;
    slow().await;
    assert_eq!(hedge.numbers().sent, 5, "calls that are long ago pay for nothing");
    // 0.3 is 30 of a hundred, and not 33.
    hedge.reconfigure(Options::default().delay(MS).max_extra_load(0.3)).unwrap();
    for _ in 0..100 {
        slow().await;
    }
    assert_eq!(hedge.numbers().sent - 5, 30);
}
