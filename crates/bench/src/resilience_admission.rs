//! Rows `adaptive*` and `shed*`: work that is let in by a limit that is learned, and by how busy the process is, while nobody
//! has to be refused.
//!
//! Each call is measured: two looks at the clock are the floor. tower-resilience's limit is learned by the same algorithm;
//! of shedders there is no crate that people take.

use std::hint::black_box;

use linchpin::Context;
use linchpin::resilience::adaptive::{self, Adaptive, Algorithm};
use linchpin::resilience::shed::{self, Load, Shedder};
use linchpin::time::Instant;
use tower::{Layer as _, Service, service_fn};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Gradient2};

use crate::harness::Operation;
use crate::resilience_bulkhead::{each_served, served, well};
use crate::row::Role::{Floor, Ours, Peer};

const LINCHPIN: &str = "linchpin";
const LAYER: &str = "linchpin, as a layer";
const TOWER_RESILIENCE: &str = "tower-resilience, as a layer";
/// Places where nobody has to wait.
const PLENTY: u32 = 64;

/// Every row of both.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("adaptive")
            .ct(Ours, LINCHPIN, |n| called(n, limit(Algorithm::Gradient2)))
            .ct(Ours, "linchpin, by drops", |n| called(n, limit(Algorithm::Aimd)))
            .ct(Ours, LAYER, |n| served(n, layered()))
            .ct(Peer, TOWER_RESILIENCE, |n| served(n, tower_resilience()))
            .ct(Floor, "two looks at the clock", looks),
        Operation::new("adaptive-t2").mt(Ours, LAYER, |n| each_served(2, n, layered())).mt(
            Peer,
            TOWER_RESILIENCE,
            |n| each_served(2, n, tower_resilience()),
        ),
        Operation::new("shed")
            .ct(Ours, LINCHPIN, |n| async move {
                let (shedder, ctx) = (shedder(), Context::root());
                for _ in 0..n {
                    drop(black_box(black_box(&shedder).call(&ctx, well).await));
                }
            })
            .ct(Ours, LAYER, |n| served(n, shedder().layer().layer(service_fn(|()| well()))))
            .ct(Floor, "two looks at the clock", looks),
    ]
}

async fn looks(operations: u64) {
    for _ in 0..operations {
        let began = Instant::now();
        drop(black_box(well().await));
        black_box(Instant::now() - began);
    }
}

fn limit(algorithm: Algorithm) -> Adaptive {
    let options = adaptive::Options::default().algorithm(algorithm);
    Adaptive::new("bench", options.min(PLENTY).initial(PLENTY)).expect("good options")
}

fn shedder() -> Shedder {
    let load = Load::given();
    load.set(0.5);
    Shedder::new("bench", shed::Options::default().load(load)).expect("good options")
}

fn layered() -> impl Service<(), Response = u64, Future: Send> + Clone + Send + 'static {
    limit(Algorithm::Gradient2).layer().layer(service_fn(|()| well()))
}

fn tower_resilience() -> impl Service<(), Response = u64, Future: Send> + Clone + Send + 'static {
    let places = PLENTY as usize;
    let algorithm = Gradient2::builder().initial_limit(places).min_limit(places).build();
    AdaptiveLimiterLayer::new(algorithm.expect("good options")).layer(service_fn(|()| well()))
}

async fn called(operations: u64, limit: Adaptive) {
    let ctx = Context::root();
    for _ in 0..operations {
        drop(black_box(black_box(&limit).call(&ctx, well).await));
    }
}
