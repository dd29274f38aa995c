//! The adaptive limit: the specification's cases, the rules of all policies, its algorithms and its gate.

mod cases;
mod events;
mod laws;
mod layer;
mod life;
mod rules;

use std::time::Duration;

use linchpin::resilience::adaptive::{Adaptive, Algorithm, Options, Permit};
use linchpin::time::Instant;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn adaptive(options: Options) -> Adaptive {
    Adaptive::new("test", options).unwrap()
}

/// One whose limit stays where it is, whatever calls say.
pub(crate) fn fixed(limit: u32) -> Options {
    Options::default().min(limit).max(limit)
}

/// One that is up by one with each call, and down with each that is dropped.
pub(crate) fn aimd() -> Options {
    Options::default().algorithm(Algorithm::Aimd)
}

/// Lets so many in, who stay.
pub(crate) fn enter(limit: &Adaptive, calls: usize) -> Vec<Permit<'_>> {
    (0..calls).map(|_| limit.admit(Instant::now()).unwrap()).collect()
}
