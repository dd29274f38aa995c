//! What a shedder says: metrics, the log.

use std::sync::atomic::Ordering;

use linchpin::Context;
use linchpin::resilience::Outcome::{Failure, Success};
use linchpin::resilience::Priority;
use linchpin::resilience::shed::{Load, Shedder};
use linchpin::time::Instant;
use tracing::Level;

use super::{admits, enter, options};
use crate::adaptive::events::Worst;
use crate::panic::logged_from;
use crate::recorder::Meters;

#[test]
fn every_decision_of_a_shedder_is_counted_by_class() {
    let (meters, load) = (Meters::default(), Load::given());
    let shedder = metrics::with_local_recorder(&meters, || {
        Shedder::new("api", options(&load).by_priority()).unwrap()
    });
    let batch = Context::root().with_value(Priority::Sheddable);
    shedder.admit(&batch, Instant::now()).unwrap().record(Success);
    for outcome in [Success, Failure] {
        enter(&shedder, 1).remove(0).record(outcome);
    }
    assert!(admits(&shedder), "dropped");
    load.set(0.79);
    assert!(shedder.admit(&batch, Instant::now()).is_err());
    assert_eq!(
        meters.shown("linchpin_shed_"),
        [
            "admitted_total{shedder=api,class=critical} 3",
            "admitted_total{shedder=api,class=sheddable} 1",
            "call_seconds{shedder=api} 2",
            "calls_total{shedder=api,outcome=failure} 1",
            "calls_total{shedder=api,outcome=ignored} 1",
            "calls_total{shedder=api,outcome=success} 2",
            "refused_total{shedder=api,class=sheddable,reason=priority} 1",
        ]
    );
}

#[test]
fn what_is_shed_is_a_line_that_says_why() {
    let lines = logged_from(Level::DEBUG, || {
        let load = Load::given();
        let shedder = Shedder::new("test", options(&load).by_priority()).unwrap();
        load.set(1.0);
        assert!(!admits(&shedder));
    });
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["shed", "shedder=\"test\"", "class=\"critical\"", "reason=\"priority\"", "load=1"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn a_recorder_that_panics_costs_a_shedder_nothing() {
    let (worst, load) = (Worst::default(), Load::given());
    let shedder = metrics::with_local_recorder(&worst, || {
        Shedder::new("test", options(&load).by_priority()).unwrap()
    });
    for outcome in [Success, Failure] {
        load.set(0.0);
        enter(&shedder, 1).remove(0).record(outcome);
        load.set(1.0);
        assert!(!admits(&shedder));
    }
    assert_eq!((shedder.numbers().inflight, shedder.numbers().shed), (0, 2));
    assert!(worst.0.load(Ordering::Relaxed) >= 6);
}
