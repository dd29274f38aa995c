//! Which target a call goes to.

use std::collections::BTreeMap;
use std::time::Duration;

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::outlier::{Balancer, Picked};
use linchpin::resilience::retry::Tried;
use linchpin::time::Instant;

use super::{NAMES, SECOND, exact, hosts, known, pass, times};

fn pick<'a>(hosts: &'a Balancer<&'static str>, u: f64) -> Picked<'a, &'static str> {
    hosts.pick(Instant::now(), u, &Tried::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_different_ones_are_drawn_each_pair_as_often_as_any_other() {
    // Five targets, of which one is free and the others are not: it is chosen whenever it is drawn.
    let hosts = hosts(5, exact());
    let mut held = Vec::new();
    for name in &NAMES[..4] {
        while known(&hosts, name).under_way == 0 {
            let picked = pick(&hosts, fastrand::f64());
            if **picked == *name {
                held.push(picked);
            }
        }
    }
    let mut chosen = BTreeMap::<&str, u32>::new();
    let draws = 10_000;
    for step in 0..draws {
        let picked = pick(&hosts, f64::from(step) / f64::from(draws));
        *chosen.entry(*picked.target()).or_default() += 1;
    }
    // Two of five are drawn, so in two of five draws it is one of them; the others share the rest.
    assert!((3_990..=4_010).contains(&chosen["e"]), "{chosen:?}");
    assert!(NAMES[..4].iter().all(|name| (1_490..=1_510).contains(&chosen[name])), "{chosen:?}");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn of_two_the_one_with_fewer_calls_under_way_is_taken() {
    let hosts = hosts(2, exact());
    let mut held = Vec::new();
    // Whichever is drawn first, both are looked at.
    for round in 1..50 {
        held.push(pick(&hosts, 0.0));
        held.push(pick(&hosts, 0.0));
        assert_eq!((known(&hosts, "a").under_way, known(&hosts, "b").under_way), (round, round));
    }
    held.retain(|picked| ***picked == "a");
    assert_eq!(known(&hosts, "b").under_way, 0);
    for _ in 0..48 {
        held.push(pick(&hosts, 0.1));
        assert_eq!(**held[held.len() - 1], "b");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mean_of_latencies_jumps_up_and_forgets_by_time() {
    let hosts = hosts(1, exact().peak_ewma(10 * SECOND));
    let took = async |latency: Duration, outcome| {
        let picked = pick(&hosts, 0.0);
        pass(latency).await;
        picked.record(outcome);
    };
    let mean = || known(&hosts, "a").latency.as_secs_f64();
    let about = |expected: f64| {
        let mean = mean();
        assert!((mean - expected).abs() < 0.002 * expected, "{mean}, not {expected}");
    };
    took(SECOND, Success).await;
    about(1.0);
    // Half a second later: e^-0.05 of what there was, and the rest of what it took.
    took(Duration::from_millis(500), Success).await;
    let kept = (-0.05_f64).exp();
    about(kept + 0.5 * (1.0 - kept));
    took(3 * SECOND, Success).await;
    about(3.0);
    // What failed or says nothing at once does not make it fast ...
    for outcome in [Failure, Ignored] {
        took(Duration::ZERO, outcome).await;
        about(3.0);
    }
    // ... and makes it slow if it took long.
    took(4 * SECOND, Failure).await;
    about(4.0);
    took(5 * SECOND, Ignored).await;
    about(5.0);
    pass(10 * SECOND).await;
    about(5.0 * (-1.0_f64).exp());
    pass(Duration::from_hours(24 * 365)).await;
    assert!(mean() < 0.001);
}

#[tokio::test(start_paused = true)]
async fn by_peak_ewma_the_faster_is_taken_until_it_has_more_to_do() {
    let hosts = hosts(2, exact().peak_ewma(10 * SECOND));
    // Both are unknown: each gets one call.
    let (one, other) = (pick(&hosts, 0.0), pick(&hosts, 0.0));
    assert_eq!((**one, **other), ("a", "b"), "who was asked and has not answered is asked last");
    pass(Duration::from_millis(100)).await;
    one.record(Success);
    pass(Duration::from_millis(200)).await;
    other.record(Success);
    // 100 ms against 300 ms: a has three calls under way before b gets one.
    let held: Vec<_> = (0..4).map(|_| pick(&hosts, 0.9)).collect();
    let names: Vec<_> = held.iter().map(|picked| ***picked).collect();
    assert_eq!(names, ["a", "a", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_where_none_was_unless_there_is_no_other() {
    let hosts = hosts(3, exact());
    let tried = Tried::default();
    assert!(tried.is_empty());
    let mut seen: Vec<_> =
        (0..3).map(|_| *hosts.pick(Instant::now(), 0.0, &tried).unwrap().target()).collect();
    seen.sort_unstable();
    assert_eq!((seen, tried.len()), (vec!["a", "b", "c"], 3));
    let again = hosts.pick(Instant::now(), 0.0, &tried).unwrap();
    assert_eq!((**again, tried.len()), ("a", 3), "one of them again");
    // An ejected one is no other.
    let tried = Tried::default();
    assert!(times(&hosts, "c", Failure, 5));
    for _ in 0..2 {
        drop(hosts.pick(Instant::now(), 0.9, &tried).unwrap());
    }
    assert_ne!(**hosts.pick(Instant::now(), 0.9, &tried).unwrap(), "c");
    // Nor is one that was removed and came again the one that was tried.
    hosts.remove(&"a");
    hosts.add("a");
    assert_eq!(**hosts.pick(Instant::now(), 0.0, &tried).unwrap(), "a");
    let names: Vec<_> = tried.list().iter().map(|target| **target).collect();
    assert_eq!(names.iter().filter(|name| **name == "a").count(), 2, "{names:?}");
}
