//! The stack as a layer of tower.

use std::future::poll_fn;

use linchpin::resilience::breaker;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::retry::{Replay, StopReason};
use linchpin::resilience::stack::Stack;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{MS, SECOND, client, exact};
use crate::callee::{Asked, Callee, Said, scripted};

/// Answers by script.
pub(super) fn callee(
    script: &[Result<u8, u8>],
) -> Callee<impl Fn(u32) -> Said<u8, u8> + Clone + use<>, u8> {
    scripted(script.to_vec(), &Asked::default())
}

pub(super) async fn call<S: Service<u32>>(
    service: &mut S,
    request: u32,
) -> Result<S::Response, S::Error> {
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(|_| ()).expect("it is ready");
    service.call(request).await
}

fn whole() -> Stack {
    client()
        .retry(exact())
        .breaker(breaker::Options::default())
        .limiter((Rate::per_second(1), limiter::Options::default().burst(4)))
        .bulkhead(1)
        .timeout(SECOND)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_service_is_called_again_after_it_has_been_made_ready_again() {
    let (stack, asked) = (whole(), Asked::default());
    let callee = scripted(vec![Err(1), Err(2), Ok(7), Ok(8)], &asked);
    let mut service = stack.layer().layer(callee);
    let start = Instant::now();
    assert_eq!(call(&mut service, 5).await.unwrap(), 7);
    assert_eq!(start.elapsed(), 300 * MS);
    assert_eq!(call(&mut service, 6).await.unwrap(), 8);
    assert_eq!(*asked.lock().unwrap(), [5, 5, 5, 6]);
    let failed = call(&mut service, 9).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.policy == "limiter"));
    assert_eq!(stack.bulkhead().unwrap().free(), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_are_flat_and_tell_why_there_was_no_more() {
    let mut service = whole().layer().layer(callee(&[Err(1), Err(2), Err(3)]));
    let failed: Failed<u8> = call(&mut service, 5).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(3)), "{failed:?}");
    assert_eq!((failed.attempts(), failed.stop_reason()), (3, Some(StopReason::Attempts)));
}

/// Requests below ten may be sent once only, and are gone when they are sent.
#[derive(Clone, Copy)]
pub(super) struct ByNumber;

impl Replay<u32> for ByNumber {
    fn copy(&self, request: &u32) -> Option<u32> {
        (*request >= 10).then_some(*request)
    }

    fn is_idempotent(&self, request: &u32) -> Option<bool> {
        Some(*request >= 20)
    }

    fn deadline(&self, request: &u32) -> Option<Instant> {
        (*request >= 30).then(|| Instant::now() + 250 * MS)
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_tells_how_it_can_be_sent_again() {
    for (request, attempts, reason) in [
        (5, 1, StopReason::Unsafe),
        (15, 1, StopReason::Unsafe),
        (25, 3, StopReason::Attempts),
        (35, 2, StopReason::Deadline),
    ] {
        let stack = client().retry(exact()).idempotent_by_request().build().unwrap();
        let mut service = stack.layer_with(ByNumber).layer(callee(&[Err(1), Err(2), Err(3)]));
        let failed = call(&mut service, request).await.unwrap_err();
        assert_eq!(
            (failed.attempts(), failed.stop_reason()),
            (attempts, Some(reason)),
            "{request}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_takes_nothing_and_a_dropped_response_gives_all_back() {
    let stack = whole();
    let mut service = stack.layer().layer(callee(&[Ok(1), Ok(2)]));
    for _ in 0..10 {
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        drop(service.clone());
    }
    drop(service.call(1));
    assert_eq!(stack.bulkhead().unwrap().free(), 1);
    assert_eq!(call(&mut service, 2).await.unwrap(), 1);
}
