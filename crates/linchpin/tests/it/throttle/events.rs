//! What a throttle says: metrics and the log.

use std::sync::Arc;

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::throttle::Throttle;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use tracing::Level;

use super::{LUCK, SECOND, call, draws, scripted, with};
use crate::panic::{hooked, logged, logged_from};
use crate::paused;
use crate::recorder::Meters;

const PREFIX: &str = "linchpin_throttle_";

#[tokio::test(start_paused = true)]
async fn every_decision_is_counted() {
    let meters = Meters::default();
    let throttle = metrics::with_local_recorder(&meters, || {
        Throttle::new("search", scripted().min_requests(4)).unwrap()
    });
    draws(0.0);
    for outcome in [Success, Ignored, Failure, Failure, Failure] {
        assert!(call(&throttle, outcome));
    }
    assert!(!call(&throttle, Success));
    assert_eq!(
        meters.shown(PREFIX),
        [
            "call_seconds{throttle=search} 4",
            "calls_total{throttle=search,outcome=accepted} 1",
            "calls_total{throttle=search,outcome=ignored} 1",
            "calls_total{throttle=search,outcome=rejected} 3",
            "refused_total{throttle=search} 1",
            "throttling{throttle=search} 1",
        ]
    );
    tokio::time::advance(SECOND).await;
    assert!(call(&throttle, Ignored));
    assert!(meters.shown(PREFIX).contains(&"probes_total{throttle=search} 1".into()));
    drop(throttle);
    assert!(meters.shown(PREFIX).iter().all(|shown| !shown.starts_with("throttling")));
}

#[test]
fn it_is_a_line_when_refusals_begin_and_when_they_end() {
    let lines = logged(|| {
        paused::block_on(async {
            let throttle = with(scripted(), 100, 20);
            draws(0.0);
            assert!(!call(&throttle, Failure) && !call(&throttle, Failure));
            tokio::time::advance(120 * SECOND).await;
            assert!(call(&throttle, Success));
        });
    });
    let [begins, ends] = &*lines else { panic!("{lines:?}") };
    for part in ["WARN", "the throttle refuses calls", "requests=100", "accepted=20", "chance=0.59"]
    {
        assert!(begins.contains(part), "{part}: {begins}");
    }
    for part in ["INFO", "the throttle refuses no calls", "throttle=\"test\"", "requests=0"] {
        assert!(ends.contains(part), "{part}: {ends}");
    }
    let refusals = logged_from(Level::DEBUG, || {
        let throttle = with(scripted(), 100, 20);
        draws(0.0);
        assert!(!call(&throttle, Failure));
    });
    assert!(refusals.iter().any(|line| line.contains("DEBUG") && line.contains("refused")));
}

#[test]
fn a_recorder_that_panics_costs_its_event_only() {
    struct Bad;
    impl CounterFn for Bad {
        fn increment(&self, _: u64) {
            panic!("a recorder that panics");
        }

        fn absolute(&self, _: u64) {}
    }
    impl metrics::Recorder for Bad {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(Self))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }
    hooked();
    let throttle =
        metrics::with_local_recorder(&Bad, || Throttle::new("test", scripted()).unwrap());
    draws(LUCK);
    for _ in 0..10 {
        assert!(call(&throttle, Failure));
    }
    draws(0.0);
    assert!(!call(&throttle, Failure));
    assert_eq!((throttle.numbers().requests, throttle.numbers().under_way), (11, 0));
}
