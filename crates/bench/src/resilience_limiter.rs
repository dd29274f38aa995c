//! Rows `limiter*` and `rate-layer`: a visit at a rate limiter.
//!
//! Both limiters read the clock for themselves, by the processor's counter, unless the subject says otherwise. Ours counts
//! what it decides, tells what is left, and lets go of keys by itself; governor keeps every key until it is told to look,
//! and tells nothing but yes or no. All pass unless the row says otherwise: an interval is a nanosecond, of which a visit
//! takes many. Keys come in an order without order, the same for all.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use linchpin::Result;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Limiter, Options, Rate};
use linchpin::time::Instant;
use tower::limit::RateLimitLayer;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::area::Report;
use crate::harness::{Operation, contend};
use crate::memory;
use crate::row::Role::{self, Floor, Ours, Peer};
use crate::row::Row;
use crate::stats::Summary;

const LINCHPIN: &str = "linchpin";
const GIVEN: &str = "linchpin, the time given";
const LOCKED: &str = "linchpin, a sliding counter";
const GOVERNOR: &str = "governor";
const FLOOR: &str = "GCRA by hand";
const TOWER: &str = "tower (counts what passed, no clones)";
/// One in a nanosecond: whoever comes passes.
const PLENTY: u32 = 1_000_000_000;
const KEYS: u64 = 10_000;
/// Keys that are weighed.
const WEIGHED: u64 = 1_000_000;

/// Every row of limiters.
pub fn operations() -> Vec<Operation> {
    vec![
        passing("limiter", 1),
        passing("limiter-t2", 2),
        passing("limiter-t8", 8),
        denied("limiter-denied", 1),
        denied("limiter-denied-t2", 2),
        integers("limiter-int", 1),
        integers("limiter-int-t2", 2),
        integers("limiter-int-t8", 8),
        strings("limiter-string", 1),
        strings("limiter-string-t2", 2),
        layers(),
    ]
}

fn passing(name: &'static str, threads: usize) -> Operation {
    let (ours, given, locked) = (limiter(), limiter(), counter());
    let (governor, word) = (governor(), AtomicU64::new(0));
    let now = Instant::now();
    let began = Instant::now();
    threaded(Operation::new(name), threads, (Ours, LINCHPIN), move || {
        black_box(&ours).try_acquire(1).is_ok()
    })
    .threads(threads, Ours, GIVEN, move || black_box(&given).try_acquire_at(now, 1).is_ok())
    .threads(threads, Ours, LOCKED, move || black_box(&locked).try_acquire(1).is_ok())
    .threads(threads, Peer, GOVERNOR, move || black_box(&governor).check().is_ok())
    .threads(threads, Floor, FLOOR, move || {
        let now = began.elapsed().as_nanos() as u64;
        let pay = |word: u64| {
            let after = word.max(now) + 1;
            if after <= now + u64::from(PLENTY) { Some(after) } else { None }
        };
        black_box(&word).fetch_update(Ordering::AcqRel, Ordering::Acquire, pay).is_ok()
    })
}

fn denied(name: &'static str, threads: usize) -> Operation {
    let seldom = Rate::per_hour(1);
    let ours = Limiter::new("bench", seldom, Options::default()).expect("it fits");
    let governor = RateLimiter::direct(Quota::per_hour(NonZeroU32::MIN));
    assert!(ours.try_acquire(1).is_ok() && governor.check().is_ok(), "the first passes");
    threaded(Operation::new(name), threads, (Ours, LINCHPIN), move || {
        black_box(&ours).try_acquire(1).is_err()
    })
    .threads(threads, Peer, GOVERNOR, move || black_box(&governor).check().is_err())
}

fn integers(name: &'static str, threads: usize) -> Operation {
    let often = Rate::per_second(PLENTY);
    let (ours, governor) = (keyed::<u64>(often), keyed_governor::<u64>());
    visits(
        Operation::new(name),
        threads,
        move |index| black_box(&ours).try_acquire(&index, 1).is_ok(),
        move |index| black_box(&governor).check_key(&index).is_ok(),
    )
}

fn strings(name: &'static str, threads: usize) -> Operation {
    let often = Rate::per_second(PLENTY);
    let (ours, governor) = (keyed::<String>(often), keyed_governor::<String>());
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let same = keys.clone();
    visits(
        Operation::new(name),
        threads,
        move |index| black_box(&ours).try_acquire(keys[index as usize].as_str(), 1).is_ok(),
        move |index| black_box(&governor).check_key(&same[index as usize]).is_ok(),
    )
}

/// As many characters as an id with its prefix has.
fn key(index: u64) -> String {
    format!("customer_{index:020}")
}

