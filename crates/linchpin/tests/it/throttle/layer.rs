//! The throttle as a layer of tower: readiness, refusals, clones, drops.

use std::future::{Pending, Ready, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as Poller, Poll, Waker};

use futures_util::FutureExt as _;
use futures_util::future::Either;
use linchpin::resilience::FailedKind;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{draws, scripted, throttle, with};

/// Answers as it is asked to; ready only after it was told.
#[derive(Clone, Default)]
struct Callee {
    ready: bool,
    busy: bool,
}

/// What it is asked for.
#[derive(Clone, Copy)]
enum Ask {
    Answer(Result<u8, &'static str>),
    Hang,
    Panic,
}

impl Service<Ask> for Callee {
    type Response = u8;
    type Error = &'static str;
    type Future = Either<Ready<Result<u8, &'static str>>, Pending<Result<u8, &'static str>>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        if self.busy {
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        match ask {
            Ask::Answer(answer) => Either::Left(ready(answer)),
            Ask::Hang => Either::Right(pending()),
            Ask::Panic => panic!("boom"),
        }
    }
}

fn is_ready(service: &mut impl Service<Ask>) -> bool {
    matches!(service.poll_ready(&mut Poller::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

#[test]
fn calls_are_counted_and_refused_and_answers_pass() {
    let throttle = throttle(scripted());
    let mut service = throttle.layer().layer(Callee::default());
    let mut other = service.clone();
    assert!(is_ready(&mut service) && is_ready(&mut other));
    assert_eq!(service.call(Ask::Answer(Ok(7))).now_or_never().unwrap().unwrap(), 7);
    let failed = other.call(Ask::Answer(Err("sick"))).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")));
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.accepted), (2, 1), "clones share it");
}

#[test]
fn it_is_ready_when_the_service_is_and_refuses_in_the_call() {
    let throttle = with(scripted(), 100, 0);
    draws(0.0);
    let mut busy = throttle.layer().layer(Callee { busy: true, ..Callee::default() });
    assert!(!is_ready(&mut busy));
    let mut service = throttle.layer().layer(Callee::default());
    assert!(is_ready(&mut service), "refusing is no failed readiness");
    let failed = service.call(Ask::Answer(Ok(1))).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
}

#[test]
fn what_is_dropped_or_panics_leaves_nothing_behind() {
    let throttle = throttle(scripted());
    let mut service = throttle.layer().layer(Callee::default());
    assert!(is_ready(&mut service));
    drop(service.clone());
    let mut hangs = service.call(Ask::Hang);
    assert!((&mut hangs).now_or_never().is_none());
    assert_eq!(throttle.numbers().under_way, 1);
    drop(hangs);
    assert!(is_ready(&mut service));
    let panics = catch_unwind(AssertUnwindSafe(|| drop(service.call(Ask::Panic))));
    assert!(panics.is_err());
    let numbers = throttle.numbers();
    assert_eq!((numbers.under_way, numbers.requests, numbers.accepted), (0, 1, 0));
}
