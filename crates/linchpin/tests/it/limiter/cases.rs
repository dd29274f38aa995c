//! GCRA by the specification's cases.

use futures_util::future::join_all;
use linchpin::resilience::FailedKind;
use linchpin::resilience::limiter::{Limiter, Options, Rate};
use linchpin::time::Instant;
use linchpin::{Context, Kind};

use super::{drain, five, gcra, limiter, ms, pass, remaining, retry_after};

#[tokio::test(start_paused = true)]
async fn l1_a_burst_passes_and_then_one_at_each_interval() {
    let limiter = five();
    for left in (0..5).rev() {
        assert_eq!(limiter.try_acquire(1).unwrap().remaining(), left);
    }
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
    assert_eq!(limiter.try_acquire(0).unwrap().reset_after(), ms(500));
    pass(ms(100)).await;
    limiter.try_acquire(1).unwrap();
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_leaves_no_trace() {
    let limiter = five();
    drain(&limiter, 5);
    for _ in 0..100 {
        assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
    }
    pass(ms(100)).await;
    limiter.try_acquire(1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn l2_reservations_stand_in_line_and_the_next_is_told_how_long_it_is() {
    let limiter = five();
    drain(&limiter, 5);
    pass(ms(100)).await;
    let began = Instant::now();
    let held: Vec<_> = (0..3).map(|_| limiter.reserve(1, ms(250)).unwrap()).collect();
    let waits: Vec<_> = held.iter().map(|reservation| reservation.at() - began).collect();
    assert_eq!(waits, [ms(0), ms(100), ms(200)]);
    assert_eq!(retry_after(limiter.reserve(1, ms(250))), ms(300));
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(300));
    assert_eq!(remaining(&limiter), 0);
}

#[tokio::test(start_paused = true)]
async fn l3_a_cost_above_the_burst_never_passes_and_is_told_apart() {
    let limiter = five();
    for refused in [limiter.try_acquire(6), limiter.try_acquire(u32::MAX)] {
        let refusal = refused.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry_after), (Kind::InvalidArgument, None));
        assert!(!refusal.retryable);
    }
    assert!(limiter.reserve(6, ms(1_000_000)).unwrap_err().retry_after.is_none());
    let failed = limiter.acquire(&Context::root(), 6).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(no) if no.kind == Kind::InvalidArgument));
    assert_eq!(remaining(&limiter), 5);
}

#[tokio::test(start_paused = true)]
async fn l3_a_cost_is_taken_whole_or_not_at_all() {
    let limiter = five();
    assert_eq!(limiter.try_acquire(3).unwrap().remaining(), 2);
    let refusal = limiter.try_acquire(3).unwrap_err();
    assert_eq!((refusal.used, refusal.limit, refusal.retry_after), (3, 5, Some(ms(100))));
    assert_eq!(remaining(&limiter), 2);
    assert_eq!(limiter.try_acquire(2).unwrap().remaining(), 0);
}

#[tokio::test(start_paused = true)]
async fn l4_a_pause_saves_no_more_than_the_burst() {
    let limiter = five();
    drain(&limiter, 5);
    pass(ms(10_000)).await;
    assert_eq!(limiter.try_acquire(1).unwrap().remaining(), 4);
}

#[tokio::test(start_paused = true)]
async fn l5_a_time_before_what_was_seen_gives_nothing() {
    let limiter = five();
    let before = Instant::now();
    pass(ms(1_000)).await;
    drain(&limiter, 5);
    // Five owed, and a second ahead: by a clock that runs backwards nothing comes sooner.
    assert_eq!(retry_after(limiter.try_acquire_at(before, 1)), ms(1_100));
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}

#[tokio::test(start_paused = true)]
async fn l5_after_a_burst_shrank_no_more_than_the_whole_new_one_is_owed() {
    let limiter = gcra(1_000);
    limiter.try_acquire(1_000).unwrap();
    limiter.reconfigure(Rate::per_second(10), Options::default().burst(5)).unwrap();
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}

#[tokio::test(start_paused = true)]
async fn other_numbers_keep_what_is_owed_and_turns_that_were_given() {
    let limiter = five();
    drain(&limiter, 4);
    // Four units are owed, whatever a unit is now.
    limiter.reconfigure(Rate::per_second(100), Options::default().burst(5)).unwrap();
    assert_eq!(remaining(&limiter), 1);
    drain(&limiter, 1);
    let (began, turn) = (Instant::now(), limiter.reserve(1, ms(10)).unwrap());
    assert_eq!(turn.at() - began, ms(10));
    limiter.reconfigure(Rate::per_second(1), Options::default().burst(2)).unwrap();
    assert_eq!(limiter.rate(), Rate::per_second(1));
    // After the turn that was given.
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(1_010));
    assert!(!turn.cancel(), "it is one of other numbers");
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(1_010));
}

