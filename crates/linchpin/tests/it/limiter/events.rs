//! What a limiter says: metrics and the log.

use std::sync::atomic::Ordering;

use linchpin::Context;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Limiter, Options, Rate};
use linchpin::time::Instant;

use super::{drain, five, ms, pass};
use crate::panic::logged;
use crate::recorder::{Meters, panicking};

const PREFIX: &str = "linchpin_limiter_";

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
        meters.shown(PREFIX),
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
        meters.shown(PREFIX),
        [
            "decisions_total{limiter=user,outcome=passed} 3",
            "keys{limiter=user} 2",
            "overflowed_total{limiter=user} 1",
        ]
    );
    pass(ms(10_000)).await;
    keyed.prune();
    keyed.penalize(&1, Instant::now() + ms(1));
    let keys = || {
        meters.shown(PREFIX).into_iter().filter(|name| !name.starts_with("dec")).collect::<Vec<_>>()
    };
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

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_costs_its_event_and_no_decision() {
    let (recorder, panics) = panicking();
    let rate = Rate::per_second(10);
    let (one, keyed) = metrics::with_local_recorder(&recorder, || {
        let limits = KeyedOptions::default().max_keys(1);
        let keyed: Keyed<u8> =
            Keyed::new("user", rate, Options::default().burst(1), limits).unwrap();
        (Limiter::new("api", rate, Options::default().burst(1)).unwrap(), keyed)
    });
    let heard = |least: u64| {
        assert!(panics.swap(0, Ordering::Relaxed) >= least, "nobody was told");
    };
    assert_eq!(one.try_acquire(1).unwrap().remaining(), 0);
    heard(1);
    assert!(one.try_acquire(1).is_err());
    heard(1);
    assert_eq!(one.acquire(&Context::root(), 1).await.unwrap().waited(), ms(100));
    heard(1);
    // Comes, comes again, finds no room, is refused there.
    keyed.try_acquire(&1, 1).unwrap();
    heard(2);
    assert!(keyed.try_acquire(&1, 1).is_err());
    heard(1);
    keyed.try_acquire(&2, 1).unwrap();
    assert!(keyed.try_acquire(&3, 1).is_err());
    heard(3);
    pass(ms(10_000)).await;
    assert_eq!(keyed.prune(), 1);
    heard(1);
    drop(keyed);
    heard(1);
}

#[test]
fn another_rate_is_a_line() {
    let lines = logged(|| five().reconfigure(Rate::per_minute(7), Options::default()).unwrap());
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["INFO", "the limiter has another rate", "limiter=\"test\"", "rate=7 in 60s"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
