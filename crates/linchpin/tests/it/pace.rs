//! Debounce and throttle: what is handed on, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::sync::channel::RecvError;
use linchpin::task::pace::{Edge, Paced, Pusher};
use linchpin::task::{self, debounce, throttle};
use linchpin::time::Instant;
use linchpin::{Context, Error};
use linchpin_testing::steps;
use proptest::prelude::*;
use tokio::sync::Mutex;
use tokio::time::{sleep, sleep_until};

use crate::paused;

const MS: Duration = Duration::from_millis(1);

type Pair = (Pusher<u32>, Paced<u32>);

fn debounced(quiet: u32, options: debounce::Options) -> Pair {
    debounce::channel(MS * quiet, options).unwrap()
}

fn throttled(interval: u32, edge: Edge) -> Pair {
    throttle::channel(MS * interval, throttle::Options::default().edge(edge)).unwrap()
}

fn edge(edge: Edge) -> debounce::Options {
    debounce::Options::default().edge(edge)
}

/// Pushes at these moments, each its own moment, keeps the pusher for a second more; when what came, in milliseconds.
async fn course((pusher, mut paced): Pair, pushes: &[u32]) -> Vec<(u128, u32)> {
    let (ctx, began) = (Context::root(), Instant::now());
    let pushes = pushes.to_vec();
    let source = task::spawn("source", async move {
        for at in pushes {
            sleep_until((began + MS * at).into_tokio()).await;
            pusher.push(at).unwrap();
        }
        sleep(MS * 1_000).await;
    });
    let mut seen = Vec::new();
    while let Ok(value) = paced.next(&ctx).await {
        seen.push((began.elapsed().as_millis(), value));
    }
    source.join().await;
    seen
}

