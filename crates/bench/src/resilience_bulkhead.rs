//! Rows `concurrency*`: so many calls under way at once, around work that is done at once, where nobody has to wait.
//!
//! Ours refuses in the call, counts outcomes and what is inside; as a closure it runs under a context. tower's layer waits
//! in its readiness and counts nothing; tower-resilience's tells listeners.

use std::hint::black_box;
use std::sync::Arc;

use linchpin::Context;
use linchpin::resilience::bulkhead::{Bulkhead, Options};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service, service_fn};
use tower_resilience_bulkhead::BulkheadLayer;

use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Floor, Ours, Peer};

/// Places where nobody has to wait.
const PLENTY: usize = 64;

const LAYER: &str = "linchpin, as a layer";
const TOWER: &str = "tower, as a layer";
const TOWER_RESILIENCE: &str = "tower-resilience, as a layer";

pub(crate) async fn well() -> Result<u64, std::io::Error> {
    black_box(Ok(1))
}

/// Every row of bulkheads.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("concurrency")
            .ct(Ours, "linchpin", |operations| called(operations, ours(), Context::root()))
            .ct(Ours, "linchpin, under a context that may end", |operations| async move {
                let child = Context::root().child();
                called(operations, ours(), (*child).clone()).await;
            })
            .ct(Ours, LAYER, |operations| served(operations, layered()))
            .ct(Peer, TOWER, |operations| served(operations, tower()))
            .ct(Peer, TOWER_RESILIENCE, |operations| served(operations, tower_resilience()))
            .ct(Floor, "the call alone", |operations| async move {
                for _ in 0..operations {
                    drop(black_box(well().await));
                }
            }),
        shared("concurrency-t2", 2),
        shared("concurrency-t8", 8),
    ]
}

/// So many tasks on two threads share the places.
fn shared(name: &'static str, tasks: u64) -> Operation {
    Operation::new(name)
        .mt(Ours, "linchpin", move |operations| async move {
            let bulkhead = Arc::new(ours());
            each(tasks, operations, |share| {
                let bulkhead = bulkhead.clone();
                async move { called(share, (*bulkhead).clone(), Context::root()).await }
            })
            .await;
        })
        .mt(Ours, LAYER, move |operations| async move {
            each_served(tasks, operations, layered()).await;
        })
        .mt(Peer, TOWER, move |operations| async move {
            each_served(tasks, operations, tower()).await;
        })
        .mt(Peer, TOWER_RESILIENCE, move |operations| async move {
            each_served(tasks, operations, tower_resilience()).await;
        })
}

async fn each<F>(tasks: u64, operations: u64, work: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let share = operations.div_ceil(tasks);
    let workers: Vec<_> = (0..tasks).map(|_| tokio_spawn(work(share))).collect();
    for worker in workers {
        worker.await.expect("it does not panic");
    }
}

/// So many tasks call clones of a service.
pub(crate) async fn each_served<S>(tasks: u64, operations: u64, service: S)
where
    S: Service<(), Response = u64, Future: Send> + Clone + Send + 'static,
{
    each(tasks, operations, |share| served(share, service.clone())).await;
}

fn ours() -> Bulkhead {
    Bulkhead::new("bench", PLENTY, Options::default()).expect("it has places")
}

fn layered() -> impl Service<(), Response = u64, Future: Send> + Clone + Send + 'static {
    ours().layer().layer(service_fn(|()| well()))
}

fn tower() -> impl Service<(), Response = u64, Future: Send> + Clone + Send + 'static {
    ConcurrencyLimitLayer::new(PLENTY).layer(service_fn(|()| well()))
}

fn tower_resilience() -> impl Service<(), Response = u64, Future: Send> + Clone + Send + 'static {
    let layer =
        BulkheadLayer::builder().max_concurrent_calls(PLENTY).build().expect("it has places");
    layer.layer(service_fn(|()| well()))
}

async fn called(operations: u64, bulkhead: Bulkhead, ctx: Context) {
    for _ in 0..operations {
        drop(black_box(black_box(&bulkhead).call(&ctx, well).await));
    }
}

pub(crate) async fn served(operations: u64, mut service: impl Service<(), Response = u64>) {
    let nobody = || std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..operations {
        assert!(service.poll_ready(&mut nobody()).is_ready());
        drop(black_box(service.call(()).await));
    }
}
