//! What a balancer says: metrics and the log.

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::outlier::Balancer;

use super::{SECOND, exact, give, hosts, times};
use crate::panic::logged;
use crate::paused;
use crate::recorder::Meters;

const PREFIX: &str = "linchpin_balancer_";

#[tokio::test(start_paused = true)]
async fn every_decision_is_counted() {
    let meters = Meters::default();
    let hosts =
        metrics::with_local_recorder(&meters, || Balancer::new("search", ["a"], exact()).unwrap());
    assert!(times(&hosts, "a", Success, 3) && times(&hosts, "a", Failure, 5));
    assert!(give(&hosts, "a", Ignored));
    assert_eq!(
        meters.shown(PREFIX),
        [
            "call_seconds{balancer=search} 8",
            "calls_total{balancer=search,outcome=failure} 5",
            "calls_total{balancer=search,outcome=ignored} 1",
            "calls_total{balancer=search,outcome=success} 3",
            "overflows_total{balancer=search} 1",
            "targets{balancer=search} 1",
        ]
    );
    hosts.replace(["b", "c", "d"]);
    assert!(times(&hosts, "b", Failure, 5));
    let shown = meters.shown(PREFIX);
    for row in [
        "ejected{balancer=search} 1",
        "ejections_total{balancer=search,cause=failures_in_a_row} 1",
        "targets{balancer=search} 3",
    ] {
        assert!(shown.contains(&row.into()), "{row}: {shown:?}");
    }
    hosts.replace(["b"]);
    assert!(meters.shown(PREFIX).contains(&"panicking{balancer=search} 1".into()));
    hosts.replace([]);
    assert!(hosts.draw(linchpin::time::Instant::now()).is_err());
    let shown = meters.shown(PREFIX);
    assert!(shown.contains(&"refused_total{balancer=search} 1".into()), "{shown:?}");
    let gauges = ["ejected{", "targets{", "panicking{"];
    assert!(
        shown.iter().all(|row| gauges.iter().all(|gauge| !row.starts_with(gauge))),
        "{shown:?}"
    );
    hosts.replace(["b", "c"]);
    assert!(times(&hosts, "b", Failure, 5));
    drop(hosts);
    let shown = meters.shown(PREFIX);
    assert!(
        shown.iter().all(|row| gauges.iter().all(|gauge| !row.starts_with(gauge))),
        "{shown:?}"
    );
}

#[test]
fn an_ejection_is_a_line_that_says_whom_and_why() {
    let lines = logged(|| {
        paused::block_on(async {
            let hosts = hosts(2, exact());
            assert!(times(&hosts, "a", Failure, 5) && times(&hosts, "b", Failure, 5));
            tokio::time::advance(30 * SECOND).await;
            assert!(give(&hosts, "a", Success));
        });
    });
    let [ejected, spared, returned] = &*lines else { panic!("{lines:?}") };
    for part in [
        "WARN",
        "a target is ejected",
        "balancer=\"test\"",
        "target=a",
        "ejected_for=30s",
        "times=1",
    ] {
        assert!(ejected.contains(part), "{part}: {ejected}");
    }
    for part in ["WARN", "too many are", "target=b", "cause=failures_in_a_row"] {
        assert!(spared.contains(part), "{part}: {spared}");
    }
    for part in ["INFO", "a target returns", "target=a"] {
        assert!(returned.contains(part), "{part}: {returned}");
    }
}