#[tokio::test(start_paused = true)]
async fn a_debounce_hands_the_last_of_a_burst_on_when_it_is_over() {
    let pair = debounced(100, debounce::Options::default());
    assert_eq!(course(pair, &[0, 50, 120, 400]).await, [(220, 120), (500, 400)]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_over_when_nothing_came_for_exactly_the_quiet_time() {
    // At 100 the receiver and the pusher are due at once: whoever is first, nothing is lost.
    let seen = course(debounced(100, debounce::Options::default()), &[0, 100]).await;
    assert_eq!(seen.last(), Some(&(200, 100)));
}

#[tokio::test(start_paused = true)]
async fn a_leading_debounce_hands_the_first_on_at_once_and_drops_the_burst() {
    let pair = debounced(100, edge(Edge::Leading));
    assert_eq!(course(pair, &[0, 50, 120, 230, 330]).await, [(0, 0), (230, 230), (330, 330)]);
}

#[tokio::test(start_paused = true)]
async fn both_edges_are_the_first_and_the_last_if_there_was_more_than_one() {
    let pair = debounced(100, edge(Edge::Both));
    assert_eq!(course(pair, &[0, 50, 120, 400]).await, [(0, 0), (220, 120), (400, 400)]);
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_bounds_a_burst_that_never_ends() {
    let pushes: Vec<u32> = (0..10).map(|n| n * 90).collect();
    let pair = debounced(100, debounce::Options::default().max_wait(MS * 250));
    // From the first of each: 0 + 250, 270 + 250, 540 + 250, and then the quiet after 810.
    assert_eq!(course(pair, &pushes).await, [(250, 180), (520, 450), (790, 720), (910, 810)]);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_hands_on_the_first_at_once_and_the_last_when_it_is_time() {
    let seen = course(throttled(100, Edge::Both), &[0, 10, 20, 150, 160, 500]).await;
    assert_eq!(seen, [(0, 0), (100, 20), (200, 160), (500, 500)]);
}

#[tokio::test(start_paused = true)]
async fn a_leading_throttle_drops_what_comes_too_soon() {
    let seen = course(throttled(100, Edge::Leading), &[0, 10, 99, 100, 150, 250]).await;
    assert_eq!(seen, [(0, 0), (100, 100), (250, 250)]);
}

#[tokio::test(start_paused = true)]
async fn a_trailing_throttle_waits_an_interval_for_the_first_too() {
    let seen = course(throttled(100, Edge::Trailing), &[0, 10, 120, 400]).await;
    assert_eq!(seen, [(100, 10), (200, 120), (500, 400)]);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_counts_from_when_the_receiver_got_the_last() {
    let (pusher, mut paced) = throttled(100, Edge::Both);
    let ctx = Context::root();
    pusher.push(1).unwrap();
    sleep(MS * 90).await;
    assert_eq!(paced.next(&ctx).await.unwrap(), 1);
    pusher.push(2).unwrap();
    let began = Instant::now();
    assert_eq!(paced.next(&ctx).await.unwrap(), 2);
    assert_eq!(began.elapsed(), MS * 100);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_together_is_handed_on_together() {
    for (pusher, mut paced) in [
        debounce::channel(MS * 100, debounce::Options::default()).unwrap(),
        throttle::channel(MS * 100, throttle::Options::default().edge(Edge::Trailing)).unwrap(),
    ] {
        for name in ["a", "b", "c"] {
            pusher.merge(vec![name], |all, mut one| all.append(&mut one)).unwrap();
        }
        assert_eq!(paced.next(&Context::root()).await.unwrap(), ["a", "b", "c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_merge_prolongs_the_burst() {
    let (pusher, mut paced) = debounced(100, debounce::Options::default());
    let began = Instant::now();
    pusher.push(1).unwrap();
    sleep(MS * 60).await;
    pusher.merge(2, |sum, one| *sum += one).unwrap();
    assert_eq!(paced.next(&Context::root()).await.unwrap(), 3);
    assert_eq!(began.elapsed(), MS * 160);
}

#[tokio::test(start_paused = true)]
async fn the_last_pusher_to_go_ends_the_burst_and_not_the_interval() {
    let ctx = Context::root();
    let began = Instant::now();
    let (pusher, mut paced) = debounced(100, debounce::Options::default());
    let other = pusher.clone();
    pusher.push(1).unwrap();
    drop(pusher);
    assert!(paced.next(&ctx).now_or_never().is_none(), "there is another");
    drop(other);
    assert_eq!(paced.next(&ctx).await.unwrap(), 1);
    assert!(matches!(paced.next(&ctx).await, Err(RecvError::Closed)));
    assert_eq!(began.elapsed(), Duration::ZERO);

    let (pusher, mut paced) = throttled(100, Edge::Both);
    pusher.push(1).unwrap();
    paced.next(&ctx).await.unwrap();
    pusher.push(2).unwrap();
    drop(pusher);
    assert_eq!(paced.next(&ctx).await.unwrap(), 2);
    assert_eq!(began.elapsed(), MS * 100);
    assert!(matches!(paced.next(&ctx).await, Err(RecvError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_flush_hands_on_before_the_time_and_a_close_lets_nothing_in() {
    let (pusher, mut paced) = debounced(100, debounce::Options::default());
    assert_eq!(paced.flush(), None);
    pusher.push(1).unwrap();
    assert_eq!((paced.flush(), paced.flush()), (Some(1), None));
    pusher.push(2).unwrap();
    paced.close();
    assert!(pusher.is_closed());
    assert_eq!(pusher.push(3).unwrap_err().0, 3);
    assert_eq!(pusher.merge(3, |_, _| ()).unwrap_err().0, 3);
    assert_eq!(paced.next(&Context::root()).await.unwrap(), 2);
    assert!(matches!(paced.next(&Context::root()).await, Err(RecvError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_context_ends_the_wait_and_the_value_stays() {
    let (pusher, mut paced) = debounced(100, debounce::Options::default());
    pusher.push(1).unwrap();
    let ctx = Context::root().with_timeout(MS * 50);
    let Err(RecvError::Ended(ended)) = paced.next(&ctx).await else { panic!("it was not time") };
    assert!(matches!(ended.cause(), Cause::Deadline));
    assert_eq!(paced.next(&Context::root()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_no_value() {
    for kind in ["debounce", "throttle"] {
        let world = async || {
            let (pusher, paced) = match kind {
                "debounce" => debounced(100, debounce::Options::default()),
                _ => throttled(100, Edge::Trailing),
            };
            let source = task::spawn("source", async move {
                sleep(MS * 10).await;
                pusher.push(1).unwrap();
                sleep(MS * 50).await;
                pusher.push(2).unwrap();
                sleep(MS * 10_000).await;
            });
            (Context::root().child(), Mutex::new((paced, 0)), source)
        };
        steps::drop_at_each(
            world,
            async |(ctx, state, _)| {
                let mut state = state.lock().await;
                state.1 = state.0.next(ctx).await.unwrap();
            },
            async |(ctx, state, _)| {
                let mut state = state.try_lock().expect("given back");
                if state.1 == 0 {
                    state.1 = state.0.next(ctx).await.unwrap();
                }
                assert_eq!(state.1, 2, "{kind}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_panic_in_a_merge_is_the_pushers_and_the_rest_goes_on() {
    let (pusher, mut paced) = debounced(100, debounce::Options::default());
    pusher.push(1).unwrap();
    let raised = catch_unwind(AssertUnwindSafe(|| pusher.merge(2, |_, _| panic!("boom"))));
    assert_eq!(task::panic_text(&*raised.unwrap_err()), "boom");
    pusher.merge(3, |sum, one| *sum += one).unwrap();
    assert_eq!(paced.flush(), Some(4));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let refused = |quiet, options| {
        let error = debounce::channel::<u8>(quiet, options).map(drop).unwrap_err();
        Error::from(error).to_string()
    };
    assert!(refused(Duration::ZERO, debounce::Options::default()).contains("zero"));
    let short = debounce::Options::default().max_wait(MS);
    assert!(refused(MS * 2, short).contains("shorter"));
    assert!(refused(MS, edge(Edge::Leading).max_wait(MS * 5)).contains("none waits"));
    assert!(throttle::channel::<u8>(Duration::ZERO, throttle::Options::default()).is_err());
}

proptest! {
    /// Whatever comes when: a throttle's receiver gets nothing too soon, and in the end the last.
    #[test]
    fn a_throttle_is_never_faster_than_its_interval(gaps in prop::collection::vec(0_u32..250, 1..40)) {
        let pushes: Vec<u32> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let seen = paused::block_on(course(throttled(100, Edge::Both), &pushes));
        prop_assert!(seen.windows(2).all(|two| two[1].0 - two[0].0 >= 100), "{:?}", seen);
        prop_assert_eq!(seen.last().map(|last| last.1), pushes.last().copied());
    }

    /// Whatever comes when: a debounce hands on after a quiet time, or after the longest wait, and in the end the last.
    #[test]
    fn a_debounce_waits_for_quiet_or_as_long_as_it_may(gaps in prop::collection::vec(1_u32..250, 1..40)) {
        let pushes: Vec<u32> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let options = debounce::Options::default().max_wait(MS * 300);
        let seen = paused::block_on(course(debounced(100, options), &pushes));
        let mut since = pushes[0];
        for (at, value) in &seen {
            let at = *at as u32;
            prop_assert!(at == value + 100 || at == since + 300, "{:?} {:?}", pushes, seen);
            since = pushes.iter().copied().find(|push| *push > *value).unwrap_or(u32::MAX - 300);
        }
        prop_assert_eq!(seen.last().map(|last| last.1), pushes.last().copied());
    }
}
