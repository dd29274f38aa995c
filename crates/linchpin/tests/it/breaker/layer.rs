//! The breaker as a layer of tower: readiness, refusals, clones, drops.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Poller, Poll, Waker};

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::Outcome::{Failure, Success};
use linchpin::resilience::admitted::Admitted;
use linchpin::resilience::breaker::{Breaker, State};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{SECOND, breaker, call, hasty, opened};

/// Answers with what it is asked for; ready only after it was told, and counts.
#[derive(Clone, Default)]
struct Callee {
    /// Asked for readiness, called.
    seen: Arc<(AtomicUsize, AtomicUsize)>,
    /// This handle was found ready and may be called once.
    ready: bool,
    busy: bool,
}

impl Service<Result<u8, &'static str>> for Callee {
    type Response = u8;
    type Error = &'static str;
    type Future = Ready<Result<u8, &'static str>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.seen.0.fetch_add(1, Ordering::Relaxed);
        if self.busy {
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, answer: Result<u8, &'static str>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        assert!(answer != Ok(255), "a callee that panics");
        self.seen.1.fetch_add(1, Ordering::Relaxed);
        ready(answer)
    }
}

fn is_ready<S: Service<R>, R>(service: &mut S) -> bool {
    matches!(service.poll_ready(&mut Poller::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

fn ask(
    service: &mut Admitted<Callee, Breaker>,
    answer: Result<u8, &'static str>,
) -> Result<u8, String> {
    assert!(is_ready(service));
    let response = service.call(answer).now_or_never().expect("it does not wait");
    response.map_err(|failed| failed.to_string())
}

#[test]
fn calls_are_counted_and_refused_and_answers_pass() {
    let breaker = breaker(hasty());
    let callee = Callee::default();
    let mut service = breaker.layer().layer(callee.clone());
    assert_eq!(ask(&mut service, Ok(7)), Ok(7));
    assert_eq!(ask(&mut service, Err("broken")), Err("broken".into()));
    assert_eq!(breaker.state(), State::Open);
    let refused = ask(&mut service, Ok(7)).unwrap_err();
    assert!(refused.starts_with("breaker `test` refused: open"), "{refused}");
    assert_eq!(callee.seen.1.load(Ordering::Relaxed), 2, "the callee was not asked");
}

#[test]
fn it_is_ready_when_the_service_is_and_refuses_in_the_call() {
    let breaker = opened(hasty());
    let mut service = breaker.layer().layer(Callee { busy: true, ..Callee::default() });
    assert!(!is_ready(&mut service));
    let mut service = breaker.layer().layer(Callee::default());
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
    let mut service = breaker.layer().layer(Callee::default());
    assert!(is_ready(&mut service));
    drop(service);
    assert_eq!(breaker.numbers().probes, 0);
    assert!(call(&breaker, Success));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_is_an_ignored_call() {
    let breaker = opened(hasty().probes(1));
    tokio::time::advance(5 * SECOND).await;
    let mut service = breaker.layer().layer(Callee::default());
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
    let mut service = breaker.layer().layer(Callee::default());
    assert!(is_ready(&mut service));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(Ok(255))))).is_err());
    assert_eq!(breaker.numbers().failures, 1);
}

#[test]
fn clones_share_the_breaker_and_each_is_made_ready_for_itself() {
    let breaker = breaker(hasty());
    let mut one = breaker.layer().layer(Callee::default());
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
    let mut service = breaker.layer().layer(Callee::default());
    for _ in 0..2 {
        assert!(is_ready(&mut service));
        assert_eq!(service.call(Ok(100)).now_or_never().unwrap().unwrap(), 100);
    }
    assert_eq!(breaker.state(), State::Open);
}
