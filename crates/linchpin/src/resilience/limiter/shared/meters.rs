//! What a shared limiter says about its store, resolved once, and its numbers.

use metrics::{Counter, Gauge};

use super::line::Switch;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;

/// The numbers of a [`Shared`](super::Shared) limiter, since it was built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Whether the store is away now.
    pub away: bool,
    /// How often it went.
    pub switches: u64,
    /// How often it did not answer in time, or with an error.
    pub failures: u64,
    /// How often it has forgotten all it knew: each time at most one burst of each key passes more.
    pub forgot: u64,
    /// The cost that passed by the word of the store.
    pub passed: u64,
    /// The cost that passed without it.
    pub passed_without_store: u64,
    /// Visits that were refused, by whomever.
    pub refused: u64,
}

#[derive(Debug)]
pub(super) struct StoreMeters {
    name: &'static str,
    away: Gauge,
    switches: Counter,
    failures: Counter,
    forgot: Counter,
    passed_without: Counter,
    numbers: Counted,
}

#[derive(Debug, Default)]
struct Counted {
    failures: AtomicU64,
    forgot: AtomicU64,
    passed: AtomicU64,
    passed_without_store: AtomicU64,
    refused: AtomicU64,
}

impl StoreMeters {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            away: metrics::gauge!("linchpin_limiter_store_away", "limiter" => name),
            switches: metrics::counter!("linchpin_limiter_store_switches_total", "limiter" => name),
            failures: metrics::counter!("linchpin_limiter_store_failures_total", "limiter" => name),
            forgot: metrics::counter!("linchpin_limiter_store_forgot_total", "limiter" => name),
            passed_without: metrics::counter!("linchpin_limiter_passed_without_store_total", "limiter" => name),
            numbers: Counted::default(),
        }
    }

    pub(super) fn passed(&self, by_store: bool, cost: u32) {
        let cost = u64::from(cost);
        if by_store {
            self.numbers.passed.fetch_add(cost, Relaxed);
        } else {
            self.numbers.passed_without_store.fetch_add(cost, Relaxed);
            self.passed_without.increment(cost);
        }
    }

    pub(super) fn refused(&self) {
        self.numbers.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self, why: &str) {
        self.numbers.failures.fetch_add(1, Relaxed);
        self.failures.increment(1);
        tracing::debug!(limiter = self.name, why, "the store has not answered");
    }

    pub(super) fn forgot(&self) {
        self.numbers.forgot.fetch_add(1, Relaxed);
        self.forgot.increment(1);
        tracing::warn!(limiter = self.name, "the store has forgotten what was used");
    }

    pub(super) fn switched(&self, switch: Switch) {
        self.switches.increment(1);
        match switch {
            Switch::Away => {
                self.away.set(1.0);
                tracing::warn!(limiter = self.name, "the store is away");
            }
            Switch::Back => {
                self.away.set(0.0);
                tracing::info!(limiter = self.name, "the store is back");
            }
        }
    }

    pub(super) fn numbers(&self, away: bool, switches: u64) -> Numbers {
        let Counted { failures, forgot, passed, passed_without_store, refused } = &self.numbers;
        Numbers {
            away,
            switches,
            failures: failures.load(Relaxed),
            forgot: forgot.load(Relaxed),
            passed: passed.load(Relaxed),
            passed_without_store: passed_without_store.load(Relaxed),
            refused: refused.load(Relaxed),
        }
    }
}
