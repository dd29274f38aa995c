//! Go's own tests of `time.Timer` and `time.Ticker`: the cases that hold here too. The table is in the guide, C5.

use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::task::ticker::{Options, Start};
use linchpin::task::{self, Ticker, Timer};
use linchpin::time::Instant;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

fn like_go(period: Duration) -> Ticker {
    Ticker::new(period, Options::default().start(Start::AfterPeriod)).unwrap()
}

fn fired(timer: &mut Timer) -> bool {
    timer.wait(&Context::root()).now_or_never().is_some()
}

/// `TestTicker`: ten ticks, the second half at twice the period, take as long as they should; and then it stops.
#[tokio::test(start_paused = true)]
async fn ten_ticks_with_a_reset_in_between_take_as_long_as_they_should() {
    let (ctx, began) = (Context::root().child(), Instant::now());
    let mut ticker = like_go(SECOND);
    for _ in 0..5 {
        ticker.tick(&ctx).await.unwrap();
    }
    ticker.reset_to(SECOND * 2).unwrap();
    for _ in 0..5 {
        ticker.tick(&ctx).await.unwrap();
    }
    assert_eq!(began.elapsed(), SECOND * 15);
    ctx.cancel("stop");
    sleep(SECOND * 4).await;
    assert!(ticker.tick(&ctx).now_or_never().unwrap().is_err());
}

/// `TestNewTickerLtZeroDuration`, `TestTickerResetLtZeroDuration`.
#[test]
fn a_period_of_zero_is_refused_at_the_start_and_at_a_reset() {
    assert!(Ticker::every(Duration::ZERO).is_err());
    assert!(like_go(SECOND).reset_to(Duration::ZERO).is_err());
}

/// `TestAfterTimes`, `TestTickTimes`: the time given is the one it was due at, not when it was fetched.
#[tokio::test(start_paused = true)]
async fn what_is_fetched_late_says_when_it_was_due() {
    let (ctx, began) = (Context::root(), Instant::now());
    let (mut timer, mut ticker) = (Timer::after(SECOND), like_go(SECOND));
    sleep(SECOND * 50).await;
    assert_eq!(timer.wait(&ctx).await.unwrap(), began + SECOND);
    let tick = ticker.tick(&ctx).await.unwrap();
    assert_eq!((tick.due, tick.late, tick.missed), (began + SECOND, SECOND * 49, 49));
}

/// `TestChan`: neither `Stop` nor `Reset` lets an old value be received.
#[tokio::test(start_paused = true)]
async fn a_stop_and_a_reset_leave_no_stale_firing_behind() {
    let mut timer = Timer::after(Duration::from_nanos(1));
    sleep(SECOND).await;
    assert!(timer.stop(), "it had not been received");
    assert!(!fired(&mut timer));
    assert!(!timer.reset(HOUR));
    assert!(!fired(&mut timer));
    assert!(timer.reset(Duration::from_millis(1)), "pending");
    sleep(SECOND).await;
    assert!(fired(&mut timer));
    assert!(!fired(&mut timer), "once");
    assert!(!timer.reset(HOUR), "it had been received");
    assert!(!fired(&mut timer));
}

/// `TestChan` again, for a ticker: a reset withdraws a tick that nobody fetched.
#[tokio::test(start_paused = true)]
async fn a_reset_withdraws_a_tick_that_nobody_fetched() {
    let mut ticker = like_go(SECOND);
    sleep(SECOND).await;
    ticker.reset_to(HOUR).unwrap();
    assert!(ticker.tick(&Context::root()).now_or_never().is_none());
}

/// `TestAfterStop`: what is stopped does not fire, and a second stop says no.
#[tokio::test(start_paused = true)]
async fn a_stopped_timer_does_not_fire_and_stops_once() {
    let (mut first, mut last) = (Timer::after(SECOND), Timer::after(SECOND * 4));
    assert!(first.stop());
    last.wait(&Context::root()).await.unwrap();
    assert!(!fired(&mut first));
    assert!(!first.stop());
}

