//! Metrics as tests look at them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
    SharedString, Unit,
};

/// Counts where the function says, by the key of what is counted. Everything else is lost.
pub(crate) struct Recorder<F>(pub(crate) F);

impl<F: Fn(&Key) -> Arc<AtomicU64>> metrics::Recorder for Recorder<F> {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc((self.0)(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Everything by name and labels; of a histogram how many values.
#[derive(Clone, Default)]
pub(crate) struct Meters(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

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

    /// Those that are not zero, without the `prefix` of all.
    pub(crate) fn shown(&self, prefix: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter()
            .map(|(name, cell)| (name, cell.load(Ordering::Relaxed)))
            .filter(|(_, value)| *value != 0)
            .map(|(name, value)| format!("{} {value}", name.trim_start_matches(prefix)))
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

/// Calls the function at whatever is told.
pub(crate) struct Listener<F>(Arc<Heard<F>>);

struct Heard<F>(F);

impl<F: Fn() + Send + Sync + 'static> Listener<F> {
    pub(crate) fn new(hears: F) -> Self {
        Self(Arc::new(Heard(hears)))
    }
}

impl<F: Fn()> CounterFn for Heard<F> {
    fn increment(&self, _: u64) {
        self.0();
    }

    fn absolute(&self, _: u64) {
        self.0();
    }
}

impl<F: Fn()> GaugeFn for Heard<F> {
    fn increment(&self, _: f64) {
        self.0();
    }

    fn decrement(&self, _: f64) {
        self.0();
    }

    fn set(&self, _: f64) {
        self.0();
    }
}

impl<F: Fn()> HistogramFn for Heard<F> {
    fn record(&self, _: f64) {
        self.0();
    }
}

impl<F: Fn() + Send + Sync + 'static> metrics::Recorder for Listener<F> {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.0.clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.0.clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.0.clone())
    }
}

/// One that panics each time, and how often it has.
pub(crate) fn panicking() -> (impl metrics::Recorder, Arc<AtomicU64>) {
    let panics = Arc::new(AtomicU64::new(0));
    let counted = panics.clone();
    let listener = Listener::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("a recorder that panics");
    });
    (listener, panics)
}
