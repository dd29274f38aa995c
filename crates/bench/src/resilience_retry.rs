//! Rows `retry*`: a call that succeeds at once, inside of a retry.
//!
//! Ours runs under a context that may end, stops with the reason, and obeys what the callee asks for; the peers know
//! nothing of the three. tower's budget reads the clock at each call, ours at one in sixteen.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use linchpin::Context;
use linchpin::resilience::retry::{Budget, Options, Retry};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::retry::{Policy, RetryLayer};
use tower::{Layer as _, Service, service_fn};

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours, Peer};

#[derive(Debug)]
struct Sick;

async fn well() -> Result<u64, Sick> {
    black_box(Ok(1))
}

/// Never again, with or without a budget.
#[derive(Clone)]
struct Once(Option<Arc<TpsBudget>>);

impl Policy<u64, u64, Sick> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, Sick>) -> Option<Ready<()>> {
        match (result, &self.0) {
            (Ok(_), None) => None,
            (Ok(_), Some(budget)) => {
                budget.deposit();
                None
            }
            (Err(_), Some(budget)) => budget.withdraw().then(|| ready(())),
            (Err(_), None) => Some(ready(())),
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// Every row of retries.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("retry")
            .ct(Ours, "linchpin", |operations| {
                called(operations, Budget::unlimited(), Context::root())
            })
            .ct(Ours, "linchpin, under a context that may end", |operations| async move {
                let child = Context::root().child();
                called(operations, Budget::unlimited(), (*child).clone()).await;
            })
            .ct(Ours, "linchpin, as a layer", |operations| layered(operations, Budget::unlimited()))
            .ct(Peer, "tower, as a layer", |operations| tower(operations, Once(None)))
            .ct(Peer, "backon", |operations| async move {
                for _ in 0..operations {
                    let work = well.retry(ConstantBuilder::default().with_max_times(2));
                    drop(black_box(work.await));
                }
            })
            .ct(Floor, "the call alone", |operations| async move {
                for _ in 0..operations {
                    drop(black_box(well().await));
                }
            }),
        Operation::new("retry-budget")
            .ct(Ours, "linchpin, by ratio", |operations| {
                called(operations, Budget::default(), Context::root())
            })
            .ct(Ours, "linchpin, tokens", |operations| {
                called(operations, tokens(), Context::root())
            })
            .ct(Ours, "linchpin, concurrent", |operations| {
                called(operations, concurrent(), Context::root())
            })
            .ct(Ours, "linchpin, by ratio, as a layer", |operations| {
                layered(operations, Budget::default())
            })
            .ct(Peer, "tower, as a layer", |operations| {
                let budget = TpsBudget::new(Duration::from_secs(10), 1, 0.2);
                tower(operations, Once(Some(Arc::new(budget))))
            }),
    ]
}

fn tokens() -> Budget {
    Budget::tokens(500, 14, 5).expect("a retry costs less than all")
}

fn concurrent() -> Budget {
    Budget::concurrent(0.2, 3).expect("a share")
}

fn retry(budget: Budget) -> Retry {
    Retry::new("bench", Options::default().idempotent().budget(budget)).expect("they fit")
}

async fn called(operations: u64, budget: Budget, ctx: Context) {
    let retry = retry(budget);
    for _ in 0..operations {
        drop(black_box(black_box(&retry).call(&ctx, |_| well()).await));
    }
}

async fn layered(operations: u64, budget: Budget) {
    let mut service = retry(budget).layer().layer(service_fn(|_: u64| well()));
    for request in 0..operations {
        ready_for(&mut service);
        drop(black_box(service.call(request).await));
    }
}

async fn tower(operations: u64, policy: Once) {
    let mut service = RetryLayer::new(policy).layer(service_fn(|_: u64| well()));
    for request in 0..operations {
        ready_for(&mut service);
        drop(black_box(service.call(request).await));
    }
}

fn ready_for(service: &mut impl Service<u64>) {
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut nobody).is_ready());
}
