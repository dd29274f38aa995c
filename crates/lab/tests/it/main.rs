//! The experiments: they repeat to the last digit, and show what they are meant to.

mod figures;

use lab::storm::{self, Plan, Report, Variant};

fn variant(name: &str) -> Variant {
    storm::variants().into_iter().find(|variant| variant.name == name).unwrap()
}

fn report(name: &str, seed: u64) -> Report {
    storm::run(&Plan::short(seed), &variant(name)).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_storm() {
    for name in ["none", "stack"] {
        assert_eq!(report(name, 7), report(name, 7), "{name}");
    }
    assert_ne!(report("none", 7).seconds, report("none", 8).seconds);
}

#[test]
fn a_naive_retry_makes_a_storm_worse_and_a_budget_does_not() {
    let [none, naive, retry, stack] =
        ["none", "naive", "retry", "stack"].map(|name| report(name, 1));
    assert!(naive.load > 2.0 * none.load, "{} against {}", naive.load, none.load);
    assert!(retry.load < 1.5 * none.load, "{} against {}", retry.load, none.load);
    assert!(naive.goodput[2] < none.goodput[2], "what comes after it, too");
    assert!(stack.recovers.is_some_and(|seconds| seconds <= 10), "{:?}", stack.recovers);
    assert!(stack.goodput[1] >= none.goodput[1]);
    for before in [none, naive, retry, stack].map(|report| report.goodput[0]) {
        assert!((110.0..140.0).contains(&before), "before the storm all are the same: {before}");
    }
}

#[test]
fn a_drawing_has_a_strip_for_each_variant() {
    let plan = Plan::short(1);
    let reports = ["none", "breaker"].map(|name| report(name, 1));
    let svg = storm::draw(&plan, &reports).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("<polyline").count() % 2, 0);
    assert!(svg.contains("none: ") && svg.contains("breaker: "));
    let table = storm::table(&plan, &reports);
    assert_eq!(table.lines().count(), 5, "{table}");
}
