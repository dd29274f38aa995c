//! What chaos says about itself, resolved once.

use metrics::{Counter, Gauge};

use super::injected::Kind;
use crate::resilience::news::told;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;

#[derive(Debug)]
pub(super) struct Meters {
    name: &'static str,
    pub(super) injected: [AtomicU64; Kind::ALL.len()],
    pub(super) capped: AtomicU64,
    pub(super) bad_rates: AtomicU64,
    injected_total: [Counter; Kind::ALL.len()],
    capped_total: Counter,
    bad_rates_total: Counter,
    enabled: Gauge,
}

impl Meters {
    pub(super) fn new(name: &'static str) -> Self {
        let injected = |kind: Kind| {
            let kind = kind.as_str();
            metrics::counter!("linchpin_chaos_injected_total", "chaos" => name, "kind" => kind)
        };
        Self {
            name,
            injected: std::array::from_fn(|_| AtomicU64::new(0)),
            capped: AtomicU64::new(0),
            bad_rates: AtomicU64::new(0),
            injected_total: Kind::ALL.map(injected),
            capped_total: metrics::counter!("linchpin_chaos_capped_total", "chaos" => name),
            bad_rates_total: metrics::counter!("linchpin_chaos_bad_rates_total", "chaos" => name),
            enabled: metrics::gauge!("linchpin_chaos_enabled", "chaos" => name),
        }
    }

    pub(super) fn injected(&self, kind: Kind) {
        self.injected[kind as usize].fetch_add(1, Relaxed);
        told(|| {
            self.injected_total[kind as usize].increment(1);
            tracing::info!(chaos = self.name, "x-chaos" = kind.as_str(), "injected");
        });
    }

    pub(super) fn capped(&self, kind: Kind) {
        self.capped.fetch_add(1, Relaxed);
        told(|| {
            self.capped_total.increment(1);
            tracing::debug!(chaos = self.name, %kind, "enough is injected for now");
        });
    }

    pub(super) fn bad_rate(&self, kind: Kind, rate: f64) {
        self.bad_rates.fetch_add(1, Relaxed);
        told(|| {
            self.bad_rates_total.increment(1);
            tracing::warn!(chaos = self.name, %kind, rate, "a rate that is no share injects nothing");
        });
    }

    pub(super) fn switched(&self, on: bool) {
        told(|| {
            if on {
                self.enabled.increment(1);
                tracing::warn!(chaos = self.name, "chaos is on");
            } else {
                self.enabled.decrement(1);
                tracing::info!(chaos = self.name, "chaos is off");
            }
        });
    }
}
