//! Ticker: rhythm, what is missed, jitter, and that a dropped wait loses nothing.

use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::task::Ticker;
use linchpin::task::ticker::{Missed, Options, Start};
use linchpin::time::Instant;
use linchpin_testing::steps;
use proptest::prelude::*;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::paused;

const SECOND: Duration = Duration::from_secs(1);

fn ticker(seconds: u64, options: Options) -> Ticker {
    Ticker::new(SECOND * seconds as u32, options).unwrap()
}

/// When ticks came, in seconds from now, if the work after each takes so long; and how many were missed.
async fn course(mut ticker: Ticker, work: &[u64]) -> Vec<(u64, u64)> {
    let (ctx, began) = (Context::root(), Instant::now());
    let mut seen = Vec::new();
    for seconds in work {
        let tick = ticker.tick(&ctx).await.unwrap();
        seen.push((began.elapsed().as_secs(), tick.missed));
        sleep(SECOND * *seconds as u32).await;
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_ticker_keeps_its_rhythm_and_skips_what_slow_work_missed() {
    let course = course(ticker(10, Options::default()), &[0, 25, 0, 0]).await;
    // 20 comes late, at 35, instead of 30; the rhythm is kept.
    assert_eq!(course, [(0, 0), (10, 0), (35, 1), (40, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_ticker_may_make_up_for_what_was_missed() {
    let course = course(ticker(10, Options::default().missed(Missed::Burst)), &[25, 0, 0, 0]).await;
    assert_eq!(course, [(0, 0), (25, 0), (25, 0), (30, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_ticker_may_begin_its_rhythm_anew_after_slow_work() {
    let course = course(ticker(10, Options::default().missed(Missed::Delay)), &[0, 35, 0, 0]).await;
    assert_eq!(course, [(0, 0), (10, 0), (45, 2), (55, 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_tick_comes_at_once_after_a_period_or_somewhere_within() {
    assert_eq!(course(ticker(10, Options::default()), &[0]).await, [(0, 0)]);
    let after = Options::default().start(Start::AfterPeriod);
    assert_eq!(course(ticker(10, after), &[0, 0]).await, [(10, 0), (20, 0)]);
    let began = Instant::now();
    let starts: Vec<Duration> = (0..64)
        .map(|seed| ticker(10, Options::default().start(Start::Spread).seed(seed)).due() - began)
        .collect();
    assert!(starts.iter().all(|start| *start < SECOND * 10));
    assert!(starts.iter().any(|start| *start < SECOND * 3));
    assert!(starts.iter().any(|start| *start > SECOND * 7));
}

#[tokio::test(start_paused = true)]
async fn jitter_moves_ticks_within_their_share_and_never_the_rhythm() {
    let (ctx, began) = (Context::root(), Instant::now());
    let mut ticker = ticker(10, Options::default().jitter(0.5).seed(7));
    let mut offsets = Vec::new();
    for place in 0..100 {
        let tick = ticker.tick(&ctx).await.unwrap();
        assert_eq!(tick.missed, 0);
        offsets.push(tick.due - (began + SECOND * 10 * place));
    }
    assert!(offsets.iter().all(|offset| *offset < SECOND * 5), "{offsets:?}");
    assert!(
        offsets.iter().any(|offset| *offset < SECOND) && offsets.iter().any(|o| *o > SECOND * 4)
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_the_rhythm_anew() {
    let (ctx, began) = (Context::root(), Instant::now());
    let mut ticker = ticker(10, Options::default());
    ticker.tick(&ctx).await.unwrap();
    sleep(SECOND * 4).await;
    ticker.reset();
    ticker.tick(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 14);
    ticker.reset_to(SECOND).unwrap();
    ticker.tick(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 15);
    assert!(ticker.reset_to(Duration::ZERO).is_err());
    assert_eq!(ticker.period(), SECOND);
    sleep(SECOND / 2).await;
    ticker.hurry();
    let tick = ticker.tick(&ctx).await.unwrap();
    assert_eq!((tick.late, began.elapsed()), (Duration::ZERO, SECOND * 31 / 2));
    ticker.tick(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 33 / 2);
}

#[tokio::test(start_paused = true)]
async fn a_context_ends_the_wait_and_a_deadline_before_the_tick_refuses_at_once() {
    let mut ticker = ticker(10, Options::default());
    let ctx = Context::root().with_timeout(SECOND * 15);
    ticker.tick(&ctx).await.unwrap();
    ticker.tick(&ctx).await.unwrap();
    let began = Instant::now();
    let refused = ticker.tick(&ctx).await.unwrap_err();
    assert!(matches!(refused.cause(), Cause::Deadline));
    assert_eq!(began.elapsed(), Duration::ZERO);

    let ctx = Context::root().child();
    let (waited, ()) = tokio::join!(ticker.tick(&ctx), async {
        sleep(SECOND).await;
        ctx.cancel("enough");
    });
    assert_eq!(waited.unwrap_err().to_string(), "ended: enough");
    assert_eq!(began.elapsed(), SECOND);
    // The tick is still to come.
    ticker.tick(&Context::root()).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn a_tick_at_the_very_deadline_comes() {
    let ctx = Context::root().with_timeout(SECOND * 10);
    let mut ticker = ticker(10, Options::default().start(Start::AfterPeriod));
    assert!(ticker.tick(&ctx).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_no_tick() {
    let world = async || (Context::root().child(), Mutex::new(ticker(1, Options::default())));
    let report = steps::drop_at_each(
        world,
        async |(ctx, ticker)| {
            let mut ticker = ticker.lock().await;
            ticker.tick(ctx).await.unwrap();
            ticker.tick(ctx).await.unwrap();
        },
        async |(ctx, ticker)| {
            let mut ticker = ticker.try_lock().expect("given back");
            let due = ticker.due();
            assert_eq!(ticker.tick(ctx).await.unwrap().due, due);
        },
    )
    .await;
    assert!(report.steps >= 2, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn ticks_that_are_all_due_let_others_run() {
    let mut ticker = ticker(1, Options::default().missed(Missed::Burst));
    sleep(SECOND * 1_000_000).await;
    let ctx = Context::root();
    let burst = async {
        for _ in 0..1_000_000 {
            ticker.tick(&ctx).await.unwrap();
        }
    };
    let other = tokio::task::yield_now();
    tokio::select! {
        biased;
        () = burst => panic!("it kept the thread to itself"),
        () = other => {}
    }
}

#[test]
fn a_ticker_is_made_and_asked_for_what_is_due_without_a_runtime() {
    let mut ticker = Ticker::every(Duration::from_hours(1)).unwrap();
    assert!(ticker.tick(&Context::root()).now_or_never().unwrap().is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let refused = |period, options| Ticker::new(period, options).unwrap_err().to_string();
    assert!(refused(Duration::ZERO, Options::default()).contains("zero"));
    for share in [-0.1, 1.1, f64::NAN] {
        assert!(refused(SECOND, Options::default().jitter(share)).contains("share"));
    }
}

proptest! {
    /// Whatever the work takes: by default no place of the rhythm is left out or comes twice.
    #[test]
    fn every_place_of_the_rhythm_is_a_tick_or_missed(work in prop::collection::vec(0_u64..50, 1..40)) {
        paused::block_on(async {
            let (began, mut place) = (Instant::now(), 0);
            let mut ticker = ticker(10, Options::default());
            for seconds in work {
                let tick = ticker.tick(&Context::root()).await.unwrap();
                assert_eq!(tick.due - began, SECOND * 10 * place);
                assert!(tick.late < SECOND * 10 * (tick.missed as u32 + 1));
                place += 1 + tick.missed as u32;
                sleep(SECOND * seconds as u32).await;
            }
        });
    }
}
