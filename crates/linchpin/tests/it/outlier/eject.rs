//! Who is ejected, for how long, and who never is: Envoy's rules.

use std::time::Duration;

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::outlier::{Balancer, Options};

use super::{NAMES, SECOND, ejected, exact, give, hosts, known, pass, times};

/// So many calls to each of the targets, of which so many fail.
fn calls(hosts: &Balancer<&'static str>, rows: &[(usize, usize)]) {
    for (name, (calls, failures)) in NAMES.iter().zip(rows) {
        for call in 0..*calls {
            // Never five failures in a row, unless there must be.
            let fails = call * failures / calls != (call + 1) * failures / calls;
            assert!(give(hosts, name, if fails { Failure } else { Success }));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_eject_at_once_and_others_are_not_in_a_row() {
    let hosts = hosts(3, exact());
    for _ in 0..10 {
        assert!(times(&hosts, "b", Failure, 4) && give(&hosts, "b", Success));
    }
    assert!(times(&hosts, "b", Failure, 4) && times(&hosts, "b", Ignored, 10));
    assert_eq!((ejected(&hosts), known(&hosts, "b").consecutive_failures), (vec![], 4));
    assert!(give(&hosts, "b", Failure));
    assert_eq!(ejected(&hosts), ["b"]);
    assert_eq!(known(&hosts, "b").ejected_for, Some(30 * SECOND));
    assert!(!give(&hosts, "b", Success), "no call goes there");
    pass(Duration::from_millis(29_999)).await;
    assert!(!give(&hosts, "b", Success));
    pass(Duration::from_millis(1)).await;
    assert!(give(&hosts, "b", Success), "30 s have elapsed");
    assert_eq!((ejected(&hosts), known(&hosts, "b").ejections), (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn each_time_is_longer_up_to_a_most_and_good_times_are_taken_back() {
    let hosts = hosts(2, exact());
    let eject = |expected: u32| {
        assert!(times(&hosts, "a", Failure, 5));
        assert_eq!(known(&hosts, "a").ejected_for, Some(expected * SECOND));
    };
    let mut time = 0;
    for _ in 0..12 {
        time = (time + 30).min(300);
        eject(time);
        pass(time * SECOND).await;
        assert_eq!(ejected(&hosts), [""; 0]);
    }
    // It counts to ten times. Three sweeps pass, each after it was back for a whole interval: three times are taken back.
    pass(39 * SECOND).await;
    let before = known(&hosts, "a").ejections;
    eject(240);
    assert_eq!(known(&hosts, "a").ejections, before + 1);
    // A year of good times takes all back.
    pass(Duration::from_hours(365 * 24)).await;
    eject(30);
}

#[tokio::test(start_paused = true)]
async fn an_ejection_is_prolonged_by_chance() {
    let hosts = hosts(2, Options::default().jitter(0.5).random(|| 0.5));
    assert!(times(&hosts, "a", Failure, 5));
    assert_eq!(known(&hosts, "a").ejected_for, Some(Duration::from_millis(37_500)));
}

#[tokio::test(start_paused = true)]
async fn a_share_of_all_is_ejected_at_most_one_in_any_case_and_never_all() {
    // Of ten a tenth is one; of two, one may be and one stays; of one, none.
    for (many, share, most) in
        [(10, 0.1, 1), (10, 0.3, 3), (10, 1.0, 9), (2, 1.0, 1), (1, 1.0, 0), (3, 0.0, 1)]
    {
        let hosts = hosts(many, exact().max_ejected(share).panic_threshold(0.0));
        for name in &NAMES[..many] {
            assert!(times(&hosts, name, Failure, 5), "{name} is in use");
        }
        let numbers = hosts.numbers();
        assert_eq!((numbers.ejected, numbers.ejections), (most, most as u64), "{many} by {share}");
        assert_eq!(numbers.overflows, (many - most) as u64);
        assert!(hosts.draw(linchpin::time::Instant::now()).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn by_far_fewer_successes_than_the_others_eject_at_the_sweep() {
    // The example of Envoy's source: 50, 100, 100, 100, 100 have a mean of 90 and a deviation of 20: 52 is the least.
    let hosts = hosts(5, exact().no_consecutive_failures());
    calls(&hosts, &[(100, 50), (100, 0), (100, 0), (100, 0), (100, 0)]);
    assert_eq!(ejected(&hosts), [""; 0], "not before the sweep");
    pass(10 * SECOND).await;
    assert_eq!(ejected(&hosts), ["a"]);
    assert_eq!(known(&hosts, "a").success_rate, Some(0.5));
    assert_eq!(known(&hosts, "b").success_rate, Some(1.0));
    // With 2.1 deviations 48 is the least; with 99 calls, or four targets with enough, nobody is compared.
    for (options, rows) in [
        (exact().success_rate(2.1, 5, 100), [(100, 50), (100, 0), (100, 0), (100, 0), (100, 0)]),
        (exact(), [(99, 49), (100, 0), (100, 0), (100, 0), (100, 0)]),
        (exact(), [(100, 50), (100, 0), (100, 0), (100, 0), (99, 0)]),
        (exact().no_success_rate(), [(100, 50), (100, 0), (100, 0), (100, 0), (100, 0)]),
    ] {
        let hosts = super::hosts(5, options.no_consecutive_failures());
        calls(&hosts, &rows);
        pass(10 * SECOND).await;
        assert_eq!(ejected(&hosts), [""; 0], "{rows:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn too_large_a_share_of_failures_ejects_at_the_sweep_the_worst_first() {
    let options = || exact().no_consecutive_failures().no_success_rate().failure_ratio(0.85, 3, 20);
    let hosts = hosts(3, options());
    calls(&hosts, &[(20, 17), (20, 18), (20, 16)]);
    pass(10 * SECOND).await;
    assert_eq!(ejected(&hosts), ["b"], "one may be, and so the worst is");
    assert_eq!(hosts.numbers().overflows, 1, "17 of 20 are 0.85");
    // What was counted was so in one sweep.
    pass(10 * SECOND).await;
    assert_eq!(hosts.numbers().overflows, 1);
    let few = super::hosts(3, options());
    calls(&few, &[(20, 20), (20, 0), (19, 19)]);
    pass(10 * SECOND).await;
    assert_eq!(ejected(&few), [""; 0], "two with enough calls are no three");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_nobody_saw_is_made_as_of_when_it_was_due() {
    let hosts = hosts(5, exact().no_consecutive_failures());
    calls(&hosts, &[(100, 50), (100, 0), (100, 0), (100, 0), (100, 0)]);
    pass(25 * SECOND).await;
    assert_eq!(known(&hosts, "a").ejected_for, Some(15 * SECOND), "since 10 s, for 30 s");
    let late = super::hosts(5, exact().no_consecutive_failures());
    calls(&late, &[(100, 50), (100, 0), (100, 0), (100, 0), (100, 0)]);
    pass(Duration::from_hours(1)).await;
    let numbers = known(&late, "a");
    assert_eq!((numbers.ejected_for, numbers.ejections), (None, 1), "it has come and gone");
}

#[tokio::test(start_paused = true)]
async fn if_too_few_are_left_all_are_used() {
    let hosts = hosts(4, exact().max_ejected(1.0));
    assert!(times(&hosts, "a", Failure, 5) && times(&hosts, "b", Failure, 5));
    assert!(!hosts.numbers().panicking, "half is not less than half");
    assert!(!give(&hosts, "a", Success));
    assert!(times(&hosts, "c", Failure, 5));
    let numbers = hosts.numbers();
    assert_eq!((numbers.panicking, numbers.ejected), (true, 3));
    assert!(NAMES[..4].iter().all(|name| give(&hosts, name, Success)));
    pass(30 * SECOND).await;
    assert!(!hosts.numbers().panicking);
    // Those who go leave an ejected one, which is better than none.
    assert!(times(&hosts, "a", Failure, 5));
    hosts.replace(["a"]);
    assert_eq!((hosts.numbers().panicking, ejected(&hosts)), (true, vec!["a"]));
    assert!(give(&hosts, "a", Success));
}

#[tokio::test(start_paused = true)]
async fn calls_that_end_after_the_ejection_change_nothing() {
    let hosts = hosts(2, exact());
    let now = linchpin::time::Instant::now();
    let all: Vec<_> = (0..40).map(|_| hosts.draw(now).unwrap()).collect();
    let (held, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|picked| ***picked == "a");
    assert_eq!((held.len(), others.len()), (20, 20));
    drop(others);
    for picked in held {
        picked.record_at(now, Failure);
    }
    let numbers = known(&hosts, "a");
    assert_eq!((numbers.ejections, numbers.ejected_for), (1, Some(30 * SECOND)));
    // And none of them counts against it when it is back.
    pass(30 * SECOND).await;
    assert_eq!(known(&hosts, "a").consecutive_failures, 0);
}
