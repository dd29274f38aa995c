//! What a breaker says: metrics, the log, and in which order.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::breaker::{Breaker, Registry, RegistryOptions, State};
use linchpin::time::Instant;
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, SharedString, Unit};

use super::{SECOND, call, exact, hasty, opened};
use crate::panic::logged;
use crate::recorder::{Listener, Meters, panicking};

const PREFIX: &str = "linchpin_breaker_";

/// B5: elsewhere a call that was dropped is in no number.
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
        meters.shown(PREFIX),
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

/// B5: elsewhere the state that was left stays at one.
#[tokio::test(start_paused = true)]
async fn the_gauge_says_how_many_are_in_each_state() {
    let meters = Meters::default();
    let states = || -> Vec<String> {
        meters.shown(PREFIX).into_iter().filter(|shown| shown.starts_with("state")).collect()
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

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_its_event_and_no_call() {
    let (recorder, panics) = panicking();
    let heard = || assert_ne!(panics.swap(0, Ordering::Relaxed), 0, "nobody was told");
    let breaker = metrics::with_local_recorder(&recorder, || Breaker::new("test", hasty()));
    let breaker = breaker.unwrap();
    heard();
    for outcome in [Success, Ignored, Failure] {
        assert!(call(&breaker, outcome));
        heard();
    }
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.call_sync(|| Ok::<_, ()>(1)).unwrap_err().retry_after(), Some(5 * SECOND));
    heard();
    drop(breaker);
    heard();
}

/// B4: elsewhere a listener is called under the lock.
#[test]
fn a_listener_may_ask_the_breaker_itself() {
    let asked = Arc::new(OnceLock::<Breaker>::new());
    let breaker = asked.clone();
    let asks = move || breaker.get().is_none_or(|breaker| breaker.numbers().opens < 9);
    let recorder = Listener::new(move || assert!(asks()));
    let new = || Breaker::new("test", hasty()).unwrap();
    let breaker = metrics::with_local_recorder(&recorder, new);
    asked.set(breaker.clone()).unwrap();
    while call(&breaker, Failure) {}
    breaker.reset();
    assert!(call(&breaker, Success));
}

#[test]
fn a_transition_is_a_line_that_says_why() {
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
