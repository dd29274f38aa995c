//! Rows `breaker*`: a call through a circuit breaker.
//!
//! Ours refuses late outcomes, bounds probes and counts what it decides; recloser and failsafe let every call through when
//! they are half-open. All windows hold a hundred calls unless the name says otherwise, except failsafe's: it counts
//! failures in a row, or a moving average over time. `tower-resilience` is a layer alone, with a window that does not
//! slide.

use std::hint::black_box;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::Outcome;
use linchpin::resilience::breaker::{Breaker, Options};
use linchpin::time::Instant;
use recloser::{AsyncRecloser, Recloser};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours, Peer};

const LINCHPIN: &str = "linchpin";
const PERMIT: &str = "linchpin, a permit";
const LAYER: &str = "linchpin, as a layer";
const RECLOSER: &str = "recloser";
const FAILSAFE: &str = "failsafe (failures in a row)";
const FAILSAFE_TIME: &str = "failsafe (moving average)";
const TOWER: &str = "tower-resilience, as a layer";
const FLOOR: &str = "one exchange";
const CALLS: u32 = 100;
const HOUR: Duration = Duration::from_hours(1);

#[derive(Clone, Copy, Debug)]
struct Sick;

/// Every row of breakers.
pub fn operations() -> Vec<Operation> {
    vec![
        closed_sync("breaker-sync", None),
        closed_sync("breaker-sync-t2", Some(2)),
        closed_sync("breaker-sync-t8", Some(8)),
        failing(),
        windows(),
        closed_async(),
        closed_async_by_time(),
        closed_by_time(),
        open_sync(),
        open_async(),
    ]
}

// ===== closed =====

fn closed_sync(name: &'static str, threads: Option<usize>) -> Operation {
    let ours = breaker(by_count());
    let permits = breaker(by_count());
    let recloser = recloser();
    let failsafe = failsafe();
    let exchange = std::sync::atomic::AtomicU64::new(0);
    let ours = move || black_box(&ours).call_sync(well).is_ok();
    let now = Instant::now();
    let permit = move || {
        let permit = black_box(&permits).admit(now).expect("it is closed");
        permit.record(Outcome::Success);
    };
    let recloser = move || black_box(&recloser).call(well).is_ok();
    let failsafe = move || failsafe::CircuitBreaker::call(black_box(&failsafe), well).is_ok();
    let exchange = move || count(black_box(&exchange));
    let operation = Operation::new(name);
    match threads {
        None => operation
            .sync(Ours, LINCHPIN, ours)
            .sync(Ours, PERMIT, permit)
            .sync(Peer, RECLOSER, recloser)
            .sync(Peer, FAILSAFE, failsafe)
            .sync(Floor, FLOOR, exchange),
        Some(threads) => operation
            .threads(threads, Ours, LINCHPIN, ours)
            .threads(threads, Peer, RECLOSER, recloser)
            .threads(threads, Peer, FAILSAFE, failsafe)
            .threads(threads, Floor, FLOOR, exchange),
    }
}

/// What nobody can be faster than who counts for several threads in one place.
fn count(word: &std::sync::atomic::AtomicU64) -> bool {
    use std::sync::atomic::Ordering::{AcqRel, Acquire};
    let mut before = word.load(Acquire);
    loop {
        match word.compare_exchange(before, before + 1, AcqRel, Acquire) {
            Ok(_) => return true,
            Err(now) => before = now,
        }
    }
}

/// Every tenth call fails, which is not enough to open.
fn failing() -> Operation {
    let (ours, recloser) = (breaker(by_count()), recloser());
    let tenth = || {
        let mut calls = 0_u64;
        move || {
            calls += 1;
            if calls.is_multiple_of(10) { Err(Sick) } else { Ok(black_box(calls)) }
        }
    };
    let (mut one, mut other) = (tenth(), tenth());
    Operation::new("breaker-failing")
        .sync(Ours, LINCHPIN, move || {
            let result = one();
            black_box(&ours).call_sync(|| result).is_ok()
        })
        .sync(Peer, RECLOSER, move || {
            let result = other();
            black_box(&recloser).call(|| result).is_ok()
        })
}

/// A decision in windows of many sizes, with a failure every other call.
fn windows() -> Operation {
    let subject = |calls: u32| {
        let breaker = breaker(by_count().count_window(calls).failure_ratio(1.0).min_calls(1));
        let mut failed = true;
        move || {
            failed = !failed;
            let permit = black_box(&breaker).admit(Instant::now()).expect("never all fail");
            permit.record(if failed { Outcome::Failure } else { Outcome::Success });
        }
    };
    Operation::new("breaker-window")
        .sync(Ours, "linchpin, 10 calls", subject(10))
        .sync(Ours, "linchpin, 1,000 calls", subject(1_000))
        .sync(Ours, "linchpin, 1,000,000 calls", subject(1_000_000))
}

fn closed_by_time() -> Operation {
    let ours = breaker(by_time());
    let failsafe = failsafe::Config::new().build();
    Operation::new("breaker-sync-time")
        .sync(Ours, LINCHPIN, move || black_box(&ours).call_sync(well).is_ok())
        .sync(Peer, FAILSAFE_TIME, move || {
            failsafe::CircuitBreaker::call(black_box(&failsafe), well).is_ok()
        })
}

