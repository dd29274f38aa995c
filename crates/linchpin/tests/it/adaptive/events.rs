//! What an adaptive limit says: metrics, the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::adaptive::Adaptive;
use linchpin::time::Instant;
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata};
use metrics::{SharedString, Unit};
use tracing::Level;

use super::{aimd, enter, fixed};
use crate::panic::logged_from;
use crate::recorder::Meters;

#[test]
fn every_decision_of_an_adaptive_limit_is_counted() {
    let meters = Meters::default();
    let limit = metrics::with_local_recorder(&meters, || {
        Adaptive::new("pay", aimd().max(2).initial(1)).unwrap()
    });
    for outcome in [Success, Success, Ignored, Failure] {
        limit.admit(Instant::now()).unwrap().record(outcome);
    }
    let inside = enter(&limit, 2);
    assert!(limit.admit(Instant::now()).is_err());
    drop(inside);
    limit.admit(Instant::now()).unwrap().overloaded();
    assert_eq!(
        meters.shown("linchpin_adaptive_"),
        [
            "call_seconds{adaptive=pay} 2",
            "calls_total{adaptive=pay,outcome=failure} 1",
            "calls_total{adaptive=pay,outcome=ignored} 3",
            "calls_total{adaptive=pay,outcome=overloaded} 1",
            "calls_total{adaptive=pay,outcome=success} 2",
            "in_flight_peak{adaptive=pay} 1",
            "limit{adaptive=pay} 1",
            "refused_total{adaptive=pay} 1",
        ]
    );
}

#[test]
fn another_limit_is_a_line_that_says_why() {
    let lines = logged_from(Level::DEBUG, || {
        let limit = Adaptive::new("test", aimd()).unwrap();
        limit.admit(Instant::now()).unwrap().overloaded();
    });
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["the limit has changed", "from=20", "to=18", "inflight=1", "dropped=true"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let lines = logged_from(Level::DEBUG, || {
        let limit = Adaptive::new("test", fixed(1)).unwrap();
        let _inside = enter(&limit, 1);
        assert!(limit.admit(Instant::now()).is_err());
    });
    let [line] = &*lines else { panic!("{lines:?}") };
    assert!(line.contains("refused") && line.contains("inside=1"), "{line}");
}

/// Panics whatever it is told.
struct Bad(Arc<AtomicU64>);

impl Bad {
    fn panic(&self) -> ! {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("a recorder that panics")
    }
}

impl CounterFn for Bad {
    fn increment(&self, _: u64) {
        self.panic()
    }
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Bad {
    fn increment(&self, _: f64) {
        self.panic()
    }
    fn decrement(&self, _: f64) {
        self.panic()
    }
    fn set(&self, _: f64) {
        self.panic()
    }
}

impl HistogramFn for Bad {
    fn record(&self, _: f64) {
        self.panic()
    }
}

/// A recorder of which every meter panics, and how often they did.
#[derive(Default)]
pub(crate) struct Worst(pub(crate) Arc<AtomicU64>);

impl metrics::Recorder for Worst {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Bad(self.0.clone())))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Bad(self.0.clone())))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Bad(self.0.clone())))
    }
}

#[test]
fn a_recorder_that_panics_costs_an_adaptive_limit_nothing() {
    let worst = Worst::default();
    let limit =
        metrics::with_local_recorder(&worst, || Adaptive::new("test", aimd().max(1)).unwrap());
    for _ in 0..3 {
        for outcome in [Success, Ignored, Failure] {
            let permit = limit.admit(Instant::now()).unwrap();
            assert!(limit.admit(Instant::now()).is_err());
            permit.record(outcome);
        }
        limit.admit(Instant::now()).unwrap().overloaded();
    }
    let numbers = limit.numbers();
    assert_eq!((numbers.limit, numbers.inflight, numbers.samples), (1, 0, 6));
    assert!(worst.0.load(Ordering::Relaxed) > 20);
}
