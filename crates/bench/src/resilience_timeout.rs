//! Rows `timeout*`: a time limit around work that is done at once, and around work that waits for another task.
//!
//! Ours runs under a context, and an error that comes too late is a timeout; the peers give it.

use std::hint::black_box;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::timeout::Timeout;
use tokio::task::yield_now;
use tower::timeout::TimeoutLayer;
use tower::{Layer as _, Service, service_fn};

use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

const HOUR: Duration = Duration::from_hours(1);

type Done = Result<u64, std::io::Error>;

async fn well() -> Done {
    black_box(Ok(1))
}

async fn waits() -> Done {
    yield_now().await;
    black_box(Ok(1))
}

/// Every row of time limits.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("timeout")
            .ct(Ours, "linchpin", |operations| called(operations, Context::root(), well))
            .ct(Ours, "linchpin, under a context that may end", |operations| async move {
                let child = Context::root().child();
                called(operations, (*child).clone(), well).await;
            })
            .ct(Ours, "linchpin, as a layer", |operations| async move {
                let mut service = timeout().layer().layer(service_fn(|()| well()));
                for _ in 0..operations {
                    ready_for(&mut service);
                    drop(black_box(service.call(()).await));
                }
            })
            .ct(Peer, "tower, as a layer", |operations| async move {
                let mut service = TimeoutLayer::new(HOUR).layer(service_fn(|()| well()));
                for _ in 0..operations {
                    ready_for(&mut service);
                    drop(black_box(service.call(()).await));
                }
            })
            .ct(Peer, "tokio", |operations| async move {
                for _ in 0..operations {
                    drop(black_box(tokio::time::timeout(HOUR, well()).await));
                }
            }),
        Operation::new("timeout-waits")
            .ct(Ours, "linchpin", |operations| called(operations, Context::root(), waits))
            .ct(Peer, "tokio", |operations| async move {
                for _ in 0..operations {
                    drop(black_box(tokio::time::timeout(HOUR, waits()).await));
                }
            }),
    ]
}

fn timeout() -> Timeout {
    Timeout::new("bench", HOUR).expect("an hour is a limit")
}

async fn called<F: Future<Output = Done>>(operations: u64, ctx: Context, work: fn() -> F) {
    let timeout = timeout();
    for _ in 0..operations {
        drop(black_box(black_box(&timeout).call(&ctx, work).await));
    }
}

fn ready_for(service: &mut impl Service<()>) {
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut nobody).is_ready());
}
