//! Rows `hedge*` and `fallback`: a call that succeeds at once, and one that waits for another task.
//!
//! Ours runs under a context, counts extra load, and takes the delay from the last thousand; tower's has a histogram under a
//! lock, no budget, and clones its service twice a call. For a fallback there is the call alone beside ours.

use std::hint::black_box;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::fallback::{self, Fallback, Value};
use linchpin::resilience::hedge::{Hedge, Options};
use tokio::task::yield_now;
use tower::hedge::{Hedge as TowerHedge, Policy};
use tower::{Layer as _, Service, service_fn};

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours, Peer};

const HOUR: Duration = Duration::from_hours(1);

type Done = Result<u64, std::io::Error>;

async fn well() -> Done {
    black_box(Ok(1))
}

async fn waits() -> Done {
    yield_now().await;
    black_box(Ok(1))
}

/// Every request may be hedged.
#[derive(Clone)]
struct Always;

impl Policy<u64> for Always {
    fn clone_request(&self, request: &u64) -> Option<u64> {
        Some(*request)
    }

    fn can_retry(&self, _: &u64) -> bool {
        true
    }
}

/// Every row of hedges and of fallbacks.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("hedge")
            .ct(Ours, "linchpin, a fixed delay", |operations| called(operations, fixed(), well))
            .ct(Ours, "linchpin, by quantile", |operations| called(operations, measured(), well))
            .ct(Ours, "linchpin, by quantile, as a layer", |operations| layered(operations, well))
            .ct(Peer, "tower, as a layer", |operations| tower(operations, well))
            .ct(Floor, "the call alone", |operations| alone(operations, well)),
        Operation::new("hedge-waits")
            .ct(Ours, "linchpin, a fixed delay", |operations| called(operations, fixed(), waits))
            .ct(Ours, "linchpin, by quantile", |operations| called(operations, measured(), waits))
            .ct(Ours, "linchpin, by quantile, as a layer", |operations| layered(operations, waits))
            .ct(Peer, "tower, as a layer", |operations| tower(operations, waits))
            .ct(Floor, "the call alone", |operations| alone(operations, waits)),
        Operation::new("fallback")
            .ct(Ours, "linchpin", |operations| async move {
                let (fallback, ctx) = (fallback(), Context::root());
                for _ in 0..operations {
                    let call = black_box(&fallback).call_or(&ctx, well, 7);
                    drop(black_box(call.await));
                }
            })
            .ct(Ours, "linchpin, as a layer", |operations| async move {
                let mut service = fallback().layer(Value(7)).layer(service_fn(|_: u64| well()));
                for request in 0..operations {
                    ready_for(&mut service);
                    drop(black_box(service.call(request).await));
                }
            })
            .ct(Floor, "the call alone", |operations| alone(operations, well)),
    ]
}

fn fixed() -> Hedge {
    let options = Options::default().idempotent().delay(HOUR);
    Hedge::new("bench", options).expect("they fit")
}

fn measured() -> Hedge {
    let options = Options::default().idempotent().min_delay(HOUR);
    Hedge::new("bench", options).expect("they fit")
}

fn fallback() -> Fallback {
    Fallback::new("bench", fallback::Options::default()).expect("the defaults are good")
}

async fn alone<F: Future<Output = Done>>(operations: u64, work: fn() -> F) {
    for _ in 0..operations {
        drop(black_box(work().await));
    }
}

async fn called<F: Future<Output = Done>>(operations: u64, hedge: Hedge, work: fn() -> F) {
    let ctx = Context::root();
    for _ in 0..operations {
        drop(black_box(black_box(&hedge).call(&ctx, |_| work()).await));
    }
}

async fn layered<F: Future<Output = Done>>(operations: u64, work: fn() -> F) {
    let mut service = measured().layer().layer(service_fn(move |_: u64| work()));
    for request in 0..operations {
        ready_for(&mut service);
        drop(black_box(service.call(request).await));
    }
}

async fn tower<F: Future<Output = Done>>(operations: u64, work: fn() -> F) {
    let service = service_fn(move |_: u64| work());
    // Its delay is that of a thousand calls of an hour, so that it does not hedge either.
    let slow = [3_600_000; 1_000];
    let mut service = TowerHedge::new_with_mock_latencies(service, Always, 100, 0.95, HOUR, &slow);
    for request in 0..operations {
        ready_for(&mut service);
        drop(black_box(service.call(request).await));
    }
}

fn ready_for(service: &mut impl Service<u64>) {
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut nobody).is_ready());
}
