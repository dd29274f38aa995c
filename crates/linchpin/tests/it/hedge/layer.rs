//! The hedge as a layer of tower: readiness, clones, copies of requests, drops.

use std::sync::{Arc, Mutex};
use std::task::{Context as Poller, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::hedge::Options;
use linchpin::resilience::retry::{Allow as _, Budget, Replay, StopReason};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{MS, SECOND, ample, hedge};
use crate::callee::is_ready;
use crate::retry::cases::{Answer, ByStatus, answer};

type Reply = std::pin::Pin<Box<dyn Future<Output = Result<Answer, Answer>> + Send>>;

/// Answers the nth call as the nth line of a script says; a clone gets ready after so long.
pub(super) struct Callee {
    script: &'static [(u64, u16)],
    calls: Arc<Mutex<Vec<(Duration, &'static str)>>>,
    start: Instant,
    pub(super) readies_in: Duration,
    readying: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    ready: bool,
    fails_to: bool,
}

impl Callee {
    pub(super) fn new(script: &'static [(u64, u16)]) -> Self {
        Self {
            script,
            calls: Arc::default(),
            start: Instant::now(),
            readies_in: Duration::ZERO,
            readying: None,
            ready: true,
            fails_to: false,
        }
    }

    fn begun(&self) -> Vec<u128> {
        self.calls.lock().unwrap().iter().map(|(at, _)| at.as_millis()).collect()
    }
}

impl Clone for Callee {
    /// A clone has to be made ready for itself.
    fn clone(&self) -> Self {
        let Self { script, calls, start, readies_in, fails_to, .. } = self;
        Self {
            script,
            calls: calls.clone(),
            start: *start,
            readies_in: *readies_in,
            readying: None,
            ready: false,
            fails_to: *fails_to,
        }
    }
}

impl Service<&'static str> for Callee {
    type Response = Answer;
    type Error = Answer;
    type Future = Reply;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), Answer>> {
        if !self.ready && self.fails_to {
            return Poll::Ready(Err(answer(400)));
        }
        if !self.ready && !self.readies_in.is_zero() {
            let wait = self.readies_in;
            let sleep = self.readying.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            std::task::ready!(sleep.as_mut().poll(cx));
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: &'static str) -> Reply {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        let mut calls = self.calls.lock().unwrap();
        calls.push((self.start.elapsed(), request));
        let (takes, status) = self.script[calls.len().min(self.script.len()) - 1];
        async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            if status == 200 { Ok(answer(200)) } else { Err(answer(status)) }
        }
        .boxed()
    }
}

#[derive(Clone, Copy, Debug)]
struct ByMethod;

impl Replay<&'static str> for ByMethod {
    fn copy(&self, request: &&'static str) -> Option<&'static str> {
        (*request != "a body that streams").then_some(*request)
    }

    fn is_idempotent(&self, request: &&'static str) -> Option<bool> {
        Some(*request != "POST")
    }
}

#[tokio::test(start_paused = true)]
async fn h8_the_request_says_whether_it_is_hedged() {
    for (request, script, begun, ends) in [
        ("GET", &[(9000, 200), (100, 200)][..], &[0, 500][..], 600),
        ("GET", &[(100, 503), (9000, 200), (7, 200)], &[0, 100, 600], 607),
        ("POST", &[(9000, 200)], &[0], 9000),
        ("a body that streams", &[(9000, 200)], &[0], 9000),
    ] {
        let callee = Callee::new(script);
        let base = Options::default().delay(500 * MS).max_attempts(4).max_extra_load(10.0);
        let mut service =
            hedge(base).classified(ByStatus).layer_with(ByMethod).layer(callee.clone());
        let start = Instant::now();
        assert!(is_ready(&mut service));
        assert_eq!(service.call(request).await.unwrap(), answer(200));
        assert_eq!((callee.begun(), start.elapsed()), (to_vec(begun), ends * MS), "{request}");
        assert!(callee.calls.lock().unwrap().iter().all(|(_, sent)| *sent == request));
    }
}

fn to_vec(begun: &[u128]) -> Vec<u128> {
    begun.to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_further_attempt_gets_ready_for_itself_and_holds_up_nobody() {
    let mut callee = Callee::new(&[(2000, 200)]);
    callee.readies_in = 300 * MS;
    let mut service = hedge(ample()).layer().layer(callee.clone());
    service.poll_ready(&mut Poller::from_waker(Waker::noop())).map(drop).is_pending();
    tokio::time::sleep(300 * MS).await;
    assert!(is_ready(&mut service));
    let response = service.call("GET").await;
    assert_eq!(response.unwrap(), answer(200));
    // Due at 800, and half a second after that one was ready; each is ready 300 ms after it was due.
    assert_eq!(callee.begun(), [300, 1100, 1900]);
    // One that does not get ready at all loses.
    let mut callee = Callee::new(&[(2000, 200)]);
    callee.readies_in = 9 * SECOND;
    callee.ready = true;
    let mut service = hedge(ample()).layer().layer(callee);
    service.call("GET").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_gets_ready_never_more_fails_that_attempt() {
    let mut callee = Callee::new(&[(100, 503)]);
    callee.fails_to = true;
    let mut service = hedge(ample()).classified(ByStatus).layer().layer(callee);
    let failed = service.call("GET").await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(last) if last.status == 400));
    assert_eq!((failed.attempts(), failed.stop_reason()), (2, Some(StopReason::Final)));
    assert!(matches!(failed.others()[0].kind(), FailedKind::Callee(first) if first.status == 503));
    assert!(!is_ready(&mut service), "said by itself where there is no attempt before");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_gives_all_back_and_the_service_goes_on() {
    let budget = Budget::concurrent(0.0, 3).unwrap();
    let callee = Callee::new(&[(9000, 200)]);
    let mut service = hedge(ample().budget(budget.clone())).layer().layer(callee.clone());
    assert!(is_ready(&mut service));
    let response = service.call("GET");
    assert!(tokio::time::timeout(1200 * MS, response).await.is_err());
    assert_eq!((callee.begun(), budget.left(Instant::now())), (vec![0, 500, 1000], Some(3.0)));
    assert!(is_ready(&mut service));
    service.call("GET").await.unwrap();
    assert!(is_ready(&mut service));
    assert!(format!("{:?}", service.call("GET")).starts_with("HedgedFuture { attempts: 1"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_the_request_bounds_further_attempts() {
    #[derive(Clone, Copy)]
    struct Until(Instant);
    impl Replay<&'static str> for Until {
        fn copy(&self, request: &&'static str) -> Option<&'static str> {
            Some(*request)
        }
        fn deadline(&self, _: &&'static str) -> Option<Instant> {
            Some(self.0)
        }
    }
    let callee = Callee::new(&[(5000, 200)]);
    let until = Until(Instant::now() + 1200 * MS);
    let mut service = hedge(ample()).layer_with(until).layer(callee.clone());
    assert!(is_ready(&mut service));
    service.call("GET").await.unwrap();
    assert_eq!(callee.begun(), [0, 500, 1000]);
}
