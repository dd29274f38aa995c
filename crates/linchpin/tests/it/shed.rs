//! Load shedding: the specification's cases, the rules of all policies, and where the load is read.

mod cases;
mod events;
mod layer;
mod life;
mod load;
mod rules;

use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::Outcome::Success;
use linchpin::resilience::shed::{Load, Options, Permit, Shedder};
use linchpin::time::Instant;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Options with a load that is as it is set, and nothing left to chance.
pub(crate) fn options(load: &Load) -> Options {
    Options::default().load(load.clone()).random(|| 0.5)
}

pub(crate) fn shedder(load: &Load) -> Shedder {
    Shedder::new("test", options(load)).unwrap()
}

pub(crate) fn admits(shedder: &Shedder) -> bool {
    shedder.admit(&Context::root(), Instant::now()).is_ok()
}

/// Lets so many in, who stay. The load must be low, or they do not pass.
pub(crate) fn enter(shedder: &Shedder, calls: usize) -> Vec<Permit<'_>> {
    let one = || shedder.admit(&Context::root(), Instant::now()).unwrap();
    (0..calls).map(|_| one()).collect()
}

/// A service that has done fifty calls in a tenth of a second, each within 20 ms: it bears ten at once.
pub(crate) async fn bears_ten(shedder: &Shedder) {
    let inside = enter(shedder, 50);
    tokio::time::advance(20 * MS).await;
    for permit in inside {
        permit.record(Success);
    }
    tokio::time::advance(100 * MS).await;
}

/// Brings what is under way on average to so many, and keeps so many under way.
pub(crate) fn flies(shedder: &Shedder, average: usize, inside: usize) -> Vec<Permit<'_>> {
    let mut flying = enter(shedder, average);
    for _ in 0..200 {
        // One more, who goes: so many are under way whenever one ends.
        drop(enter(shedder, 1));
    }
    while flying.len() < inside {
        flying.extend(enter(shedder, 1));
    }
    flying
}