fn closed_async() -> Operation {
    Operation::new("breaker-async")
        .ct(Ours, LINCHPIN, |operations| called(operations, by_count()))
        .ct(Ours, LAYER, |operations| layered(operations, by_count()))
        .ct(Peer, RECLOSER, |operations| async move {
            let breaker = AsyncRecloser::from(recloser());
            for _ in 0..operations {
                black_box(black_box(&breaker).call(async { well() }).await.is_ok());
            }
        })
        .ct(Peer, FAILSAFE, |operations| async move {
            let breaker = failsafe();
            for _ in 0..operations {
                let call = failsafe::futures::CircuitBreaker::call;
                black_box(call(black_box(&breaker), async { well() }).await.is_ok());
            }
        })
        .ct(Peer, TOWER, |operations| async move {
            let layer = CircuitBreakerLayer::builder().sliding_window_size(CALLS as usize);
            asked(operations, layer.build().expect("options that fit").layer(service())).await;
        })
}

/// A window of 10 ms: what the peer keeps of each call in it, it looks at for each call.
fn closed_async_by_time() -> Operation {
    let short = Duration::from_millis(10);
    Operation::new("breaker-async-time")
        .ct(Ours, LINCHPIN, move |operations| called(operations, by_time().time_window(short)))
        .ct(Ours, LAYER, move |operations| layered(operations, by_time().time_window(short)))
        .ct(Peer, FAILSAFE_TIME, |operations| async move {
            let breaker = failsafe::Config::new().build();
            for _ in 0..operations {
                let call = failsafe::futures::CircuitBreaker::call;
                black_box(call(black_box(&breaker), async { well() }).await.is_ok());
            }
        })
        .ct(Peer, TOWER, move |operations| async move {
            let layer = CircuitBreakerLayer::builder()
                .sliding_window_type(SlidingWindowType::TimeBased)
                .sliding_window_duration(short);
            asked(operations, layer.build().expect("options that fit").layer(service())).await;
        })
}

// ===== open =====

fn open_sync() -> Operation {
    let (called, admitted, recloser) = (opened(), opened(), opened_recloser());
    let failsafe = failsafe();
    while failsafe::CircuitBreaker::call(&failsafe, || Err::<u64, _>(Sick)).is_err()
        && failsafe::CircuitBreaker::is_call_permitted(&failsafe)
    {}
    let now = Instant::now();
    Operation::new("breaker-open")
        .sync(Ours, PERMIT, move || black_box(&admitted).admit(now).is_err())
        .sync(Ours, LINCHPIN, move || black_box(&called).call_sync(well).is_err())
        .sync(Peer, RECLOSER, move || black_box(&recloser).call(well).is_err())
        .sync(Peer, FAILSAFE, move || {
            failsafe::CircuitBreaker::call(black_box(&failsafe), well).is_err()
        })
}

fn open_async() -> Operation {
    Operation::new("breaker-open-async")
        .ct(Ours, LINCHPIN, |operations| async move {
            let (breaker, ctx) = (opened(), Context::root());
            for _ in 0..operations {
                let call = black_box(&breaker).call(&ctx, || async { well() });
                black_box(call.await.is_err());
            }
        })
        .ct(Peer, RECLOSER, |operations| async move {
            let breaker = AsyncRecloser::from(opened_recloser());
            for _ in 0..operations {
                black_box(black_box(&breaker).call(async { well() }).await.is_err());
            }
        })
        .ct(Peer, TOWER, |operations| async move {
            let layer = CircuitBreakerLayer::builder()
                .minimum_number_of_calls(1)
                .sliding_window_size(1)
                .wait_duration_in_open(HOUR)
                .build()
                .expect("options that fit");
            let mut service = layer.layer(tower::service_fn(|()| async { Err::<u64, _>(Sick) }));
            drop(service.ready().await.map(|ready| ready.call(())).expect("it is ready").await);
            for _ in 0..operations {
                let ready = service.ready().await.expect("it is ready");
                black_box(ready.call(()).await.is_err());
            }
        })
}

// ===== what is called =====

#[expect(clippy::unnecessary_wraps, reason = "it stands for a callee that may fail")]
fn well() -> Result<u64, Sick> {
    Ok(black_box(1))
}

fn by_count() -> Options {
    Options::default().count_window(CALLS)
}

fn by_time() -> Options {
    Options::default()
}

fn breaker(options: Options) -> Breaker {
    Breaker::new("bench", options).expect("options that fit")
}

fn recloser() -> Recloser {
    Recloser::custom().closed_len(CALLS as usize).build()
}

fn failsafe() -> impl failsafe::CircuitBreaker + failsafe::futures::CircuitBreaker + Sync {
    let policy =
        failsafe::failure_policy::consecutive_failures(5, failsafe::backoff::constant(HOUR));
    failsafe::Config::new().failure_policy(policy).build()
}

fn opened() -> Breaker {
    let breaker = breaker(by_count().max_open_for(HOUR).open_for(HOUR));
    while let Ok(permit) = breaker.admit(Instant::now()) {
        permit.record(Outcome::Failure);
    }
    breaker
}

fn opened_recloser() -> Recloser {
    let recloser = Recloser::custom().closed_len(1).open_wait(HOUR).build();
    while !matches!(recloser.call(|| Err::<u64, _>(Sick)), Err(recloser::Error::Rejected)) {}
    recloser
}

async fn called(operations: u64, options: Options) {
    let (breaker, ctx) = (breaker(options), Context::root());
    for _ in 0..operations {
        let call = black_box(&breaker).call(&ctx, || async { well() });
        black_box(call.await.is_ok());
    }
}

async fn layered(operations: u64, options: Options) {
    asked(operations, breaker(options).layer().layer(service())).await;
}

fn service() -> impl Service<(), Response = u64, Error = Sick, Future: Send> + Clone + Send + 'static
{
    tower::service_fn(|()| async { well() })
}

async fn asked<S: Service<(), Response = u64>>(operations: u64, mut service: S) {
    for _ in 0..operations {
        let Ok(ready) = service.ready().await else { panic!("it is always ready") };
        black_box(ready.call(()).await.is_ok());
    }
}
