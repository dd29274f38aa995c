//! The tower layer.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::bulkhead::{Bulkhead, Options};
use linchpin::time::Instant;
use linchpin_testing::steps::drop_at_each;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{bulkhead, crowd, ms, queue, refused};
use crate::callee::{Answer, callee, echo, is_ready};

struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers after a while with what it is asked for, and counts who is inside.
fn slow(
    inside: &Arc<AtomicUsize>,
) -> impl Service<(u64, Answer), Response = u8, Error = &'static str, Future: Send> + Clone + use<>
{
    let inside = inside.clone();
    callee(move |(takes, answer): (u64, Answer)| {
        inside.fetch_add(1, Ordering::Relaxed);
        let inside = Inside(inside.clone());
        assert!(takes < 1_000, "it panics in the call");
        async move {
            tokio::time::sleep(ms(takes)).await;
            drop(inside);
            answer
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_refuses_in_the_call_and_answers_pass() {
    let (bulkhead, inside) = (bulkhead(1, Options::default()), Arc::default());
    let mut service = bulkhead.layer().layer(slow(&inside));
    assert!(is_ready(&mut service));
    drop(service.clone());
    assert_eq!(crowd(&bulkhead), (0, 0), "nothing is taken before the call");
    let first = service.call((10, Ok(7)));
    assert_eq!(crowd(&bulkhead), (1, 0), "it is, from the call on");
    assert!(is_ready(&mut service));
    assert_eq!(refused(service.call((10, Ok(8))).await).reason, "full");
    assert_eq!((inside.load(Ordering::Relaxed), first.await.unwrap()), (1, 7));
    // It was not called, so it is ready still.
    let failed = service.call((10, Err("sick"))).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")));
    assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 1));
    let mut broken = bulkhead.layer().layer(echo().readiness(Poll::Ready(Err("broken"))));
    let failed = poll_fn(|cx| broken.poll_ready(cx)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("broken")));
}

#[tokio::test(start_paused = true)]
async fn responses_wait_for_their_turn_and_call_the_service_that_was_ready_then() {
    let (bulkhead, inside) = (bulkhead(1, queue(2, ms(25))), Arc::default());
    let mut service = bulkhead.layer().layer(slow(&inside));
    let began = Instant::now();
    let asked: Vec<_> = (0..4)
        .map(|answer| {
            assert!(is_ready(&mut service));
            let response = service.call((20, Ok(answer)));
            async move {
                (
                    response.await.map_err(|failed| refused(Err::<(), _>(failed)).reason),
                    began.elapsed(),
                )
            }
        })
        .collect();
    assert_eq!(inside.load(Ordering::Relaxed), 1);
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(
        answers,
        [
            (Ok(0), ms(20)),
            (Ok(1), ms(40)),
            (Err("no place within the longest wait"), ms(25)),
            (Err("full, and so is the queue"), Duration::ZERO),
        ]
    );
    assert_eq!(crowd(&bulkhead), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_response_may_be_dropped_anywhere() {
    drop_at_each(
        async || {
            let bulkhead = bulkhead(1, queue(1, ms(100)));
            let held = bulkhead.try_enter_owned().unwrap();
            let holder = linchpin::task::spawn("holder", async move {
                tokio::time::sleep(ms(10)).await;
                drop(held);
            });
            (bulkhead, Arc::default(), holder)
        },
        async |(bulkhead, inside, _)| {
            let mut service = bulkhead.layer().layer(slow(inside));
            assert!(is_ready(&mut service));
            assert_eq!(service.call((1, Ok(7))).await.unwrap(), 7);
        },
        async |(bulkhead, inside, holder)| {
            assert_eq!(inside.load(Ordering::Relaxed), 0);
            while !holder.is_finished() {
                tokio::time::sleep(ms(10)).await;
            }
            assert_eq!(crowd(bulkhead), (0, 0));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_in_its_call_keeps_no_place() {
    let panics = |bulkhead: &Bulkhead| {
        let mut service = bulkhead.layer().layer(slow(&Arc::default()));
        assert!(is_ready(&mut service));
        let call = std::panic::AssertUnwindSafe(async move { service.call((5_000, Ok(1))).await });
        call.catch_unwind().map(|raised| assert!(raised.is_err()))
    };
    let bulkhead = bulkhead(1, queue(1, ms(100)));
    panics(&bulkhead).await;
    assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 1));
    // Where it has waited, too.
    let held = bulkhead.try_enter().unwrap();
    let mut waits = Box::pin(panics(&bulkhead));
    assert!((&mut waits).now_or_never().is_none());
    drop(held);
    waits.await;
    assert_eq!((crowd(&bulkhead), bulkhead.numbers().failures), ((0, 0), 2));
}

/// The place is free only when the work is gone, not when it is done.
#[tokio::test(start_paused = true)]
async fn who_comes_next_finds_the_last_gone() {
    let (bulkhead, inside) = (bulkhead(1, queue(1, ms(100))), Arc::default());
    let mut service = bulkhead.layer().layer(slow(&inside));
    assert!(is_ready(&mut service));
    let first = service.call((10, Ok(1)));
    let seen = async {
        let permit = bulkhead.enter(&linchpin::Context::root()).await.unwrap();
        let seen = inside.load(Ordering::Relaxed);
        drop(permit);
        seen
    };
    let (seen, first) = tokio::join!(seen, first);
    assert_eq!((seen, first.unwrap()), (0, 1));
}
