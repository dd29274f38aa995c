//! The tower layer.

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::limiter::{Options, Rate};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{gcra, limiter, ms, pass, remaining, retry_after};
use crate::callee::{echo, is_ready};

#[tokio::test(start_paused = true)]
async fn requests_above_the_rate_are_refused_in_the_call_and_answers_pass() {
    let (limiter, callee) = (gcra(2), echo());
    let mut service = limiter.layer().layer(callee.clone());
    assert!(is_ready(&mut service));
    drop(service.clone());
    assert_eq!(remaining(&limiter), 2, "nothing is taken before the call");
    assert_eq!(service.call(Ok(7)).await.unwrap(), 7);
    assert!(is_ready(&mut service));
    let failed = service.call(Err("broken")).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("broken")));
    assert!(is_ready(&mut service));
    let failed = service.call(Ok(1)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)), "{failed:?}");
    assert_eq!(callee.calls(), 2);
    // It was not called, so it is ready still.
    pass(ms(100)).await;
    assert_eq!(service.call(Ok(3)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_their_turn_and_call_the_service_that_was_ready_then() {
    let options = Options::default().burst(1).max_wait(ms(200));
    let limiter = limiter(Rate::per_second(10), options);
    let callee = echo();
    let mut service = limiter.layer().layer(callee.clone());
    let mut asked = Vec::new();
    for answer in 0..4 {
        assert!(is_ready(&mut service));
        asked.push(service.call(Ok(answer)));
    }
    assert_eq!(callee.calls(), 1, "others are called at their turn");
    let began = Instant::now();
    let mut times = Vec::new();
    for response in asked {
        let answer = response.await.ok();
        times.push((answer, Instant::now() - began));
    }
    assert_eq!(times, [(Some(0), ms(0)), (Some(1), ms(100)), (Some(2), ms(200)), (None, ms(200))]);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_before_its_turn_gives_it_back() {
    let options = Options::default().burst(1).max_wait(ms(200));
    let limiter = limiter(Rate::per_second(10), options);
    let mut service = limiter.layer().layer(echo());
    assert!(is_ready(&mut service));
    assert_eq!(service.call(Ok(1)).await.unwrap(), 1);
    assert!(is_ready(&mut service));
    let mut response = Box::pin(service.call(Ok(1)));
    assert!((&mut response).now_or_never().is_none());
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(200));
    drop(response);
    assert_eq!(retry_after(limiter.try_acquire(1)), ms(100));
}