/// `TestAfter`, `TestAfterTick`, `TestSleep`: it takes as long as it should.
#[tokio::test(start_paused = true)]
async fn timers_one_after_the_other_take_the_sum() {
    let (ctx, began) = (Context::root(), Instant::now());
    for _ in 0..10 {
        Timer::after(SECOND).wait(&ctx).await.unwrap();
    }
    ctx.sleep(SECOND).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 11);
}

/// `TestAfterQueuing`: timers made in any order fire in the order of their moments.
#[tokio::test(start_paused = true)]
async fn timers_fire_in_the_order_of_their_moments() {
    let fired = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let waits = [5_u32, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0].map(|slot| {
        let fired = fired.clone();
        task::spawn("waits", async move {
            Timer::after(SECOND * slot).wait(&Context::root()).await.unwrap();
            fired.lock().unwrap().push(slot);
        })
    });
    for wait in waits {
        wait.join().await;
    }
    let fired = fired.lock().unwrap();
    assert!(fired.is_sorted(), "{fired:?}");
}

/// `TestOverflowSleep`: the longest wait is long, and disturbs no other.
#[tokio::test(start_paused = true)]
async fn the_longest_wait_does_not_overflow_into_a_short_one() {
    let ctx = Context::root();
    let mut longest = Timer::after(Duration::MAX);
    tokio::select! {
        biased;
        _ = longest.wait(&ctx) => panic!("fired"),
        short = async { Timer::after(SECOND).wait(&ctx).await } => drop(short.unwrap()),
    }
    let mut ticker = Ticker::every(Duration::MAX).unwrap();
    assert_eq!(ticker.tick(&ctx).await.unwrap().missed, 0);
    assert!(ticker.tick(&ctx).now_or_never().is_none());
}

/// `TestZeroTimer`: a timer of nothing fires at once, new or used again.
#[tokio::test(start_paused = true)]
async fn a_timer_of_zero_fires_at_once() {
    let (ctx, began) = (Context::root(), Instant::now());
    Timer::after(Duration::ZERO).wait(&ctx).await.unwrap();
    let mut timer = Timer::after(HOUR);
    timer.reset(Duration::ZERO);
    timer.wait(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// `TestTimerModifiedEarlier`, `TestAdjustTimers`: moved about, it fires where it was left.
#[tokio::test(start_paused = true)]
async fn a_timer_that_is_moved_about_fires_where_it_was_left() {
    let (ctx, began) = (Context::root(), Instant::now());
    let mut timer = Timer::after(HOUR);
    for _ in 0..100 {
        for seconds in [3_600, 1, 60, 2] {
            assert!(timer.reset(SECOND * seconds));
            assert!(!fired(&mut timer));
        }
    }
    timer.wait(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 2);
}

/// `TestStopResult`, `TestResetResult`: of two that fire at once, the one not received says yes and is not received.
#[tokio::test(start_paused = true)]
async fn stop_and_reset_say_exactly_whether_the_firing_was_received() {
    let ctx = Context::root();
    for by_stop in [true, false] {
        let (mut one, mut two) = (Timer::after(SECOND), Timer::after(SECOND));
        one.wait(&ctx).await.unwrap();
        assert!(if by_stop { two.stop() } else { two.reset(HOUR) });
        assert!(!fired(&mut two));
        assert!(if by_stop { !one.stop() } else { !one.reset(HOUR) });
    }
}

/// `TestTeardown`: tickers made and dropped over and over leave nothing that hangs.
#[tokio::test(start_paused = true)]
async fn tickers_that_are_dropped_in_the_middle_of_a_wait_leave_nothing() {
    for _ in 0..3 {
        let mut ticker = like_go(Duration::from_millis(100));
        ticker.tick(&Context::root()).await.unwrap();
        assert!(ticker.tick(&Context::root()).now_or_never().is_none());
    }
}
