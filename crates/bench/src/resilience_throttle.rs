//! Rows `throttle*`: a call through an adaptive throttle. No crate that people take has one.
//!
//! Beside it stands the floor of what a call must do here: read the clock twice, and change a word twice.

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use linchpin::Context;
use linchpin::resilience::Outcome;
use linchpin::resilience::throttle::{Options, Throttle};
use linchpin::time::Instant;
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours};

const LINCHPIN: &str = "linchpin";
const PERMIT: &str = "linchpin, a permit, the time given";
const NO_PENDING: &str = "linchpin, calls under way do not count";
const FLOOR: &str = "two looks at the clock, two exchanges";

#[derive(Clone, Copy, Debug)]
struct Sick;

/// Every row of throttles.
pub fn operations() -> Vec<Operation> {
    vec![
        calm("throttle", None),
        calm("throttle-t2", Some(2)),
        calm("throttle-t8", Some(8)),
        failing(),
        refused(),
        calm_async(),
    ]
}

/// The callee takes on everything.
fn calm(name: &'static str, threads: Option<usize>) -> Operation {
    let (calls, permits, plain) =
        (throttle(usual()), throttle(usual()), throttle(usual().no_pending()));
    let now = Instant::now();
    let ours = move || black_box(&calls).call_sync(well).is_ok();
    let permit = move || {
        let permit = black_box(&permits).admit(now).expect("nobody is refused");
        permit.record_at(now, Outcome::Success);
    };
    let plain = move || black_box(&plain).call_sync(well).is_ok();
    let word = AtomicU64::new(0);
    let floor = move || {
        let began = Instant::now();
        exchange(black_box(&word));
        exchange(black_box(&word));
        Instant::now() - began
    };
    let operation = Operation::new(name);
    match threads {
        None => operation
            .sync(Ours, LINCHPIN, ours)
            .sync(Ours, PERMIT, permit)
            .sync(Ours, NO_PENDING, plain)
            .sync(Floor, FLOOR, floor),
        Some(threads) => operation
            .threads(threads, Ours, LINCHPIN, ours)
            .threads(threads, Ours, NO_PENDING, plain)
            .threads(threads, Floor, FLOOR, floor),
    }
}

fn exchange(word: &AtomicU64) {
    let mut before = word.load(Acquire);
    while let Err(now) = word.compare_exchange(before, before + 1, AcqRel, Acquire) {
        before = now;
    }
}

/// Every tenth call is turned away, which is not enough to be throttled: each call is judged.
fn failing() -> Operation {
    let throttle = throttle(usual());
    let mut calls = 0_u64;
    Operation::new("throttle-failing").sync(Ours, LINCHPIN, move || {
        calls += 1;
        let result = if calls.is_multiple_of(10) { Err(Sick) } else { Ok(black_box(calls)) };
        black_box(&throttle).call_sync(|| result).is_ok()
    })
}

fn refused() -> Operation {
    let throttle = throttle(usual().no_probe().random(|| 0.0));
    while let Ok(permit) = throttle.admit(Instant::now()) {
        permit.record(Outcome::Failure);
    }
    Operation::new("throttle-refused")
        .sync(Ours, LINCHPIN, move || black_box(&throttle).call_sync(well).is_err())
}

fn calm_async() -> Operation {
    Operation::new("throttle-async")
        .ct(Ours, LINCHPIN, |operations| async move {
            let (throttle, ctx) = (throttle(usual()), Context::root());
            for _ in 0..operations {
                let call = black_box(&throttle).call(&ctx, || async { well() });
                black_box(call.await.is_ok());
            }
        })
        .ct(Ours, "linchpin, as a layer", |operations| async move {
            let service = tower::service_fn(|()| async { well() });
            let mut service = throttle(usual()).layer().layer(service);
            for _ in 0..operations {
                let Ok(ready) = service.ready().await else { panic!("it is always ready") };
                black_box(ready.call(()).await.is_ok());
            }
        })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for a callee that may fail")]
fn well() -> Result<u64, Sick> {
    Ok(black_box(1))
}

fn usual() -> Options {
    Options::default()
}

fn throttle(options: Options) -> Throttle {
    Throttle::new("bench", options).expect("options that fit")
}
