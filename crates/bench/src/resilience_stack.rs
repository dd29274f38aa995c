//! Rows `stack*`: a call that succeeds at once, through all policies of a client.
//!
//! Ours has a breaker, limiter, bulkhead, time limit and retry with a budget, under a context. tower's has no breaker, and
//! so five layers too: load shedding, rate limit, concurrency limit, retry with a budget, time limit. Its rate limit
//! cannot be shared.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::stack::Stack;
use linchpin::resilience::{breaker, retry};
use tower::retry::Policy;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::{BoxError, Layer as _, Service, ServiceBuilder, service_fn};

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours, Peer};

#[derive(Debug)]
struct Sick;

impl std::fmt::Display for Sick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sick")
    }
}

impl std::error::Error for Sick {}

#[expect(clippy::unused_async, reason = "what is called must be a future")]
async fn well() -> Result<u64, Sick> {
    black_box(Ok(1))
}

/// Every row of stacks.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("stack")
            .ct(Ours, "linchpin, by count", |operations| {
                called(operations, by_count(), Context::root())
            })
            .ct(Ours, "linchpin, by time", |operations| {
                called(operations, breaker::Options::default(), Context::root())
            })
            .ct(Ours, "linchpin, under a context that may end", |operations| async move {
                let child = Context::root().child();
                called(operations, by_count(), (*child).clone()).await;
            })
            .ct(Ours, "linchpin, as a layer", layered)
            .ct(Peer, "tower, five layers, no breaker", tower)
            .ct(Floor, "the call alone", |operations| async move {
                for _ in 0..operations {
                    drop(black_box(well().await));
                }
            }),
    ]
}

fn by_count() -> breaker::Options {
    breaker::Options::default().count_window(100)
}

/// Nothing of it is ever in the way.
fn stack(breaker: breaker::Options) -> Stack {
    Stack::client("bench")
        .retry(retry::Options::default().idempotent())
        .breaker(breaker)
        .limiter((Rate::per_second(1_000_000_000), limiter::Options::default()))
        .bulkhead(64)
        .timeout(Duration::from_secs(10))
        .build()
        .expect("they fit")
}

async fn called(operations: u64, breaker: breaker::Options, ctx: Context) {
    let stack = stack(breaker);
    for _ in 0..operations {
        let result = black_box(&stack).call(&ctx, |_| well()).await;
        assert!(black_box(result).is_ok());
    }
}

async fn layered(operations: u64) {
    let mut service = stack(by_count()).layer().layer(service_fn(|_: u64| well()));
    for request in 0..operations {
        ready_for(&mut service);
        assert!(black_box(service.call(request).await).is_ok());
    }
}

/// Deposits, and never has to try again.
#[derive(Clone)]
struct Budgeted(Arc<TpsBudget>);

impl Policy<u64, u64, BoxError> for Budgeted {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, BoxError>) -> Option<Ready<()>> {
        if result.is_ok() {
            self.0.deposit();
            return None;
        }
        self.0.withdraw().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

async fn tower(operations: u64) {
    let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 1, 0.2));
    let mut service = ServiceBuilder::new()
        .load_shed()
        .rate_limit(u64::MAX, Duration::from_hours(1))
        .concurrency_limit(64)
        .retry(Budgeted(budget))
        .timeout(Duration::from_secs(10))
        .service(service_fn(|_: u64| well()));
    for request in 0..operations {
        ready_for(&mut service);
        assert!(black_box(service.call(request).await).is_ok());
    }
}

pub(crate) fn ready_for<S: Service<u64>>(service: &mut S) {
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(service.poll_ready(&mut nobody).is_ready());
}
