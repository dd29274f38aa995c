//! What a bulkhead says: metrics and the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linchpin::Context;
use linchpin::resilience::Outcome;
use linchpin::resilience::bulkhead::{Bulkhead, Options};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
    SharedString, Unit,
};

use super::{crowd, ms, queue, waiter};
use crate::panic::logged;
use crate::recorder::Meters;

const PREFIX: &str = "linchpin_bulkhead_";

#[tokio::test(start_paused = true)]
async fn every_decision_and_every_end_is_counted() {
    let meters = Meters::default();
    let bulkhead = metrics::with_local_recorder(&meters, || {
        Bulkhead::new("db", 2, queue(1, ms(100))).unwrap()
    });
    let ctx = Context::root();
    let two = bulkhead.weighing(2).enter(&ctx).await.unwrap();
    let mut waiting = waiter(&bulkhead);
    assert!(bulkhead.enter(&ctx).await.is_err(), "the queue is full");
    assert_eq!(
        meters.shown(PREFIX),
        [
            "decisions_total{bulkhead=db,outcome=permitted} 1",
            "decisions_total{bulkhead=db,outcome=queue_full} 1",
            "in_use{bulkhead=db} 2",
            "queued{bulkhead=db} 1",
        ]
    );
    two.record(Outcome::Success);
    drop(waiting.poll());
    drop(waiting);
    let failed = bulkhead.call(&ctx, async || Err::<(), _>(())).await;
    assert!(failed.is_err());
    let _two = bulkhead.weighing(2).enter(&ctx).await.unwrap();
    assert!(bulkhead.enter(&ctx).await.is_err(), "waits for too long");
    assert!(bulkhead.weighing(3).enter(&ctx).await.is_err());
    assert_eq!(
        meters.shown(PREFIX),
        [
            "decisions_total{bulkhead=db,outcome=permitted} 4",
            "decisions_total{bulkhead=db,outcome=queue_full} 1",
            "decisions_total{bulkhead=db,outcome=too_heavy} 1",
            "decisions_total{bulkhead=db,outcome=wait_timeout} 1",
            "finished_total{bulkhead=db,outcome=failure} 1",
            "finished_total{bulkhead=db,outcome=ignored} 1",
            "finished_total{bulkhead=db,outcome=success} 1",
            "in_use{bulkhead=db} 2",
            "wait_seconds{bulkhead=db} 1",
        ]
    );
}

#[test]
fn another_size_and_other_options_are_lines() {
    let bulkhead = Bulkhead::new("db", 2, Options::default()).unwrap();
    let lines = logged(|| {
        bulkhead.resize(3).unwrap();
        bulkhead.reconfigure(queue(1, ms(7))).unwrap();
    });
    let expected: [&[&str]; 2] = [
        &["INFO", "the bulkhead has another size", "bulkhead=\"db\"", "max_concurrent=3"],
        &["INFO", "the bulkhead has other options", "max_wait: 7ms"],
    ];
    for parts in expected {
        let has = |line: &String| parts.iter().all(|part| line.contains(part));
        assert!(lines.iter().any(has), "{parts:?}: {lines:#?}");
    }
}

/// Panics at whatever it is told, once it is armed.
#[derive(Clone, Default)]
struct Bad(Arc<AtomicBool>);

impl Bad {
    fn told(&self) {
        assert!(!self.0.load(Ordering::Relaxed), "a bad recorder");
    }
}

impl CounterFn for Bad {
    fn increment(&self, _: u64) {
        self.told();
    }

    fn absolute(&self, _: u64) {
        self.told();
    }
}

impl GaugeFn for Bad {
    fn increment(&self, _: f64) {
        self.told();
    }

    fn decrement(&self, _: f64) {
        self.told();
    }

    fn set(&self, _: f64) {
        self.told();
    }
}

impl HistogramFn for Bad {
    fn record(&self, _: f64) {
        self.told();
    }
}

impl metrics::Recorder for Bad {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.clone()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.clone()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_no_place() {
    let bad = Bad::default();
    let bulkhead =
        metrics::with_local_recorder(&bad, || Bulkhead::new("db", 1, queue(1, ms(10))).unwrap());
    bad.0.store(true, Ordering::Relaxed);
    let ctx = Context::root();
    let _quiet = logged(|| {
        let inside = bulkhead.try_enter_owned().unwrap();
        let mut waiting = waiter(&bulkhead);
        assert!(bulkhead.try_enter().is_err());
        drop(inside);
        let std::task::Poll::Ready(Ok(place)) = waiting.poll() else { panic!("not let in") };
        place.record(Outcome::Failure);
    });
    let inside = bulkhead.enter(&ctx).await.unwrap();
    assert!(bulkhead.enter(&ctx).await.is_err(), "waits for too long");
    inside.record(Outcome::Success);
    assert_eq!(crowd(&bulkhead), (0, 0));
}
