//! The fallback as a layer of tower: what stands in, the mark, readiness, panics of an exercise.

use std::future::ready;
use std::task::{Context as Poller, Poll, Waker};

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::fallback::{ByFn, ByService, Instead, Lost, Options, Reason, Value};
use tower_layer::Layer as _;
use tower_service::Service;

use super::fallback;
use crate::callee::{Callee, Said, callee, is_ready};
use crate::retry::cases::{Answer, ByStatus, answer};

/// Answers each request with a status; one of zero is never ready.
fn serving(status: u16) -> Callee<impl Fn(&'static str) -> Said<Answer, Answer> + Clone, Answer> {
    let served = callee(move |_: &'static str| {
        ready(if status < 300 { Ok(answer(status)) } else { Err(answer(status)) })
    });
    served.readiness(Poll::Ready(if status == 0 { Err(answer(0)) } else { Ok(()) }))
}

/// A part of the request is kept: as the key of a cache would be.
#[derive(Clone, Copy)]
struct ByLength;

impl Instead<&'static str, Answer, Answer> for ByLength {
    type Kept = usize;
    type Future = Said<Answer, Answer>;

    fn keep(&self, request: &&'static str) -> usize {
        request.len()
    }

    fn instead(&self, kept: usize, _: Lost<'_, Answer, Answer>) -> Self::Future {
        ready(Ok(answer(200 + kept as u16)))
    }
}

/// The status and why it is degraded, of a request through a layer.
async fn served<I>(status: u16, instead: I) -> Result<(u16, Option<Reason>), u16>
where
    I: Instead<&'static str, Answer, Answer> + Clone,
{
    let layer = fallback(Options::default()).classified(ByStatus).layer(instead);
    let mut service = layer.layer(serving(status));
    assert!(is_ready(&mut service));
    match service.call("GET").await {
        Ok(served) => Ok((served.status, served.degraded().map(|degraded| degraded.reason))),
        Err(failed) => match failed.into_kind() {
            FailedKind::Callee(answer) => Err(answer.status),
            other => panic!("{other:?}"),
        },
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_a_function_or_another_service_stands_in() {
    let failed = Some(Reason::Failed);
    assert_eq!(served(503, Value(answer(203))).await, Ok((203, failed)));
    let by_fn = ByFn(|lost: Lost<'_, Answer, Answer>| {
        let status = lost.error().unwrap().status;
        async move { Ok(answer(status - 300)) }
    });
    assert_eq!(served(503, by_fn).await, Ok((203, failed)));
    let other = serving(204);
    assert_eq!(served(503, ByService(other.clone())).await, Ok((204, failed)));
    assert_eq!(served(200, ByService(other.clone())).await, Ok((200, None)));
    assert_eq!(other.calls(), 1, "asked when it is needed");
    assert_eq!(served(503, ByLength).await, Ok((203, failed)));
    assert_eq!(served(404, Value(answer(203))).await, Err(404), "an answer passes");
    // Another service that fails, or does not even get ready.
    assert_eq!(served(503, ByService(serving(500))).await, Err(500));
    assert_eq!(served(503, ByService(serving(0))).await, Err(0));
}

#[tokio::test(start_paused = true)]
async fn a_layers_fallback_that_fails_has_the_first_error_inside() {
    let layer = fallback(Options::default()).classified(ByStatus);
    let mut service = layer.layer(ByService(serving(500))).layer(serving(503));
    assert!(is_ready(&mut service));
    let failed = service.call("GET").await.unwrap_err();
    assert!(
        matches!(failed.instead_of().unwrap().kind(), FailedKind::Callee(first) if first.status == 503)
    );
    assert_eq!(layer.numbers().failed, 1);
    let mut unready = layer.layer(Value(answer(203))).layer(serving(0));
    let unready = unready.poll_ready(&mut Poller::from_waker(Waker::noop()));
    assert!(
        matches!(unready, Poll::Ready(Err(failed)) if matches!(failed.kind(), FailedKind::Callee(_)))
    );
}

#[tokio::test(start_paused = true)]
async fn an_exercise_of_a_layer_harms_no_answer() {
    let always = fallback(Options::default().exercise_rate(1.0)).classified(ByStatus);
    let other = serving(204);
    let mut service = always.layer(ByService(other.clone())).layer(serving(200));
    assert!(is_ready(&mut service));
    assert_eq!(service.call("GET").await.unwrap().degraded(), None);
    assert_eq!(other.calls(), 1);
    for late in [false, true] {
        let panics = ByFn(move |_: Lost<'_, Answer, Answer>| {
            assert!(late, "in the function");
            async { panic!("in its future") }
        });
        let mut service = always.layer(panics).layer(serving(200));
        assert!(is_ready(&mut service));
        assert_eq!(service.call("GET").await.unwrap().status, 200);
    }
    assert_eq!((always.numbers().exercised, always.numbers().exercises_failed), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_asks_nobody_and_shows_itself() {
    let layer = fallback(Options::default()).classified(ByStatus);
    let hangs = ByFn(|_: Lost<'_, Answer, Answer>| std::future::pending());
    let mut service = layer.layer(hangs).layer(serving(503));
    assert!(is_ready(&mut service));
    let mut response = Box::pin(service.call("GET"));
    assert!((&mut response).now_or_never().is_none());
    assert_eq!(format!("{response:?}"), "StandInFuture { fallback: \"test\", .. }");
    drop(response);
    assert_eq!((layer.numbers().used, layer.numbers().failed), (0, 0));
}