/// Each thread goes through the keys in an order of its own.
fn visits(
    operation: Operation,
    threads: usize,
    ours: impl Fn(u64) -> bool + Sync + 'static,
    governor: impl Fn(u64) -> bool + Sync + 'static,
) -> Operation {
    fn walk(threads: usize, visit: impl Fn(u64) -> bool + Sync) -> impl FnMut(u64) -> Duration {
        move |operations| {
            let rounds = operations.div_ceil(64);
            let seed = AtomicU64::new(1);
            contend(threads, rounds, &|| {
                let mut state = seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
                for _ in 0..64 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    black_box(visit((state >> 33) % KEYS));
                }
            })
        }
    }
    operation.timed(Ours, LINCHPIN, walk(threads, ours)).timed(
        Peer,
        GOVERNOR,
        walk(threads, governor),
    )
}

fn layers() -> Operation {
    let service = || tower::service_fn(async |()| Ok::<u8, std::convert::Infallible>(1));
    Operation::new("rate-layer")
        .ct(Ours, LINCHPIN, move |operations| async move {
            let mut service = limiter().layer().layer(service());
            for _ in 0..operations {
                let ready = service.ready().await.expect("it is always ready");
                black_box(ready.call(()).await.is_ok());
            }
        })
        .ct(Peer, TOWER, move |operations| async move {
            let layer = RateLimitLayer::new(u64::MAX, Duration::from_hours(1));
            let mut service = layer.layer(service());
            for _ in 0..operations {
                let ready = service.ready().await.expect("it is always ready");
                black_box(ready.call(()).await.is_ok());
            }
        })
}

/// Memory for each key, of a million that have come once.
///
/// # Errors
///
/// Where the system does not tell how much memory a process holds.
pub fn bytes() -> Result<Report> {
    let weigh = |operation, (subject, role), work: &mut dyn FnMut()| -> Result<Row> {
        let before = memory::resident(std::process::id())?;
        work();
        let grown = memory::resident(std::process::id())?.saturating_sub(before);
        let each = Summary::of_one(grown as f64 / WEIGHED as f64);
        Ok(Row::new("resilience", operation, (subject, role), "bytes", each))
    };
    // All stay until all are weighed, or one would lie in what the other left. While they grow they leave something, too, so
    // now one is first and now the other.
    let seldom = Rate::per_hour(1);
    let (ours, peer) = (keyed::<u64>(seldom), keyed_governor::<u64>());
    let (named, named_peer) = (keyed::<String>(seldom), keyed_governor::<String>());
    let all = 0..WEIGHED;
    let (int, string) = ("limiter-bytes-int", "limiter-bytes-string");
    let rows = vec![
        weigh(int, (LINCHPIN, Ours), &mut || {
            all.clone().for_each(|index| drop(black_box(ours.try_acquire(&index, 1))));
        })?,
        weigh(int, (GOVERNOR, Peer), &mut || {
            all.clone().for_each(|index| drop(black_box(peer.check_key(&index))));
        })?,
        weigh(string, (GOVERNOR, Peer), &mut || {
            all.clone().for_each(|index| drop(black_box(named_peer.check_key(&key(index)))));
        })?,
        weigh(string, (LINCHPIN, Ours), &mut || {
            let visit = |index| black_box(named.try_acquire(key(index).as_str(), 1));
            all.clone().for_each(|index| drop(visit(index)));
        })?,
    ];
    Ok(Report { rows, verdict: None })
}

fn threaded<T>(
    operation: Operation,
    threads: usize,
    (role, name): (Role, &'static str),
    once: impl Fn() -> T + Sync + 'static,
) -> Operation {
    operation.threads(threads, role, name, once)
}

fn plenty() -> Quota {
    Quota::per_second(NonZeroU32::new(PLENTY).expect("not zero"))
}

fn limiter() -> Limiter {
    Limiter::new("bench", Rate::per_second(PLENTY), Options::default()).expect("it fits")
}

fn counter() -> Limiter {
    let options = Options::default().sliding_counter();
    Limiter::new("bench", Rate::per_second(PLENTY), options).expect("it fits")
}

fn governor() -> DefaultDirectRateLimiter {
    RateLimiter::direct(plenty())
}

fn keyed<K: Eq + std::hash::Hash>(rate: Rate) -> Keyed<K> {
    let limits = KeyedOptions::default().max_keys(2 * WEIGHED as usize);
    Keyed::new("bench", rate, Options::default(), limits).expect("it fits")
}

fn keyed_governor<K: Clone + Eq + std::hash::Hash>() -> DefaultKeyedRateLimiter<K> {
    RateLimiter::keyed(plenty())
}
