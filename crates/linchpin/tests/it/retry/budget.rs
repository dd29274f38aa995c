//! Budgets: the cases R7 to R9 of the specification, what is shared, and what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::resilience::FailedKind;
use linchpin::resilience::retry::{Allow, Budget, Event, StopReason};
use linchpin::time::Instant;

use super::{MS, SECOND, at_once, exact, retry};

fn withdrawals(budget: &Budget, now: Instant) -> usize {
    (0..1_000).take_while(|_| budget.withdraw(now, false)).count()
}

fn calls(budget: &Budget, calls: usize) {
    (0..calls).for_each(|_| budget.tell(Event::CallBegan));
}

#[tokio::test(start_paused = true)]
async fn r7_a_ratio_is_exact_and_its_window_slides() {
    let start = Instant::now();
    let budget = Budget::default();
    for (at, more) in [(0, 10), (9_999, 0), (10_000, 10), (10_000, 0)] {
        assert_eq!(withdrawals(&budget, start + at * MS), more, "at {at}");
    }
    for (share, least, passes) in [(0.2, 1, 30), (0.3, 0, 30), (0.8, 0, 80), (2.0, 0, 200)] {
        let budget = Budget::ratio(share, least, 10 * SECOND).unwrap();
        calls(&budget, 100);
        assert_eq!(withdrawals(&budget, Instant::now()), passes, "{share}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_paid_in_is_gone_with_its_time() {
    let budget = Budget::ratio(1.0, 0, 10 * SECOND).unwrap();
    for _ in 0..5 {
        calls(&budget, 16);
        tokio::time::advance(SECOND).await;
    }
    // The first 16 came at 0 s, the last at 4 s.
    let start = Instant::now();
    for (at, left) in [(0, 80.0), (4_999, 80.0), (5_000, 64.0), (8_000, 16.0), (9_000, 0.0)] {
        assert_eq!(budget.left(start + at * MS), Some(left), "{at} ms later");
    }
    assert_eq!(budget.left(start + 1_000_000 * SECOND), Some(0.0));
    assert_eq!(budget.left(start), Some(0.0), "time does not go back");
}

#[tokio::test(start_paused = true)]
async fn calls_wait_in_bundles_and_no_longer() {
    let budget = Budget::ratio(1.0, 0, 10 * SECOND).unwrap();
    calls(&budget, 31);
    tokio::time::advance(20 * SECOND).await;
    // The first 16 are over; the 15 that had not filled a bundle count from now.
    assert_eq!(withdrawals(&budget, Instant::now()), 15);
}

#[test]
fn r8_throttles_while_half_of_the_tokens_are_gone() {
    let budget = Budget::throttle(10, 0.1).unwrap();
    let now = Instant::now();
    for failures in 1..=5 {
        budget.tell(Event::Failed);
        assert_eq!(budget.withdraw(now, false), failures < 5, "after {failures}");
    }
    (0..11).for_each(|n| budget.tell(Event::Succeeded((n % 2 == 0).then_some(false))));
    budget.tell(Event::Failed);
    assert!(budget.withdraw(now, false), "5.1 are left");
    (0..20).for_each(|_| budget.tell(Event::Failed));
    (0..1_000).for_each(|_| budget.tell(Event::Succeeded(None)));
    assert_eq!(budget.left(now), Some(5.0));
}

#[test]
fn r9_a_bucket_pays_for_35_retries() {
    let budget = Budget::tokens(500, 14, 5).unwrap();
    let now = Instant::now();
    assert_eq!(withdrawals(&budget, now), 35);
    (0..4).for_each(|_| budget.tell(Event::Succeeded(None)));
    assert_eq!(withdrawals(&budget, now), 1);
    budget.tell(Event::Succeeded(Some(false)));
    assert_eq!(withdrawals(&budget, now), 1, "a retry that succeeds gets its cost back");
    (0..10_000).for_each(|_| budget.tell(Event::Succeeded(None)));
    let throttled = (0..1_000).take_while(|_| budget.withdraw(now, true)).count();
    assert_eq!(throttled, 100, "for less when throttled");
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_shared_and_tells_the_last_error_when_it_is_spent() {
    let budget = Budget::tokens(3, 1, 1).unwrap();
    let (one, two) = (at_once().budget(budget.clone()), at_once().budget(budget.clone()));
    let (one, two) = (retry(one), retry(two));
    let start = Instant::now();
    let sick = |attempt: linchpin::resilience::retry::Attempt<'_>| {
        let number = attempt.number();
        async move { Err::<(), _>(number) }
    };
    let ctx = Context::root();
    assert_eq!(one.call(&ctx, sick).await.unwrap_err().attempts(), 3);
    let failed = two.call(&ctx, sick).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(2)));
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Budget)));
    // Refused before it rests.
    let slow = retry(exact().budget(budget));
    let failed = slow.call(&ctx, sick).await.unwrap_err();
    assert_eq!((failed.attempts(), Instant::now()), (1, start));
    assert_eq!((two.numbers().out_of_budget, slow.numbers().out_of_budget), (1, 1));
    let shown = slow.snapshot().to_string();
    assert!(shown.starts_with("retry `test`: out of budget, retries 0"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_under_way_gives_its_place_back_however_it_goes() {
    let budget = Budget::concurrent(0.0, 1).unwrap();
    let retry = retry(exact().budget(budget.clone()));
    let now = Instant::now();
    let ctx = Context::root();
    let mut call = Box::pin(retry.call(&ctx, |_| async { Err::<(), _>("sick") }));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(budget.left(now), Some(0.0), "it rests, and has a place");
    let failed = retry.call(&ctx, |_| async { Err::<(), _>("sick") }).await.unwrap_err();
    assert_eq!(failed.stop_reason(), Some(StopReason::Budget));
    drop(call);
    assert_eq!(budget.left(now), Some(1.0));
    assert_eq!(
        retry.call(&ctx, |_| async { Err::<(), _>("sick") }).await.unwrap_err().attempts(),
        3
    );
    assert_eq!(budget.left(now), Some(1.0));
    let share = Budget::concurrent(0.5, 0).unwrap();
    calls(&share, 5);
    assert_eq!(withdrawals(&share, now), 2);
    (0..5).for_each(|_| share.tell(Event::CallEnded));
    assert!(!share.withdraw(now, false));
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_ones_own_hears_all_of_a_call() {
    #[derive(Debug, Default)]
    struct Own(std::sync::Mutex<Vec<Event>>);
    impl Allow for Own {
        fn withdraw(&self, _: Instant, throttled: bool) -> bool {
            assert!(!throttled);
            true
        }
        fn tell(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }
    let own = Arc::new(Own::default());
    let retry = retry(at_once().budget(Budget::custom(own.clone())));
    let heard = || std::mem::take(&mut *own.0.lock().unwrap());
    let ctx = Context::root();
    assert!(retry.call(&ctx, |_| async { Ok::<_, ()>(1) }).await.is_ok());
    assert_eq!(heard(), [Event::CallBegan, Event::Succeeded(None), Event::CallEnded]);
    let second = retry.call(&ctx, |a| async move { if a.is_retry() { Ok(1) } else { Err(()) } });
    assert!(second.await.is_ok());
    let (began, ended) = (Event::CallBegan, Event::CallEnded);
    let retried = [Event::Failed, Event::Succeeded(Some(false)), Event::RetryEnded];
    assert_eq!(heard(), [began, retried[0], retried[1], retried[2], ended]);
}

/// Threads that take and give for a while: never more than there is.
#[test]
fn no_budget_is_overdrawn_by_threads() {
    let budget = Budget::ratio(0.5, 0, 3_600 * SECOND).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (budget, stop) = (budget.clone(), stop.clone());
            thread::spawn(move || {
                let mut taken = 0_u64;
                for _ in 0..20_000 {
                    budget.tell(Event::CallBegan);
                    taken += u64::from(budget.withdraw(Instant::now(), false));
                }
                stop.store(true, Ordering::Relaxed);
                taken
            })
        })
        .collect();
    let taken: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let left = budget.left(Instant::now()).unwrap() as u64;
    assert_eq!(taken + left, 40_000, "a retry for two calls, none lost and none too many");
}

#[test]
fn a_budget_that_makes_no_sense_is_refused() {
    for (built, why) in [
        (Budget::ratio(0.0, 1, SECOND), "a share of 0; say above 0.0 and at most 1000.0"),
        (Budget::ratio(f64::NAN, 1, SECOND), "a share of NaN"),
        (Budget::ratio(0.1, 1, MS), "a window of 1ms"),
        (Budget::tokens(10, 0, 1), "a retry for 0 of 10 tokens"),
        (Budget::tokens(10, 1, 11), "a retry for 11 of 10 tokens"),
        (Budget::throttle(0, 0.1), "0 tokens"),
        (Budget::throttle(10, 0.0), "0 of a token"),
        (Budget::concurrent(1.5, 1), "a share of 1.5"),
        (Budget::concurrent(0.0, 0), "no retry at all"),
    ] {
        let fault = built.unwrap_err().to_string();
        assert!(
            fault.starts_with("bad options for retry::Budget: ") && fault.contains(why),
            "{fault}"
        );
    }
    let most = Budget::ratio(1_000.0, u32::MAX, 3_600 * SECOND).unwrap();
    assert!(most.withdraw(Instant::now(), false));
}
