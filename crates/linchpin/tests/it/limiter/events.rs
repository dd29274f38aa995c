//! What a limiter says: metrics and the log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use linchpin::Context;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Limiter, Options, Rate};
use linchpin::time::Instant;
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit,
};

use super::{drain, five, ms, pass};
use crate::panic::logged;

/// Everything by name and labels; of a histogram how many values.
#[derive(Clone, Default)]
struct Meters(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

struct Cell(Arc<AtomicU64>);

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.0.fetch_add(value as u64, Ordering::Relaxed);
    }

    fn decrement(&self, value: f64) {
        self.0.fetch_sub(value as u64, Ordering::Relaxed);
    }

    fn set(&self, value: f64) {
        self.0.store(value as u64, Ordering::Relaxed);
    }
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Meters {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    /// Those that are not zero, without the prefix of all.
    fn shown(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter()
            .map(|(name, cell)| (name, cell.load(Ordering::Relaxed)))
            .filter(|(_, value)| *value != 0)
            .map(|(name, value)| {
                format!("{} {value}", name.trim_start_matches("linchpin_limiter_"))
            })
            .collect()
    }
}

impl metrics::Recorder for Meters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Cell(self.cell(key))))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Cell(self.cell(key))))
    }
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_counted() {
    let meters = Meters::default();
    let limiter = metrics::with_local_recorder(&meters, || {
        Limiter::new("api", Rate::per_second(10), Options::default().burst(2)).unwrap()
    });
    drain(&limiter, 2);
    limiter.try_acquire(0).unwrap();
    assert!(limiter.try_acquire(1).is_err());
    limiter.acquire(&Context::root(), 1).await.unwrap();
    assert_eq!(
        meters.shown(),
        [
            "decisions_total{limiter=api,outcome=passed} 2",
            "decisions_total{limiter=api,outcome=refused} 1",
            "decisions_total{limiter=api,outcome=waited} 1",
            "wait_seconds{limiter=api} 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_counted_and_are_no_labels() {
    let meters = Meters::default();
    let keyed: Keyed<u8> = metrics::with_local_recorder(&meters, || {
        let limits = KeyedOptions::default().max_keys(2);
        Keyed::new("user", Rate::per_second(10), Options::default(), limits).unwrap()
    });
    for key in 1..=3 {
        keyed.try_acquire(&key, 1).unwrap();
    }
    assert_eq!(
        meters.shown(),
        [
            "decisions_total{limiter=user,outcome=passed} 3",
            "keys{limiter=user} 2",
            "overflowed_total{limiter=user} 1",
        ]
    );
    pass(ms(10_000)).await;
    keyed.prune();
    keyed.penalize(&1, Instant::now() + ms(1));
    let keys =
        || meters.shown().into_iter().filter(|name| !name.starts_with("dec")).collect::<Vec<_>>();
    assert_eq!(
        keys(),
        [
            "keys{limiter=user} 1",
            "overflowed_total{limiter=user} 1",
            "pruned_total{limiter=user} 2"
        ]
    );
    drop(keyed);
    assert_eq!(keys(), ["overflowed_total{limiter=user} 1", "pruned_total{limiter=user} 2"]);
}

#[test]
fn another_rate_is_a_line() {
    let lines = logged(|| five().reconfigure(Rate::per_minute(7), Options::default()).unwrap());
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["INFO", "the limiter has another rate", "limiter=\"test\"", "rate=7 in 60s"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
