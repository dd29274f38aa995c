//! A balancer in use: calls and guards, a set that changes, retries, threads, panics.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::resilience::outlier::{Balancer, Options};
use linchpin::resilience::retry::{self, Retry, Schedule, Tried};
use linchpin::resilience::{ByFailed, ByResult, Failed, FailedKind};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::drop_at_each;

use super::{SECOND, ejected, exact, give, hosts, known, pass, times};

#[tokio::test(start_paused = true)]
async fn a_call_is_given_a_target_and_counts_for_it() {
    let hosts = hosts(1, exact());
    let ctx = Context::root();
    let tried = Tried::default();
    let answer = hosts.call(&ctx, &tried, |host| async move { Ok::<_, ()>(host.len()) }).await;
    assert_eq!(answer.unwrap(), 1);
    let failed = hosts.call(&ctx, &tried, |_| async { Err::<(), _>("sick") }).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")));
    let numbers = known(&hosts, "a");
    assert_eq!((numbers.calls, numbers.successes, numbers.under_way), (2, 1, 0));
    // A deadline cuts a target that took too long, any other end says nothing.
    let late = ctx.with_timeout(SECOND);
    let hangs = |_| std::future::pending::<Result<(), ()>>();
    hosts.call(&late, &tried, hangs).await.unwrap_err();
    assert_eq!(known(&hosts, "a").consecutive_failures, 2);
    let gone = ctx.child();
    let mut call = Box::pin(hosts.call(&gone, &tried, hangs));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!(hosts.numbers().under_way, 1);
    gone.cancel("gone");
    call.await.unwrap_err();
    let numbers = known(&hosts, "a");
    assert_eq!((numbers.calls, numbers.consecutive_failures, numbers.under_way), (3, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_target_it_is_refused_until_one_comes() {
    let hosts = hosts(0, exact());
    let work = |_| async { unreachable!("never asked") };
    let failed: Failed<()> =
        Result::<(), _>::unwrap_err(hosts.call(&Context::root(), &Tried::default(), work).await);
    let FailedKind::Refused(refusal) = failed.into_kind() else { panic!("no refusal") };
    assert_eq!(refusal.to_string(), "balancer `test` refused: it has no target");
    assert_eq!((refusal.retryable, Error::from(refusal).kind()), (true, Kind::Unavailable));
    assert_eq!(hosts.snapshot().state, "empty");
    hosts.add("a");
    assert!(give(&hosts, "a", Success));
}

#[tokio::test(start_paused = true)]
async fn targets_come_and_go_and_who_stays_is_known() {
    let hosts = hosts(3, exact());
    assert!(times(&hosts, "a", Failure, 5));
    let held = hosts.pick(Instant::now(), 0.0, &Tried::default()).unwrap();
    let name = *held.target();
    hosts.replace(["d", "a", "d"]);
    assert_eq!(ejected(&hosts), ["a"]);
    let names: Vec<_> = hosts.targets().iter().map(|target| *target.target).collect();
    assert_eq!(names, ["a", "d"], "each once");
    assert!(!give(&hosts, "a", Success) && give(&hosts, "d", Success));
    // A call to who has gone goes on, and counts nowhere.
    assert!(["b", "c"].contains(&name));
    held.record(Failure);
    assert_eq!(hosts.numbers().under_way, 0);
    // Who comes again is not known.
    assert!(hosts.remove(&"a") && !hosts.remove(&"a"));
    hosts.add("a");
    hosts.add("a");
    assert_eq!((ejected(&hosts), hosts.numbers().targets), (vec![], 2));
    assert!(give(&hosts, "a", Success));
    hosts.replace([]);
    assert!(hosts.draw(Instant::now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn each_attempt_of_a_retry_goes_elsewhere() {
    let hosts = hosts(3, exact());
    let options =
        retry::Options::default().idempotent().backoff(Schedule::constant(SECOND).unwrap());
    let retry = Retry::new("test", options).unwrap();
    let (ctx, tried) = (Context::root(), Tried::default());
    let asked = std::cell::RefCell::new(Vec::new());
    let failed = retry
        .classified(ByFailed::<ByResult>::default())
        .call(&ctx, |_| {
            hosts.call(&ctx, &tried, |host| {
                asked.borrow_mut().push(*host);
                async { Err::<(), _>("sick") }
            })
        })
        .await;
    assert_eq!(failed.unwrap_err().attempts(), 3);
    let mut asked = asked.take();
    asked.sort_unstable();
    assert_eq!(asked, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_dropped_at_each_step() {
    drop_at_each(
        async || (hosts(2, exact()), Tried::default()),
        async |(hosts, tried)| {
            let ctx = Context::root();
            let work = |_| async {
                tokio::time::sleep(SECOND).await;
                Ok::<_, ()>(())
            };
            hosts.call(&ctx, tried, work).await
        },
        async |(hosts, _)| assert_eq!(hosts.numbers().under_way, 0),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_options_keep_the_targets_and_what_is_known() {
    let hosts = hosts(4, exact());
    assert!(times(&hosts, "a", Failure, 5) && times(&hosts, "b", Failure, 4));
    hosts.reconfigure(exact().consecutive_failures(2).max_ejected(1.0)).unwrap();
    assert_eq!(ejected(&hosts), ["a"]);
    assert!(give(&hosts, "b", Failure), "the fifth in a row, where two are enough");
    assert_eq!(ejected(&hosts), ["a", "b"]);
    assert!(hosts.reconfigure(exact().jitter(2.0)).is_err());
    pass(30 * SECOND).await;
    assert_eq!(ejected(&hosts), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn it_is_shown_to_people() {
    let hosts = hosts(2, exact());
    assert!(times(&hosts, "a", Failure, 5));
    let shown = hosts.snapshot().to_string();
    let expected = "balancer `test`: some_ejected, targets 2, ejected 1, under_way 0, ejections 1, overflows 0";
    assert_eq!(shown, expected);
    let shown: Vec<String> = hosts.snapshots().iter().map(ToString::to_string).collect();
    assert!(shown[0].starts_with("balancer `test` of `a`: ejected, under_way 0, calls 5"));
    assert!(shown[1].starts_with("balancer `test` of `b`: in_use"), "{shown:?}");
    assert!(format!("{hosts:?}").contains("ejections: 1"));
}

#[test]
fn no_call_is_lost_among_threads_while_the_set_changes() {
    let options =
        exact().interval(Duration::from_millis(10)).consecutive_failures(7).peak_ewma(SECOND);
    let hosts = hosts(8, options.max_ejected(0.5));
    let start = Barrier::new(5);
    thread::scope(|scope| {
        for seed in 0..4_usize {
            let (hosts, start) = (&hosts, &start);
            scope.spawn(move || {
                start.wait();
                for index in 0..20_000_usize {
                    let picked = hosts.draw(Instant::now()).expect("some stay");
                    picked.record([Success, Failure, Ignored][(index / 5 + seed) % 3]);
                }
            });
        }
        start.wait();
        for round in 0..200 {
            hosts.remove(&super::NAMES[round % 7]);
            hosts.add(super::NAMES[round % 7]);
        }
    });
    let numbers = hosts.numbers();
    assert_eq!((numbers.under_way, numbers.targets), (0, 8));
    assert!(numbers.ejected < 8);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_dropped_is_ignored_and_while_a_panic_unwinds_a_failure() {
    let hosts = hosts(1, exact());
    drop(hosts.draw(Instant::now()).unwrap());
    assert_eq!((known(&hosts, "a").calls, hosts.numbers().under_way), (0, 0));
    let panics = || {
        let _picked = hosts.draw_owned(Instant::now()).unwrap();
        panic!("boom");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let numbers = known(&hosts, "a");
    assert_eq!((numbers.consecutive_failures, numbers.under_way), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_equality_or_text_panics_leaves_the_set_whole() {
    struct Host(&'static str);
    impl PartialEq for Host {
        fn eq(&self, other: &Self) -> bool {
            assert!(other.0 != "no equal" && self.0 != "no equal", "cannot be compared");
            self.0 == other.0
        }
    }
    impl Eq for Host {}
    impl fmt::Display for Host {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            assert!(self.0 != "no text", "no words");
            f.write_str(self.0)
        }
    }
    let hosts = Balancer::new("test", [Host("a"), Host("b")], Options::default()).unwrap();
    let raised = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_err();
    assert!(raised(&|| hosts.add(Host("no text"))));
    assert!(raised(&|| hosts.add(Host("no equal"))));
    assert!(raised(&|| hosts.replace([Host("c"), Host("no equal")])));
    assert!(raised(&|| {
        hosts.remove(&Host("no equal"));
    }));
    assert_eq!(hosts.numbers().targets, 2);
    hosts.add(Host("c"));
    assert!(hosts.remove(&Host("a")));
    assert_eq!(hosts.numbers().targets, 2);
}

#[tokio::test(start_paused = true)]
async fn a_chance_that_panics_ejects_nobody() {
    let hosts = hosts(2, exact().random(|| panic!("no luck")));
    assert!(times(&hosts, "a", Failure, 4));
    let fifth = catch_unwind(AssertUnwindSafe(|| give(&hosts, "a", Failure)));
    assert!(fifth.is_err());
    assert_eq!((ejected(&hosts), hosts.numbers().under_way), (vec![], 0));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(hosts.draw(Instant::now())))).is_err());
    assert!(give(&hosts, "a", Success));
}
