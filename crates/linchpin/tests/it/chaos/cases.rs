//! The specification's cases.

use std::time::Duration;

use linchpin::resilience::chaos::{Chaos, Options, Rate};
use linchpin::resilience::timeout::Timeout;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};

use super::{Callee, SECOND, chaos, draws, faults, scripted};

#[tokio::test(start_paused = true)]
async fn z1_what_is_injected_is_below_the_rate() {
    let (chaos, callee) = (chaos(faults(0.1)), Callee::default());
    draws(0.0999);
    assert!(!callee.asked(&chaos).await);
    draws(0.1);
    assert!(callee.asked(&chaos).await);
}

#[tokio::test(start_paused = true)]
async fn z2_nothing_at_a_rate_of_zero_and_all_at_one() {
    let callee = Callee::default();
    draws(0.0);
    assert!(callee.asked(&chaos(faults(0.0))).await);
    draws(0.9999);
    assert!(!callee.asked(&chaos(faults(1.0))).await);
    for rate in [f64::NAN, -1.0, 1.1, f64::INFINITY] {
        let bad = Chaos::<u8, _>::new("test", |_| true, faults(rate)).unwrap_err().to_string();
        let expected =
            format!("bad options for Chaos: a rate of {rate} of fault; say from 0.0 to 1.0");
        assert_eq!(bad, expected);
    }
    // One that is asked for at each call injects nothing, and is told.
    for rate in [f64::NAN, -1.0, 1.1] {
        let by = Rate::by(move |_: &Context| rate);
        let chaos = chaos(scripted().fault_of(by, Kind::Unavailable));
        draws(0.0);
        assert!(callee.asked(&chaos).await);
        let numbers = chaos.numbers();
        assert_eq!((numbers.bad_rates, numbers.faults), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn z3_a_time_limit_around_it_cuts_the_wait() {
    let (chaos, callee) = (chaos(scripted().latency(1.0, SECOND)), Callee::default());
    let timeout = Timeout::new("test", SECOND / 2).unwrap();
    let (ctx, began) = (Context::root(), Instant::now());
    draws(0.0);
    let cut = timeout.call(&ctx, || chaos.call(&ctx, || callee.answer())).await;
    assert!(matches!(cut.unwrap_err().kind(), FailedKind::TimedOut));
    assert_eq!((began.elapsed(), callee.times()), (SECOND / 2, 0));
    // And so does a deadline of the context.
    let late = ctx.with_timeout(SECOND / 2);
    let cut = chaos.call(&late, || callee.answer()).await;
    assert!(matches!(cut.unwrap_err().kind(), FailedKind::Ended(_)));
    assert_eq!((began.elapsed(), callee.times()), (SECOND, 0));
    assert!(callee.asked(&chaos).await, "else it waits, and goes on");
    assert_eq!(began.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn z4_it_ends_by_itself() {
    let (chaos, callee) = (chaos(faults(1.0)), Callee::default());
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert!(!callee.asked(&chaos).await);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(callee.asked(&chaos).await);
    assert!(!chaos.is_enabled());
    chaos.enable(SECOND).unwrap();
    assert!(!callee.asked(&chaos).await);
    for time in [Duration::ZERO, Duration::from_secs(3_601)] {
        assert!(chaos.enable(time).unwrap_err().to_string().ends_with("at most an hour"));
    }
    chaos.enable(Duration::from_hours(1)).unwrap();
    assert_eq!(chaos.numbers().enabled_for, Some(Duration::from_hours(1)));
}

#[tokio::test(start_paused = true)]
async fn z4_a_wait_ends_with_its_time() {
    let (chaos, callee) = (chaos(scripted().latency(1.0, SECOND)), Callee::default());
    draws(0.0);
    tokio::time::advance(Duration::from_millis(59_750)).await;
    let began = Instant::now();
    assert!(callee.asked(&chaos).await);
    assert_eq!(began.elapsed(), SECOND / 4);
}

#[tokio::test(start_paused = true)]
async fn z5_in_any_minute_there_are_no_more_than_so_many() {
    let (chaos, callee) = (chaos(faults(1.0).max_per_min(2)), Callee::default());
    chaos.enable(Duration::from_hours(1)).unwrap();
    assert!(!callee.asked(&chaos).await);
    tokio::time::advance(30 * SECOND).await;
    assert!(!callee.asked(&chaos).await);
    assert!(callee.asked(&chaos).await, "the third passes untouched");
    tokio::time::advance(Duration::from_millis(29_999)).await;
    assert!(callee.asked(&chaos).await);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!callee.asked(&chaos).await, "the first is a minute ago");
    assert!(callee.asked(&chaos).await, "the second is not");
    let numbers = chaos.numbers();
    assert_eq!((numbers.faults, numbers.capped), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn z6_a_fault_comes_before_a_wait() {
    let options = faults(1.0).latency(1.0, SECOND).outcome(1.0, |_| 9_u8);
    let (chaos, began) = (chaos(options), Instant::now());
    let failed = chaos.call(&Context::root(), || async { Ok(7) }).await.unwrap_err();
    assert!(
        matches!(failed.kind(), FailedKind::Callee(error) if error.kind() == Kind::Unavailable)
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
    let numbers = chaos.numbers();
    assert_eq!((numbers.faults, numbers.latencies, numbers.outcomes), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn z6_a_wait_comes_before_an_answer_and_rates_compound() {
    let done = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let seen = done.clone();
    let behaviour = move |_: &Context| {
        seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let options = faults(0.25)
        .latency(0.5, SECOND)
        .outcome(0.75, |_| 9_u8)
        .behaviour(1.0, behaviour)
        .max_per_min(1_000);
    let chaos = chaos(options);
    let asked = async |u: f64| {
        draws(u);
        let began = Instant::now();
        let result = chaos.call(&Context::root(), || async { Ok(7) }).await;
        (result.ok(), began.elapsed())
    };
    assert_eq!(asked(0.2).await, (None, Duration::ZERO));
    assert_eq!(asked(0.3).await, (Some(9), SECOND));
    assert_eq!(asked(0.6).await, (Some(9), Duration::ZERO));
    assert_eq!(done.load(std::sync::atomic::Ordering::Relaxed), 0, "an answer is all");
    assert_eq!(asked(0.8).await, (Some(7), Duration::ZERO));
    assert_eq!(done.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// Which of 200 requests fail, by a seed.
async fn decisions(
    seed: u64,
    attempt: u32,
    change: fn(Options<u8, Error>) -> Options<u8, Error>,
) -> Vec<bool> {
    let options = faults(0.5).max_per_min(1_000).seed(seed, |ctx| ctx.get::<u64>().copied());
    let chaos = chaos(change(options));
    let mut decisions = Vec::new();
    for id in 0..200_u64 {
        let ctx = Context::root().with_value(id);
        decisions.push(chaos.attempt(&ctx, attempt, || async { Ok(7) }).await.is_err());
    }
    decisions
}

#[tokio::test(start_paused = true)]
async fn z7_the_same_seed_decides_the_same() {
    draws(0.0);
    let plain: fn(Options<u8, Error>) -> _ = |options| options;
    let first = decisions(1, 0, plain).await;
    assert_eq!(decisions(1, 0, plain).await, first);
    assert_ne!(decisions(2, 0, plain).await, first);
    let failed = first.iter().filter(|failed| **failed).count();
    assert!((70..130).contains(&failed), "about half: {failed}");
    // Each attempt draws anew, unless all share a draw.
    assert_ne!(decisions(1, 1, plain).await, first);
    assert_eq!(decisions(1, 1, Options::sticky).await, first);
    // Without an id there is chance.
    let chaos = chaos(faults(0.5).seed(1, |_| None));
    let callee = Callee::default();
    assert!(!callee.asked(&chaos).await);
    draws(0.5);
    assert!(callee.asked(&chaos).await);
}

#[tokio::test(start_paused = true)]
async fn z8_to_turn_it_off_ends_the_wait_at_once() {
    let chaos = chaos(scripted().latency(1.0, 30 * SECOND).outcome(1.0, |_| 9_u8));
    let (callee, root, began) = (Callee::default(), Context::root(), Instant::now());
    draws(0.0);
    let call = async {
        let result: Result<u8, Failed<Error>> = chaos.call(&root, || callee.answer()).await;
        (result.unwrap(), began.elapsed())
    };
    let kill = async {
        tokio::time::sleep(SECOND).await;
        chaos.disable();
    };
    let (answer, ()) = tokio::join!(call, kill);
    assert_eq!((answer, callee.times()), ((7, SECOND), 1), "and nothing is injected after it");
    assert_eq!(chaos.numbers().outcomes, 0);
}
