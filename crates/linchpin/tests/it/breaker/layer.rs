//! The breaker as a layer of tower: readiness, refusals, clones, drops.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::Outcome::{Failure, Success};
use linchpin::resilience::admitted::Admitted;
use linchpin::resilience::breaker::{Breaker, State};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{SECOND, breaker, call, hasty, opened};
use crate::callee::{Answer, Echo, PANIC, callee, echo, is_ready};

fn ask(service: &mut Admitted<Echo, Breaker>, answer: Answer) -> Result<u8, String> {
    assert!(is_ready(service));
    let response = service.call(answer).now_or_never().expect("it does not wait");
    response.map_err(|failed| failed.to_string())
}

#[test]
fn calls_are_counted_and_refused_and_answers_pass() {
    let breaker = breaker(hasty());
    let callee = echo();
    let mut service = breaker.layer().layer(callee.clone());
    assert_eq!(ask(&mut service, Ok(7)), Ok(7));
    assert_eq!(ask(&mut service, Err("broken")), Err("broken".into()));
    assert_eq!(breaker.state(), State::Open);
    let refused = ask(&mut service, Ok(7)).unwrap_err();
    assert!(refused.starts_with("breaker `test` refused: open"), "{refused}");
    assert_eq!(callee.calls(), 2, "the callee was not asked");
}

#[test]
fn it_is_ready_when_the_service_is_and_refuses_in_the_call() {
    let breaker = opened(hasty());
    let mut service = breaker.layer().layer(echo().readiness(Poll::Pending));
    assert!(!is_ready(&mut service));
    let mut service = breaker.layer().layer(echo());
    assert!(is_ready(&mut service), "an open breaker is no failed readiness");
    let failed = service.call(Ok(1)).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
    // And may be used again.
    breaker.reset();
    assert_eq!(ask(&mut service, Ok(1)), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_ready_and_is_dropped_leaves_nothing() {
    let breaker = opened(hasty().probes(1));
    tokio::time::advance(5 * SECOND).await;
    let mut service = breaker.layer().layer(echo());
    assert!(is_ready(&mut service));
    drop(service);
    assert_eq!(breaker.numbers().probes, 0);
    assert!(call(&breaker, Success));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_is_an_ignored_call() {
    let breaker = opened(hasty().probes(1));
    tokio::time::advance(5 * SECOND).await;
    let mut service = breaker.layer().layer(echo());
    assert!(is_ready(&mut service));
    let response = service.call(Ok(1));
    assert_eq!(breaker.numbers().probes, 1);
    drop(response);
    let numbers = breaker.numbers();
    assert_eq!((numbers.state, numbers.probes), (State::HalfOpen, 0));
}

#[test]
fn a_service_that_panics_is_a_failure() {
    let breaker = breaker(hasty());
    let mut service = breaker.layer().layer(echo());
    assert!(is_ready(&mut service));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(PANIC)))).is_err());
    assert_eq!(breaker.numbers().failures, 1);
}

#[test]
fn a_panic_that_is_caught_counts_while_the_response_lives_on() {
    let breaker = breaker(hasty());
    let mut service = breaker.layer().layer(callee(async |(): ()| -> Answer { panic!("late") }));
    assert!(is_ready(&mut service));
    let mut response = Box::pin(service.call(()));
    let raised = catch_unwind(AssertUnwindSafe(|| drop((&mut response).now_or_never())));
    assert!(raised.is_err());
    assert_eq!(breaker.numbers().failures, 1, "before the response is dropped");
}

#[test]
fn clones_share_the_breaker_and_each_is_made_ready_for_itself() {
    let breaker = breaker(hasty());
    let mut one = breaker.layer().layer(echo());
    let mut two = one.clone();
    drop((ask(&mut one, Err("a")), ask(&mut two, Err("b"))));
    assert_eq!(breaker.state(), State::Open);
    assert!(!call(&breaker, Failure));
    assert!(breaker.admit(Instant::now()).is_err());
}

#[test]
fn a_layer_with_a_classifier_reads_responses() {
    let breaker = breaker(hasty()).classified(|result: Result<&u8, &&'static str>| match result {
        Ok(100..) => Failure,
        _ => Success,
    });
    let mut service = breaker.layer().layer(echo());
    for _ in 0..2 {
        assert!(is_ready(&mut service));
        assert_eq!(service.call(Ok(100)).now_or_never().unwrap().unwrap(), 100);
    }
    assert_eq!(breaker.state(), State::Open);
}
