//! The other algorithms by the specification's cases.

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::limiter::{Limiter, Options, Rate};
use linchpin::time::Instant;

use super::{drain, limiter, ms, pass, remaining, retry_after};

fn leaky(queue: u32) -> Limiter {
    limiter(Rate::per_second(10), Options::default().leaky_bucket(queue))
}

#[tokio::test(start_paused = true)]
async fn l11_a_leaky_bucket_spaces_those_in_its_queue_and_refuses_beyond() {
    let limiter = leaky(3);
    let began = Instant::now();
    let turns: Vec<_> = (0..4).map(|_| limiter.reserve(1, ms(10_000)).unwrap()).collect();
    let waits: Vec<_> = turns.iter().map(|turn| turn.at() - began).collect();
    assert_eq!(waits, [ms(0), ms(100), ms(200), ms(300)]);
    let refusal = limiter.reserve(1, ms(10_000)).unwrap_err();
    assert_eq!((refusal.retry_after, refusal.reason), (Some(ms(100)), "its queue is full"));
    assert_eq!((refusal.used, refusal.limit), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_leaky_bucket_has_no_burst() {
    let limiter = leaky(3);
    pass(ms(10_000)).await;
    limiter.try_acquire(1).unwrap();
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
    assert_eq!(remaining(&limiter), 3, "places in the queue");
    pass(ms(100)).await;
    limiter.try_acquire(4).unwrap();
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(400));
    assert!(limiter.try_acquire(5).unwrap_err().retry_after.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_leaky_bucket_keeps_its_turns_when_its_numbers_change() {
    let limiter = leaky(3);
    let (began, ctx) = (Instant::now(), Context::root());
    drain(&limiter, 1);
    let turn = limiter.reserve(1, ms(100)).unwrap();
    limiter.reconfigure(Rate::per_second(100), Options::default().leaky_bucket(50)).unwrap();
    assert!(!turn.cancel());
    limiter.acquire(&ctx, 1).await.unwrap();
    assert_eq!(Instant::now() - began, ms(200));
    limiter.acquire(&ctx, 1).await.unwrap();
    assert_eq!(Instant::now() - began, ms(210));
}

#[tokio::test(start_paused = true)]
async fn l9_a_fixed_window_lets_twice_its_count_pass_around_an_edge() {
    let limiter = limiter(Rate::per_second(10), Options::default().fixed_window());
    pass(ms(999)).await;
    drain(&limiter, 10);
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(1));
    pass(ms(1)).await;
    drain(&limiter, 10);
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn l9_a_sliding_log_lets_its_count_pass_in_any_window() {
    let limiter = limiter(Rate::per_second(10), Options::default().sliding_log());
    pass(ms(999)).await;
    drain(&limiter, 10);
    pass(ms(1)).await;
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(999));
    pass(ms(998)).await;
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(1));
    pass(ms(1)).await;
    drain(&limiter, 10);
    assert_eq!(limiter.try_acquire(0).unwrap().reset_after(), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn l10_a_sliding_counter_weighs_the_last_window_by_what_is_left_of_it() {
    let limiter = limiter(Rate::per_minute(100), Options::default().sliding_counter());
    limiter.try_acquire(100).unwrap();
    pass(Duration::from_secs(75)).await;
    limiter.try_acquire(24).unwrap();
    assert_eq!(limiter.try_acquire(1).unwrap().remaining(), 0);
    // 75 of the last window are 74 a little later.
    let wait = retry_after(limiter.try_acquire(1));
    assert!(wait > Duration::ZERO && wait <= ms(600), "{wait:?}");
    pass(wait).await;
    limiter.try_acquire(1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_window_are_counted_where_their_turn_will_be() {
    let began = Instant::now();
    let limiter = limiter(Rate::per_second(2), Options::default().fixed_window());
    let turns: Vec<_> = (0..5).map(|_| limiter.reserve(1, ms(10_000)).unwrap()).collect();
    let waits: Vec<_> = turns.iter().map(|turn| turn.at() - began).collect();
    assert_eq!(waits, [ms(0), ms(0), ms(1_000), ms(1_000), ms(2_000)]);
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(2_000));
    let mut turns = turns.into_iter().rev();
    assert!(turns.next().unwrap().cancel());
    assert!(turns.next().unwrap().cancel());
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn windows_keep_what_they_counted_under_other_numbers() {
    type Make = fn(Options) -> Options;
    let kinds: [Make; 3] = [Options::fixed_window, Options::sliding_log, Options::sliding_counter];
    for kind in kinds {
        let limiter = limiter(Rate::per_second(1_000), kind(Options::default()));
        limiter.try_acquire(1_000).unwrap();
        limiter.reconfigure(Rate::per_second(5), kind(Options::default())).unwrap();
        assert_eq!(remaining(&limiter), 0);
        limiter.reconfigure(Rate::per_second(8), kind(Options::default())).unwrap();
        assert_eq!(remaining(&limiter), 3, "five of them are still counted");
        limiter.reconfigure(Rate::per_minute(9), kind(Options::default())).unwrap();
        assert_eq!(remaining(&limiter), 4);
        limiter.penalize(Instant::now() + ms(500));
        assert_eq!(retry_after(limiter.try_acquire(1)), ms(500));
        let other = limiter.reconfigure(Rate::per_second(5), Options::default());
        assert!(other.unwrap_err().to_string().contains("another algorithm"));
    }
}
