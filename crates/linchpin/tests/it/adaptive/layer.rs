//! The adaptive limit as a layer of tower: readiness, refusals, clones, drops.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as Poller, Poll, Waker};

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{MS, adaptive, aimd, enter, fixed};

/// Answers after a while; a handle must be asked for readiness before each call.
#[derive(Clone, Default)]
struct Callee {
    ready: bool,
    busy: bool,
}

impl Service<Result<u8, &'static str>> for Callee {
    type Response = u8;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<u8, &'static str>> + Send>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = !self.busy;
        if self.busy { Poll::Ready(Err("unready")) } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, answer: Result<u8, &'static str>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        assert!(answer != Ok(255), "a callee that panics");
        Box::pin(async move {
            tokio::time::sleep(10 * MS).await;
            answer
        })
    }
}

fn is_ready<S: Service<R>, R>(service: &mut S) -> bool {
    matches!(service.poll_ready(&mut Poller::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_service_are_measured_and_answers_pass() {
    let limit = adaptive(aimd());
    let others = enter(&limit, 10);
    let mut service = limit.layer().layer(Callee::default());
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
    let mut service = limit.layer().layer(Callee::default());
    let mut clone = service.clone();
    assert!(is_ready(&mut service) && is_ready(&mut clone), "nothing is taken by readiness");
    let first = service.call(Ok(1));
    let failed = clone.call(Ok(1)).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
    drop(first);
    assert_eq!(limit.numbers().inflight, 0, "a response that is dropped gives its place back");
    assert_eq!(clone.call(Ok(1)).await.unwrap(), 1, "the callee was not asked, so is ready still");

    let mut unready = limit.layer().layer(Callee { busy: true, ..Callee::default() });
    let failed = poll_fn(|cx| unready.poll_ready(cx)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("unready")));
    assert_eq!(limit.numbers().inflight, 0);
}

#[test]
fn a_service_that_panics_gives_its_place_back() {
    let limit = adaptive(fixed(1));
    let mut service = limit.layer().layer(Callee::default());
    assert!(is_ready(&mut service));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(Ok(255))))).is_err());
    assert_eq!(limit.numbers().inflight, 0);
}
