//! The retry as a layer of tower: readiness, clones, copies of requests, drops.

use std::future::{Ready, ready};
use std::task::{Context as Poller, Poll};

use futures_util::FutureExt as _;
use linchpin::resilience::retry::{Budget, Options, Replay, StopReason};
use linchpin::resilience::{Failed, FailedKind};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::cases::{Answer, ByStatus, answer};
use super::{MS, SECOND, exact, retry};
use crate::callee::{Asked, Callee, Said, is_ready, scripted};

/// A request with a method, a key, and a body that may be gone.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Request {
    method: &'static str,
    key: Option<u32>,
    streams: bool,
}

#[derive(Clone, Copy, Debug)]
struct ByMethod;

impl Replay<Request> for ByMethod {
    fn copy(&self, request: &Request) -> Option<Request> {
        (!request.streams).then(|| request.clone())
    }

    fn is_idempotent(&self, request: &Request) -> Option<bool> {
        Some(request.key.is_some() || matches!(request.method, "GET" | "PUT" | "DELETE"))
    }
}

fn request(method: &'static str) -> Request {
    Request { method, key: None, streams: false }
}

/// Answers with these statuses, the last of them again and again.
fn statuses(
    script: &[u16],
    asked: &Asked<Request>,
) -> Callee<impl Fn(Request) -> Said<Answer, Answer> + Clone + use<>, Answer> {
    let line = |status: &u16| if *status == 200 { Ok(answer(200)) } else { Err(answer(*status)) };
    scripted(script.iter().map(line).collect(), asked)
}

#[tokio::test(start_paused = true)]
async fn r6_the_request_says_whether_it_may_be_sent_again() {
    let post = || request("POST");
    let key = || Request { key: Some(7), ..post() };
    let streams = || Request { streams: true, ..request("GET") };
    for (name, sent, script, calls, stopped) in [
        ("GET", request("GET"), &[503][..], 3, Some(StopReason::Attempts)),
        ("POST without a key", post(), &[503], 1, Some(StopReason::Unsafe)),
        ("POST that never connected", post(), &[0, 200], 2, None),
        ("POST with a key", key(), &[503, 503, 200], 3, None),
        ("a body that streams", streams(), &[503], 1, Some(StopReason::Unsafe)),
        ("a success", post(), &[200], 1, None),
    ] {
        let asked = Asked::default();
        let callee = statuses(script, &asked);
        let base = Options::default().budget(Budget::unlimited());
        let layer = retry(base).classified(ByStatus).layer_with(ByMethod);
        let mut service = layer.layer(callee.clone());
        assert!(is_ready(&mut service));
        let result = service.call(sent.clone()).await;
        assert_eq!(result.as_ref().err().and_then(Failed::stop_reason), stopped, "{name}");
        assert_eq!(
            *asked.lock().unwrap(),
            vec![sent; calls],
            "{name}: the same each time, its key too"
        );
        assert_eq!(callee.readied(), calls, "{name}: ready before each attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_rests_between_attempts_and_heeds_a_deadline() {
    #[derive(Clone, Copy)]
    struct Until(Instant);
    impl Replay<Request> for Until {
        fn copy(&self, request: &Request) -> Option<Request> {
            Some(request.clone())
        }
        fn deadline(&self, _: &Request) -> Option<Instant> {
            Some(self.0)
        }
    }
    let begun = Instant::now();
    let layer = retry(exact()).classified(ByStatus).layer_with(Until(begun + 250 * MS));
    let mut service = layer.layer(statuses(&[503], &Asked::default()));
    assert!(is_ready(&mut service));
    let failed = service.call(request("POST")).await.unwrap_err();
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Deadline)));
    assert_eq!(begun.elapsed(), 100 * MS);
    assert!(matches!(failed.kind(), FailedKind::Callee(last) if last.status == 503));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_gives_all_back() {
    use linchpin::resilience::retry::Allow as _;
    let budget = Budget::concurrent(0.0, 1).unwrap();
    let layer = retry(exact().budget(budget.clone())).classified(ByStatus).layer();
    let mut service = layer.layer(statuses(&[503], &Asked::default()));
    assert!(is_ready(&mut service));
    let mut response = Box::pin(service.call(request("GET")));
    assert!((&mut response).now_or_never().is_none());
    assert_eq!(budget.left(Instant::now()), Some(0.0));
    drop(response);
    assert_eq!(budget.left(Instant::now()), Some(1.0));
    // And may be used again.
    assert!(is_ready(&mut service));
    assert!(service.call(request("GET")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_gets_ready_never_more_fails_the_attempt() {
    /// Ready once.
    #[derive(Clone)]
    struct Once(bool);
    impl Service<Request> for Once {
        type Response = Answer;
        type Error = Answer;
        type Future = Ready<Result<Answer, Answer>>;

        fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Answer>> {
            let first = std::mem::replace(&mut self.0, false);
            Poll::Ready(if first { Ok(()) } else { Err(answer(400)) })
        }

        fn call(&mut self, _: Request) -> Self::Future {
            ready(Err(answer(503)))
        }
    }
    let mut service = retry(exact()).classified(ByStatus).layer().layer(Once(true));
    assert!(is_ready(&mut service));
    let begun = Instant::now();
    let failed = service.call(request("GET")).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(last) if last.status == 400));
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Final)));
    assert!(begun.elapsed() < SECOND);
}