#[tokio::test(start_paused = true)]
async fn l6_a_wait_that_the_context_does_not_leave_fails_at_once_and_takes_nothing() {
    let limiter = gcra(1);
    drain(&limiter, 1);
    let began = Instant::now();
    let ctx = Context::root().with_timeout(ms(50));
    let failed = limiter.acquire(&ctx, 1).await.unwrap_err();
    let FailedKind::Refused(refusal) = failed.kind() else { panic!("{failed:?}") };
    assert_eq!(refusal.retry_after, Some(ms(100)));
    assert_eq!(refusal.reason, "the wait would be too long");
    assert_eq!(Instant::now(), began);
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
    // A wait of just as long is not too long.
    let ctx = Context::root().with_timeout(ms(100));
    assert_eq!(limiter.acquire(&ctx, 1).await.unwrap().waited(), ms(100));
    assert_eq!(Instant::now() - began, ms(100));
}

#[tokio::test(start_paused = true)]
async fn l7_the_newest_turn_comes_back_whole_and_an_older_one_is_lost() {
    for newest in [true, false] {
        let limiter = gcra(1);
        let began = Instant::now();
        drain(&limiter, 1);
        let (a, b) =
            (limiter.reserve(1, ms(1_000)).unwrap(), limiter.reserve(1, ms(1_000)).unwrap());
        assert_eq!((a.at() - began, b.at() - began), (ms(100), ms(200)));
        pass(ms(50)).await;
        let (kept, came_back) = if newest { (a, b.cancel()) } else { (b, a.cancel()) };
        assert_eq!(came_back, newest);
        let next = limiter.reserve(1, ms(1_000)).unwrap();
        assert_eq!(next.at() - began, if newest { ms(200) } else { ms(300) });
        drop(kept);
    }
}

#[tokio::test(start_paused = true)]
async fn turns_come_back_one_after_the_other_and_none_after_its_time() {
    let limiter = gcra(1);
    drain(&limiter, 1);
    let turns: Vec<_> = (0..5).map(|_| limiter.reserve(1, ms(1_000)).unwrap()).collect();
    assert!(turns.into_iter().rev().all(linchpin::resilience::limiter::Reservation::cancel));
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
    let turn = limiter.reserve(1, ms(100)).unwrap();
    pass(ms(100)).await;
    assert!(!turn.cancel(), "its time has come");
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}

#[tokio::test(start_paused = true)]
async fn l8_those_who_wait_pass_in_their_order_at_the_rate() {
    let limiter = gcra(1);
    let (began, ctx) = (Instant::now(), Context::root());
    let turns = (0..100_u64).map(async |_| {
        limiter.acquire(&ctx, 1).await.unwrap();
        (Instant::now() - began).as_millis() as u64
    });
    let turns = join_all(turns).await;
    let expected: Vec<u64> = (0..100).map(|place| 100 * place).collect();
    assert_eq!(turns, expected);
    for (place, from) in turns.iter().enumerate() {
        let within = turns[place..].iter().filter(|at| **at - *from <= 1_000);
        assert!(within.count() <= 11);
    }
}

#[tokio::test(start_paused = true)]
async fn a_penalty_lets_nothing_pass_before_its_end_and_then_one() {
    let limiter = five();
    let turn = {
        drain(&limiter, 5);
        limiter.reserve(1, ms(100)).unwrap()
    };
    limiter.penalize(Instant::now() + ms(5_000));
    limiter.penalize(Instant::now() + ms(1_000));
    assert!(!turn.cancel(), "it would take the penalty back, too");
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(5_000));
    pass(ms(5_000)).await;
    limiter.try_acquire(1).unwrap();
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}

#[test]
fn the_default_burst_is_what_the_rate_allows_in_a_second() {
    let limit = |rate| limiter(rate, Options::default()).try_acquire(0).unwrap().limit();
    assert_eq!(limit(Rate::per_second(100)), 100);
    assert_eq!(limit(Rate::per_minute(600)), 10);
    assert_eq!(limit(Rate::per_minute(30)), 1);
    assert_eq!(limit(Rate::per_hour(1)), 1);
}

#[test]
fn clones_share_what_is_left() {
    let limiter = five();
    drain(&limiter.clone(), 5);
    assert!(limiter.try_acquire(1).is_err());
}

#[test]
fn threads_share_what_is_left_and_none_passes_twice() {
    let limiter =
        Limiter::new("test", Rate::per_hour(1), Options::default().burst(10_000)).unwrap();
    let visits = || (0..5_000).filter(|_| limiter.try_acquire(1).is_ok()).count();
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(visits)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 10_000);
}
