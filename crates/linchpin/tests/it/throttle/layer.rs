//! The throttle as a layer of tower: readiness, refusals, clones, drops.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{draws, scripted, throttle, with};
use crate::callee::{Answer, PANIC, callee, echo, is_ready};

#[test]
fn calls_are_counted_and_refused_and_answers_pass() {
    let throttle = throttle(scripted());
    let mut service = throttle.layer().layer(echo());
    let mut other = service.clone();
    assert!(is_ready(&mut service) && is_ready(&mut other));
    assert_eq!(service.call(Ok(7)).now_or_never().unwrap().unwrap(), 7);
    let failed = other.call(Err("sick")).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")));
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.accepted), (2, 1), "clones share it");
}

#[test]
fn it_is_ready_when_the_service_is_and_refuses_in_the_call() {
    let throttle = with(scripted(), 100, 0);
    draws(0.0);
    let mut busy = throttle.layer().layer(echo().readiness(Poll::Pending));
    assert!(!is_ready(&mut busy));
    let mut service = throttle.layer().layer(echo());
    assert!(is_ready(&mut service), "refusing is no failed readiness");
    let failed = service.call(Ok(1)).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
}

#[test]
fn what_is_dropped_or_panics_leaves_nothing_behind() {
    let throttle = throttle(scripted());
    let mut hangs = throttle.layer().layer(callee(|_: Answer| pending::<Answer>()));
    assert!(is_ready(&mut hangs));
    drop(hangs.clone());
    let mut response = hangs.call(Ok(1));
    assert!((&mut response).now_or_never().is_none());
    assert_eq!(throttle.numbers().under_way, 1);
    drop(response);
    let mut service = throttle.layer().layer(echo());
    assert!(is_ready(&mut service));
    let panics = catch_unwind(AssertUnwindSafe(|| drop(service.call(PANIC))));
    assert!(panics.is_err());
    let numbers = throttle.numbers();
    assert_eq!((numbers.under_way, numbers.requests, numbers.accepted), (0, 1, 0));
}
