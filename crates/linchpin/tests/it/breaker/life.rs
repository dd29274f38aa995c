//! A breaker in use: calls and permits, hints, operators, other options while it runs.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use linchpin::context::Cause;
use linchpin::resilience::Outcome::{self, Failure, Ignored, Success};
use linchpin::resilience::breaker::{Breaker, Options, State};
use linchpin::resilience::{ByFailed, ByKind, Classify, Failed, FailedKind, Refusal};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{SECOND, breaker, call, exact, hasty, opened};

fn refusal<T, E: std::fmt::Debug>(result: Result<T, Failed<E>>) -> Refusal {
    match result.map(|_| ()).unwrap_err().into_kind() {
        FailedKind::Refused(refusal) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_explains_itself_and_the_callee_was_not_asked() {
    let breaker = opened(hasty());
    let ctx = Context::root();
    tokio::time::advance(SECOND).await;
    let refused = breaker.call(&ctx, || async { unreachable!("never asked") }).await;
    let refusal = refusal::<(), ()>(refused);
    assert_eq!((refusal.policy, refusal.instance, &refusal.key), ("breaker", "test", &None));
    assert_eq!((refusal.used, refusal.limit), (2, 2));
    assert_eq!(refusal.retry_after, Some(4 * SECOND));
    assert!(!refusal.retryable, "a retry around it would only wear the callee down");
    let text = "breaker `test` refused: open: too many calls failed (2 of 2), try again in 4s";
    assert_eq!(refusal.to_string(), text);
    assert_eq!(Error::from(refusal).kind(), Kind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn why_it_refuses_is_told() {
    let now = Instant::now();
    let reason = |breaker: &Breaker| breaker.admit(now).map(drop).unwrap_err().reason;
    let row = opened(hasty().no_failure_ratio().consecutive_failures(3));
    assert_eq!(reason(&row), "open: too many failures in a row");
    row.force_open();
    assert_eq!(reason(&row), "held open by an operator");
    let probing = opened(hasty().probes(1));
    let permit = probing.admit(now + 5 * SECOND).unwrap();
    let refusal = probing.admit(now + 5 * SECOND).map(drop).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "breaker `test` refused: half-open: every probe is under way (1 of 1)"
    );
    permit.record_at(now + 5 * SECOND, Failure, None);
    assert_eq!(reason(&probing), "open: its probes failed");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_callees_and_one_pointer_wide() {
    let breaker = breaker(exact());
    let ctx = Context::root();
    let failed = breaker.call(&ctx, || async { Err::<(), _>(io::Error::other("broken")) }).await;
    let failed = failed.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(error) if error.to_string() == "broken"));
    assert_eq!(size_of::<Failed<io::Error>>(), size_of::<usize>());
    assert_eq!(breaker.numbers().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn work_may_borrow_and_a_call_may_be_dropped_anywhere() {
    drop_at_each(
        async || (breaker(hasty()), String::from("order")),
        async |(breaker, order)| {
            let ctx = Context::root();
            let work = || async {
                tokio::time::sleep(SECOND).await;
                Ok::<_, ()>(order.len())
            };
            breaker.call(&ctx, work).await
        },
        async |(breaker, _)| assert!(breaker.numbers().calls <= 1),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_cuts_the_callee_is_a_failure_and_any_other_end_is_not() {
    let breaker = breaker(exact());
    let hang = std::future::pending::<Result<(), ()>>;
    let ctx = Context::root().with_timeout(SECOND);
    assert!(breaker.call(&ctx, hang).await.is_err());
    assert_eq!(breaker.numbers().failures, 1);
    let ctx = Context::root().child();
    let ended = async {
        tokio::task::yield_now().await;
        ctx.cancel(Cause::Shutdown);
    };
    let (failed, ()) = tokio::join!(breaker.call(&ctx, hang), ended);
    assert!(matches!(failed.unwrap_err().kind(), FailedKind::Ended(_)));
    assert_eq!(breaker.numbers().calls, 1);
}

#[test]
fn a_permit_that_is_dropped_is_ignored_and_while_a_panic_unwinds_a_failure() {
    let breaker = breaker(exact());
    drop(breaker.admit(Instant::now()).unwrap());
    assert_eq!(breaker.numbers().calls, 0);
    let panics = || {
        let _permit = breaker.admit(Instant::now()).unwrap();
        panic!("boom");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(breaker.numbers().failures, 1);
}

#[test]
fn a_permit_of_a_clean_up_is_none_of_the_panic_that_unwinds() {
    struct CleansUp<'a>(&'a Breaker);
    impl Drop for CleansUp<'_> {
        fn drop(&mut self) {
            drop(self.0.admit(Instant::now()).unwrap());
        }
    }
    let breaker = breaker(exact());
    let panics = || {
        let _cleans_up = CleansUp(&breaker);
        panic!("boom");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(breaker.numbers().calls, 0);
}

#[test]
fn a_classifier_that_panics_is_a_failure() {
    let breaker = breaker(exact());
    let picky = breaker.classified(|_: Result<&u8, &()>| -> Outcome { panic!("no idea") });
    assert!(catch_unwind(AssertUnwindSafe(|| drop(picky.call_sync(|| Ok(1))))).is_err());
    assert_eq!(breaker.numbers().failures, 1);
}

#[test]
fn a_chance_that_panics_leaves_the_breaker_as_it_was() {
    let breaker = breaker(hasty().random(|| panic!("no chance")));
    call(&breaker, Failure);
    assert!(catch_unwind(AssertUnwindSafe(|| call(&breaker, Failure))).is_err());
    let numbers = breaker.numbers();
    assert_eq!((numbers.state, numbers.opens, numbers.calls), (State::Closed, 0, 2));
    breaker.reconfigure(hasty()).unwrap();
    call(&breaker, Failure);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_owned_permit_goes_wherever_it_likes() {
    let breaker = breaker(exact());
    let permit = breaker.admit_owned(Instant::now()).unwrap();
    drop(breaker.clone());
    std::thread::spawn(move || permit.record(Failure)).join().unwrap();
    assert_eq!(breaker.numbers().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_waited_for_on_this_side_does_not_make_it_slow() {
    for pending in [false, true] {
        let options = exact().slow_calls(SECOND, 0.5).min_calls(1);
        let breaker = breaker(if pending { options.count_pending() } else { options });
        let mut permit = breaker.admit(Instant::now()).unwrap();
        tokio::time::advance(10 * SECOND).await;
        permit.begin(Instant::now());
        assert!(breaker.admit(Instant::now()).is_ok());
        tokio::time::advance(SECOND).await;
        permit.record(Success);
        let numbers = breaker.numbers();
        assert_eq!((numbers.state, numbers.calls, numbers.slow), (State::Closed, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_is_a_failed_one() {
    let breaker = opened(hasty().slow_calls(SECOND, 0.5));
    tokio::time::advance(5 * SECOND).await;
    let probes = [(); 2].map(|()| breaker.admit(Instant::now()).unwrap());
    tokio::time::advance(2 * SECOND).await;
    for probe in probes {
        probe.record(Success);
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_callee_says_how_long_it_wants_to_be_left_alone() {
    let open_for = |options: Options, hint| {
        let breaker = breaker(options.count_window(1).min_calls(1));
        let now = Instant::now();
        breaker.admit(now).unwrap().record_at(now, Failure, Some(hint));
        breaker.numbers().retry_after.unwrap()
    };
    assert_eq!(open_for(exact().jitter(0.0), 17 * SECOND), 17 * SECOND);
    assert_eq!(open_for(exact().jitter(0.0), 300 * SECOND), 60 * SECOND, "up to the cap");
    // Never earlier than it asked for.
    assert_eq!(open_for(exact(), 10 * SECOND), 11 * SECOND);
    assert_eq!(open_for(exact().random(|| 0.0), 10 * SECOND), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_classifier_passes_on_what_the_callee_asks_for() {
    struct Pushback;
    impl Classify<(), Duration> for Pushback {
        fn classify(&self, result: Result<&(), &Duration>) -> Outcome {
            if result.is_ok() { Success } else { Failure }
        }

        fn retry_after(&self, result: Result<&(), &Duration>) -> Option<Duration> {
            result.err().copied()
        }
    }
    let breaker = breaker(hasty().jitter(0.0)).classified(Pushback);
    for _ in 0..2 {
        assert!(breaker.call_sync(|| Err(17 * SECOND)).is_err());
    }
    assert_eq!(breaker.numbers().retry_after, Some(17 * SECOND));
}

#[test]
fn jitter_spreads_around_the_time_it_is_open() {
    let open_for = |random| {
        let breaker = opened(hasty().random(random));
        breaker.numbers().retry_after.unwrap().as_millis()
    };
    assert!((3_900..=4_000).contains(&open_for(|| 0.0)));
    assert!((5_900..=6_000).contains(&open_for(|| 1.0 - f64::EPSILON)));
}

#[test]
fn outcomes_by_kind_by_failed_and_by_closure() {
    let by_kind = |error: Error| ByKind.classify(Err::<&(), _>(&error));
    assert_eq!(by_kind(Error::new(Kind::Unavailable, "down")), Failure);
    assert_eq!(by_kind(Error::new(Kind::NotFound, "no such thing")), Success);
    assert_eq!(by_kind(Error::new(Kind::ResourceExhausted, "slower")), Ignored);
    assert_eq!(by_kind(Error::new(Kind::Cancelled, "gone")), Ignored);
    // Another breaker's refusal says nothing of the callee, though it is `Unavailable`.
    let inner = opened(hasty()).admit(Instant::now()).map(drop).unwrap_err();
    let refused = Error::from(inner.clone()).context("load");
    assert_eq!((refused.kind(), by_kind(refused)), (Kind::Unavailable, Ignored));

    let by_failed = |failed: Failed<Error>| ByFailed(ByKind).classify(Err::<&(), _>(&failed));
    assert_eq!(by_failed(inner.into()), Ignored);
    assert_eq!(by_failed(FailedKind::TimedOut.into()), Failure);
    assert_eq!(by_failed(FailedKind::Ended(Cause::Deadline.into()).into()), Failure);
    assert_eq!(by_failed(FailedKind::Ended(Cause::Dropped.into()).into()), Ignored);
    assert_eq!(by_failed(FailedKind::Callee(Error::new(Kind::NotFound, "no")).into()), Success);

    let breaker = breaker(hasty());
    let picky = breaker.classified(|result: Result<&u16, &()>| match result {
        Ok(500..) => Failure,
        _ => Success,
    });
    assert_eq!(picky.call_sync(|| Ok(503)).unwrap(), 503, "the result passes as it is");
    assert_eq!(breaker.numbers().failures, 1, "both handles are of one breaker");
}

#[tokio::test(start_paused = true)]
async fn operators_have_the_last_word() {
    let breaker = breaker(hasty());
    breaker.force_closed();
    for _ in 0..100 {
        assert!(call(&breaker, Failure));
    }
    assert_eq!((breaker.state(), breaker.numbers().calls), (State::ForcedClosed, 0));
    breaker.reset();
    assert_eq!(breaker.state(), State::Closed);
    while call(&breaker, Failure) {}
    breaker.metrics_only();
    assert!(call(&breaker, Failure), "even if it was open");
    breaker.force_open();
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(!call(&breaker, Success));
    breaker.reset();
    assert_eq!((breaker.numbers().opens, breaker.numbers().calls), (0, 0));
}

#[test]
fn other_options_keep_what_was_counted() {
    for (before, after) in [(100, 10), (10, 100), (33, 65), (100, 100), (64, 7), (20, 20)] {
        let breaker = breaker(exact().count_window(before).min_calls(1).failure_ratio(1.0));
        let mut all = Vec::new();
        for round in 0..150 {
            let failed = round % 3 == 1;
            call(&breaker, if failed { Failure } else { Success });
            all.push(failed);
        }
        let slow = exact().slow_calls(SECOND, 1.0).failure_ratio(1.0).min_calls(1);
        breaker.reconfigure(slow.count_window(after)).unwrap();
        let window = &all[all.len() - before.min(after) as usize..];
        let failures = window.iter().filter(|failed| **failed).count();
        let numbers = breaker.numbers();
        assert_eq!(
            (numbers.calls, numbers.failures),
            (window.len() as u64, failures as u64),
            "{before} to {after}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_mind_slow_calls_forgets_them() {
    let plain = || exact().count_window(11).min_calls(11).failure_ratio(1.0);
    let minds = || plain().slow_calls(SECOND, 1.0);
    let breaker = breaker(minds());
    let slow = [(); 5].map(|()| breaker.admit(Instant::now()).unwrap());
    tokio::time::advance(2 * SECOND).await;
    for permit in slow {
        permit.record(Success);
    }
    assert_eq!(breaker.numbers().slow, 5);
    // In chunks that are carried over as in the word.
    breaker.reconfigure(plain().count_window(40)).unwrap();
    for _ in 0..30 {
        call(&breaker, Success);
    }
    breaker.reconfigure(minds().count_window(40)).unwrap();
    assert_eq!((breaker.numbers().slow, breaker.numbers().calls), (0, 35));
}

#[tokio::test(start_paused = true)]
async fn other_options_hold_from_the_next_call_on() {
    let lenient = exact().time_window(10 * SECOND).min_calls(100);
    let breaker = breaker(lenient);
    for _ in 0..5 {
        call(&breaker, Failure);
        tokio::time::advance(SECOND).await;
    }
    breaker.reconfigure(exact().time_window(30 * SECOND).min_calls(6)).unwrap();
    assert_eq!((breaker.state(), breaker.numbers().calls), (State::Closed, 5));
    assert!(breaker.reconfigure(exact().min_calls(0)).is_err(), "nothing changes by a mistake");
    call(&breaker, Failure);
    assert_eq!(breaker.state(), State::Open);
    breaker.reconfigure(exact().open_for(SECOND)).unwrap();
    let waits = breaker.numbers().retry_after;
    assert_eq!((breaker.state(), waits), (State::Open, Some(5 * SECOND)), "as it was begun");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_looked_at() {
    let breaker = opened(hasty());
    let text = "breaker `test`: open, calls 0, failures 0, slow 0, failures_in_a_row 0, opens 1, retry_after 5";
    assert_eq!(breaker.snapshot().to_string(), text);
    assert_eq!(breaker.name(), "test");
    assert!(format!("{breaker:?}").contains("Open"));
}
