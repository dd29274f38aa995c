//! What breakers elsewhere get wrong, each as a test that fails where the defect is.

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::breaker::State;
use linchpin::time::Instant;

use super::{SECOND, breaker, call, exact, hasty, opened};

#[test]
fn a_window_of_calls_slides_however_long_the_service_was_well() {
    // B1: elsewhere a hundred thousand successes let as many failures through.
    for successes in [0, 1_000, 100_000] {
        let breaker = breaker(exact().count_window(100).min_calls(20));
        for _ in 0..successes {
            call(&breaker, Success);
        }
        let failures = (0..1_000).take_while(|_| call(&breaker, Failure)).count();
        assert_eq!(failures, if successes == 0 { 20 } else { 50 }, "after {successes}");
    }
}

#[test]
fn what_a_call_costs_does_not_grow_with_the_window() {
    // Elsewhere a call looks at each that is in the window: with a million that would be minutes.
    let breaker = breaker(exact().count_window(1_000_000).failure_ratio(1.0));
    for round in 0..2_000_000 {
        assert!(call(&breaker, if round % 2 == 0 { Success } else { Failure }));
    }
    let numbers = breaker.numbers();
    assert_eq!((numbers.calls, numbers.failures), (1_000_000, 500_000));
}

#[tokio::test(start_paused = true)]
async fn what_a_call_costs_does_not_grow_with_what_came_in_the_time() {
    // B2: elsewhere each call in the time window is kept, and looked at by the next one.
    let breaker = breaker(exact().failure_ratio(1.0));
    for round in 0..2_000_000 {
        assert!(call(&breaker, if round % 2 == 0 { Success } else { Failure }));
    }
    let numbers = breaker.numbers();
    assert_eq!((numbers.calls, numbers.failures), (2_000_000, 1_000_000));
}

/// B3.
#[tokio::test(start_paused = true)]
async fn a_result_from_before_decides_nothing_when_it_is_half_open() {
    let breaker = breaker(hasty());
    let old = [(); 4].map(|()| breaker.admit(Instant::now()).unwrap());
    while call(&breaker, Failure) {}
    tokio::time::advance(5 * SECOND).await;
    assert!(call(&breaker, Success), "one good probe");
    for (permit, outcome) in old.into_iter().zip([Failure, Success, Failure, Ignored]) {
        permit.record(outcome);
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    assert!(call(&breaker, Success), "and another");
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_permit_of_an_earlier_time_makes_no_room_for_another_probe() {
    let breaker = opened(hasty().max_probe(SECOND));
    tokio::time::advance(5 * SECOND).await;
    let hung = [(); 3].map(|()| breaker.admit(Instant::now()).unwrap());
    tokio::time::advance(SECOND).await;
    assert_eq!(breaker.state(), State::Open, "they hung");
    tokio::time::advance(10 * SECOND).await;
    let fresh = [(); 3].map(|()| breaker.admit(Instant::now()).unwrap());
    drop(hung);
    assert!(breaker.admit(Instant::now()).is_err());
    drop(fresh);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_probe_neither_closes_nor_holds_it() {
    let breaker = opened(hasty().probes(1));
    tokio::time::advance(5 * SECOND).await;
    for _ in 0..10 {
        assert!(call(&breaker, Ignored));
        assert_eq!(breaker.state(), State::HalfOpen);
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_that_makes_it_half_open_is_a_probe_itself() {
    let breaker = opened(hasty().probes(1));
    tokio::time::advance(5 * SECOND).await;
    let first = breaker.admit(Instant::now()).unwrap();
    assert!(first.is_probe());
    assert!(breaker.admit(Instant::now()).is_err(), "not one more than there are permits");
}

#[test]
fn a_success_opens_it_where_it_makes_enough_calls_and_only_there() {
    // Others may not judge a success at all.
    let breaker = breaker(exact().count_window(100).min_calls(50).failure_ratio(0.4));
    let outcome = |call: u32| if call % 5 < 2 { Failure } else { Success };
    for number in 0..50 {
        assert_eq!(breaker.state(), State::Closed, "{number} before");
        assert!(call(&breaker, outcome(number)));
    }
    assert_eq!(breaker.state(), State::Open);
    breaker.reset();
    // Below the share it goes on, however far the window slides, and opens by the failure that reaches it.
    for number in 0..1_000_u32 {
        assert!(call(&breaker, if number % 5 == 0 { Failure } else { Success }));
        let all = u64::from(number + 1).min(100);
        assert_eq!((breaker.numbers().calls, breaker.numbers().failures), (all, all.div_ceil(5)));
    }
    assert_eq!((0..100).take_while(|_| call(&breaker, Failure)).count(), 25);
}

#[test]
fn a_success_begins_the_row_anew_and_an_ignored_call_does_not() {
    let options = exact().no_failure_ratio().consecutive_failures(3);
    for options in [options.clone(), options.count_window(40).min_calls(40)] {
        let breaker = breaker(options);
        for outcome in [Failure, Failure, Success, Failure, Ignored, Failure, Ignored] {
            assert!(call(&breaker, outcome));
        }
        assert_eq!(breaker.numbers().consecutive_failures, 2);
        assert!(call(&breaker, Failure));
        assert_eq!(breaker.state(), State::Open);
    }
}

#[test]
fn a_row_may_be_longer_than_the_window() {
    let options = exact().count_window(20).no_failure_ratio().consecutive_failures(1_000);
    let breaker = breaker(options);
    assert_eq!((0..2_000).take_while(|_| call(&breaker, Failure)).count(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_hung_probe_ends_the_half_open_time() {
    let breaker = opened(hasty());
    tokio::time::advance(5 * SECOND).await;
    let ctx = Context::root();
    let call = breaker.call(&ctx, std::future::pending::<Result<(), ()>>);
    let mut call = Box::pin(call);
    assert!(futures_util::poll!(&mut call).is_pending());
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn it_opens_each_time_for_longer_and_begins_anew_when_it_was_closed() {
    let breaker = opened(hasty().probes(1));
    let open_for = || breaker.numbers().retry_after.unwrap();
    assert_eq!(open_for(), 5 * SECOND);
    tokio::time::advance(5 * SECOND).await;
    call(&breaker, Failure);
    assert_eq!(open_for(), 10 * SECOND);
    tokio::time::advance(10 * SECOND).await;
    call(&breaker, Success);
    assert_eq!((breaker.state(), breaker.numbers().calls), (State::Closed, 0));
    while call(&breaker, Failure) {}
    assert_eq!(open_for(), 5 * SECOND);
}
