//! What a breaker says: metrics, the log, and in which order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::breaker::{Breaker, Registry, RegistryOptions, State};
use linchpin::time::Instant;
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, SharedString, Unit};

use super::{SECOND, call, exact, hasty, opened};
use crate::panic::logged;

/// Counters and gauges by name and labels.
#[derive(Clone, Default)]
struct Meters(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

struct Signed(Arc<AtomicU64>);

impl GaugeFn for Signed {
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
                format!("{} {value}", name.trim_start_matches("linchpin_breaker_"))
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
        Gauge::from_arc(Arc::new(Signed(self.cell(key))))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_counted() {
    let meters = Meters::default();
    let breaker = metrics::with_local_recorder(&meters, || {
        Breaker::new("pay", exact().count_window(4).min_calls(4)).unwrap()
    });
    let old = breaker.admit(Instant::now()).unwrap();
    for outcome in [Success, Ignored, Failure, Failure, Success] {
        assert!(call(&breaker, outcome));
    }
    assert!(!call(&breaker, Success));
    old.record(Success);
    assert_eq!(
        meters.shown(),
        [
            "calls_total{breaker=pay,outcome=failure} 2",
            "calls_total{breaker=pay,outcome=ignored} 1",
            "calls_total{breaker=pay,outcome=stale} 1",
            "calls_total{breaker=pay,outcome=success} 2",
            "refused_total{breaker=pay} 1",
            "state{breaker=pay,state=open} 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_gauge_says_how_many_are_in_each_state() {
    let meters = Meters::default();
    let states = || -> Vec<String> {
        meters.shown().into_iter().filter(|shown| shown.starts_with("state")).collect()
    };
    let registry: Registry<u8> = metrics::with_local_recorder(&meters, || {
        Registry::new("host", hasty(), RegistryOptions::default()).unwrap()
    });
    let (one, two) = (registry.get(&1), registry.get(&2));
    assert_eq!(states(), ["state{breaker=host,state=closed} 2"]);
    while call(&one, Failure) {}
    assert_eq!(
        states(),
        ["state{breaker=host,state=closed} 1", "state{breaker=host,state=open} 1"]
    );
    tokio::time::advance(5 * SECOND).await;
    assert_eq!(one.state(), State::HalfOpen);
    two.force_open();
    assert_eq!(
        states(),
        ["state{breaker=host,state=forced_open} 1", "state{breaker=host,state=half_open} 1"]
    );
    drop((one, two, registry));
    assert_eq!(states(), Vec::<String>::new());
}

#[test]
fn a_transition_is_a_line_that_says_why() {
    // Before anybody listens: a line that another test makes known meanwhile may be taken for one that nobody wants.
    drop(opened(hasty()));
    let lines = logged(|| drop(opened(hasty())));
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["WARN", "the breaker has opened", "breaker=\"test\"", "from=closed", "to=open"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    for part in ["cause=failures", "calls=2", "failures=2", "open_for=Some(5s)"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let lines = logged(|| {
        let breaker = super::breaker(hasty());
        breaker.metrics_only();
        assert!((0..100).all(|_| call(&breaker, Failure)));
    });
    let [_, line] = &*lines else { panic!("one for the threshold, once: {lines:?}") };
    assert!(line.contains("the breaker would have opened"), "{line}");
}

#[test]
fn a_listener_that_panics_is_caught_and_the_breaker_goes_on() {
    struct Bad(Mutex<Vec<String>>);
    impl GaugeFn for Bad {
        fn increment(&self, _: f64) {
            self.0.lock().unwrap().push("told".into());
            assert!(self.0.lock().unwrap().len() < 2, "a recorder that panics");
        }
        fn decrement(&self, _: f64) {}
        fn set(&self, _: f64) {}
    }
    struct Recorder;
    impl metrics::Recorder for Recorder {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Arc::new(Bad(Mutex::default())))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }
    let breaker =
        metrics::with_local_recorder(&Recorder, || Breaker::new("test", hasty()).unwrap());
    for _ in 0..3 {
        breaker.force_open();
        assert!(!call(&breaker, Success));
        breaker.reset();
        assert!(call(&breaker, Success));
    }
}
