//! Timer: armed, put off, withdrawn; and that a dropped wait loses nothing.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::task::Timer;
use linchpin::time::Instant;
use linchpin_testing::steps;
use tokio::sync::Mutex;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_timer_fires_once_and_then_waits_for_its_context() {
    let (ctx, began) = (Context::root().child(), Instant::now());
    let mut timer = Timer::after(SECOND);
    assert_eq!(timer.wait(&ctx).await.unwrap(), began + SECOND);
    assert_eq!((began.elapsed(), timer.moment()), (SECOND, None));
    let (again, ()) = tokio::join!(timer.wait(&ctx), async {
        sleep(SECOND * 60).await;
        ctx.cancel("enough");
    });
    assert_eq!(again.unwrap_err().to_string(), "ended: enough");
    assert!(timer.wait(&ctx).now_or_never().unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_put_off_and_brought_forward() {
    let (ctx, began) = (Context::root(), Instant::now());
    let mut timer = Timer::after(SECOND * 10);
    assert!(timer.wait(&ctx).now_or_never().is_none(), "the runtime's timer is set for 10");
    assert!(timer.reset(SECOND * 30));
    sleep(SECOND * 20).await;
    assert!(timer.wait(&ctx).now_or_never().is_none(), "put off");
    assert!(timer.reset_at(began + SECOND * 25));
    timer.wait(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 25);
    assert!(!timer.reset(SECOND));
    timer.wait(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 26);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_put_off_again_and_again_fires_at_its_last_moment() {
    let (ctx, began) = (Context::root(), Instant::now());
    let mut timer = Timer::after(SECOND * 10);
    for _ in 0..25 {
        assert!(timer.wait(&ctx).now_or_never().is_none());
        sleep(SECOND).await;
        assert!(timer.reset(SECOND * 10));
    }
    // The runtime's timer rang long ago, and is moved now.
    assert_eq!(timer.wait(&ctx).await.unwrap(), began + SECOND * 35);
    assert_eq!(began.elapsed(), SECOND * 35);
    // Put off, withdrawn and set nearer than the runtime's timer stands.
    timer.reset(SECOND * 10);
    assert!(timer.wait(&ctx).now_or_never().is_none());
    assert!(timer.stop());
    timer.reset(SECOND * 2);
    timer.wait(&ctx).await.unwrap();
    assert_eq!(began.elapsed(), SECOND * 37);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_the_moment_refuses_at_once_and_leaves_the_timer_armed() {
    let began = Instant::now();
    let mut timer = Timer::after(SECOND * 10);
    let ctx = Context::root().with_timeout(SECOND);
    let refused = timer.wait(&ctx).await.unwrap_err();
    assert!(matches!(refused.cause(), Cause::Deadline));
    assert_eq!((began.elapsed(), timer.moment()), (Duration::ZERO, Some(began + SECOND * 10)));
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_polled_fires_once_and_not_while_it_is_stopped() {
    let began = Instant::now();
    let mut timer = Timer::stopped();
    assert!(poll_fn(|cx| timer.poll_fire(cx)).now_or_never().is_none());
    timer.reset(SECOND);
    assert!(poll_fn(|cx| timer.poll_fire(cx)).now_or_never().is_none(), "not yet");
    assert!(timer.stop() && !timer.stop());
    sleep(SECOND * 2).await;
    assert!(poll_fn(|cx| timer.poll_fire(cx)).now_or_never().is_none(), "withdrawn");
    timer.reset(SECOND);
    assert_eq!(poll_fn(|cx| timer.poll_fire(cx)).await, began + SECOND * 3);
    assert_eq!((began.elapsed(), timer.moment()), (SECOND * 3, None));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_leaves_the_timer_armed() {
    let report = steps::drop_at_each(
        async || (Context::root().child(), Mutex::new(Timer::after(SECOND))),
        async |(ctx, timer)| timer.lock().await.wait(ctx).await.map(drop).unwrap(),
        async |(ctx, timer)| {
            let mut timer = timer.try_lock().expect("given back");
            if timer.moment().is_some() {
                timer.wait(ctx).await.unwrap();
            }
            assert_eq!(timer.moment(), None);
        },
    )
    .await;
    assert_eq!(report.steps, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_on_a_stopped_timer_leaves_nothing() {
    steps::Options::default()
        .drop_at_each(
            async || {
                let ctx = std::sync::Arc::new(Context::root().child());
                let later = ctx.clone();
                let task = linchpin::task::spawn("ender", async move {
                    sleep(SECOND).await;
                    later.cancel("enough");
                });
                (ctx, task)
            },
            async |(ctx, _)| Timer::stopped().wait(ctx).await.map(drop).unwrap_err(),
            async |_| {},
        )
        .await;
}
