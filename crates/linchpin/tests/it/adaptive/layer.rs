//! The adaptive limit as a layer of tower: readiness, refusals, clones, drops.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{MS, adaptive, aimd, enter, fixed};
use crate::callee::{Answer, PANIC, callee, echo, is_ready};

/// Answers after a while.
fn slow() -> impl Service<Answer, Response = u8, Error = &'static str> + Clone {
    callee(|answer: Answer| async move {
        tokio::time::sleep(10 * MS).await;
        answer
    })
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_service_are_measured_and_answers_pass() {
    let limit = adaptive(aimd());
    let others = enter(&limit, 10);
    let mut service = limit.layer().layer(slow());
    assert!(is_ready(&mut service));
    assert_eq!(service.call(Ok(7)).await.unwrap(), 7);
    assert_eq!((limit.numbers().limit, limit.numbers().rtt), (21, Some(10 * MS)));
    assert!(is_ready(&mut service));
    let failed = service.call(Err("broken")).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("broken")));
    assert_eq!((limit.numbers().samples, limit.numbers().inflight), (1, 10));
    drop(others);
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_is_ready_and_refuses_in_the_call() {
    let limit = adaptive(fixed(1));
    let mut service = limit.layer().layer(echo());
    let mut clone = service.clone();
    assert!(is_ready(&mut service) && is_ready(&mut clone), "nothing is taken by readiness");
    let first = service.call(Ok(1));
    let failed = clone.call(Ok(1)).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
    drop(first);
    assert_eq!(limit.numbers().inflight, 0, "a response that is dropped gives its place back");
    assert_eq!(clone.call(Ok(1)).await.unwrap(), 1, "the callee was not asked, so is ready still");

    let mut unready = limit.layer().layer(echo().readiness(Poll::Ready(Err("unready"))));
    let failed = poll_fn(|cx| unready.poll_ready(cx)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("unready")));
    assert_eq!(limit.numbers().inflight, 0);
}

#[test]
fn a_service_that_panics_gives_its_place_back() {
    let limit = adaptive(fixed(1));
    let mut service = limit.layer().layer(echo());
    assert!(is_ready(&mut service));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(PANIC)))).is_err());
    assert_eq!(limit.numbers().inflight, 0);
}
