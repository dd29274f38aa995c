//! The phases: when each begins and ends, what hooks see, and what the report says. All in paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use linchpin::context::Cause;
use linchpin::task::{self, Task};
use linchpin::time::Instant;
use linchpin::{Context, Kind};
use linchpin_http::lifecycle::{Lifecycle, Options, Report};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The phases of a service in Kubernetes: 5, 20 and 25 s.
fn life() -> Lifecycle {
    Lifecycle::new(Options::default().pre_drain(seconds(5))).unwrap()
}

/// Has the life led, as `main` does.
fn lead(life: &Lifecycle) -> Task<Report> {
    let life = life.clone();
    task::spawn("lead", async move { life.finished().await })
}

/// When `context` ends, counted from now.
fn end_of(context: &Context) -> Task<Duration> {
    let (context, began) = (context.clone(), Instant::now());
    task::spawn("end", async move {
        context.cancelled().await;
        began.elapsed()
    })
}

/// Work of `length` that listens to nobody.
fn stubborn(life: &Lifecycle, length: Duration) -> Task<()> {
    let guard = life.guard();
    task::spawn("stubborn", async move {
        tokio::time::sleep(length).await;
        drop(guard);
    })
}

fn assert_about(took: Duration, expected: Duration) {
    let near = took >= expected && took < expected + Duration::from_millis(10);
    assert!(near, "{took:?} instead of {expected:?}");
}

#[linchpin_testing::test(start_paused)]
async fn an_idle_service_accepts_until_pre_drain_and_then_ends_cleanly() {
    let life = life();
    life.ready();
    let (lead, accepting) = (lead(&life), end_of(life.accepting()));
    assert!(life.is_ready());

    life.shutdown("test");
    assert!(!life.is_ready());
    tokio::time::sleep(seconds(4)).await;
    assert!(!life.accepting().is_cancelled());

    assert_about(accepting.join().await, seconds(5));
    let report = lead.join().await;
    assert_about(report.took, seconds(5));
    assert_eq!((report.exit_code(), report.in_flight, report.forced), (0, 0, false));
}

#[linchpin_testing::test(start_paused)]
async fn work_begun_before_the_end_of_pre_drain_is_waited_for() {
    let life = life();
    let lead = lead(&life);
    life.shutdown("test");
    tokio::time::sleep(seconds(4)).await;
    let work = stubborn(&life, seconds(8));
    assert_eq!(life.in_flight(), 1);

    let report = lead.join().await;
    assert_about(report.took, seconds(12));
    assert_eq!((report.exit_code(), report.aborted), (0, 0));
    work.join().await;
}

#[linchpin_testing::test(start_paused)]
async fn work_that_obeys_at_the_drain_deadline_is_no_abort() {
    let life = life();
    let (guard, work) = (life.guard(), life.work().clone());
    let obedient = task::spawn("obedient", async move {
        let cause = work.cancelled().await;
        drop(guard);
        cause
    });
    let lead = lead(&life);
    life.shutdown("test");

    let report = lead.join().await;
    assert_about(report.took, seconds(20));
    assert_eq!((report.exit_code(), report.in_flight), (0, 1));
    assert!(matches!(obedient.join().await, Cause::Shutdown));
}

#[linchpin_testing::test(start_paused)]
async fn work_that_ignores_the_drain_deadline_is_aborted_at_the_hard_stop() {
    let life = life();
    let (work, hard) = (end_of(life.work()), end_of(life.hard()));
    let _stubborn = stubborn(&life, seconds(60));
    let lead = lead(&life);
    life.shutdown("test");

    assert_about(work.join().await, seconds(20));
    assert_about(hard.join().await, seconds(25));
    let report = lead.join().await;
    assert_about(report.took, seconds(25));
    assert_eq!((report.exit_code(), report.aborted), (1, 1));
}

#[linchpin_testing::test(start_paused)]
async fn a_second_signal_ends_an_idle_service_at_once_and_cleanly() {
    let life = life();
    let lead = lead(&life);
    life.shutdown("first");
    tokio::time::sleep(seconds(2)).await;
    life.force();

    let report = lead.join().await;
    assert_about(report.took, seconds(2));
    assert_eq!((report.exit_code(), report.forced), (0, true));
    assert_eq!(report.cause.to_string(), "first");
}

#[linchpin_testing::test(start_paused)]
async fn a_second_signal_aborts_what_is_under_way() {
    let life = life();
    let _stubborn = stubborn(&life, seconds(60));
    let lead = lead(&life);
    life.shutdown("first");
    tokio::time::sleep(seconds(2)).await;
    life.force();

    let report = lead.join().await;
    assert_about(report.took, seconds(2));
    assert_eq!((report.exit_code(), report.aborted), (1, 1));
    assert!(life.hard().is_cancelled());
}

#[linchpin_testing::test(start_paused)]
async fn force_alone_is_a_shutdown() {
    let life = life();
    life.force();
    let report = life.finished().await;
    assert_about(report.took, Duration::ZERO);
    assert_eq!((report.forced, report.cause.to_string().as_str()), (true, "forced"));
}

#[linchpin_testing::test(start_paused)]
async fn hooks_run_last_registered_first_and_what_they_say_is_reported() {
    let life = life();
    let order = Arc::new(Mutex::new(Vec::new()));
    for name in ["database", "outbox", "consumer"] {
        let order = order.clone();
        life.on_stop(name, move |_| async move {
            order.lock().unwrap().push(name);
            format!("{name} closed")
        });
    }
    life.shutdown("test");

    let report = life.finished().await;
    assert_eq!(*order.lock().unwrap(), ["consumer", "outbox", "database"]);
    let names: Vec<_> = report.hooks.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["consumer", "outbox", "database"]);
    assert_eq!(report.hooks[2].1, "database closed");
}

#[linchpin_testing::test(start_paused)]
async fn hooks_wait_for_the_work() {
    let life = life();
    let began = Instant::now();
    life.on_stop("database", move |_| async move { format!("{}", began.elapsed().as_secs()) });
    let _work = stubborn(&life, seconds(9));
    life.shutdown("test");
    let report = life.finished().await;
    assert_eq!(report.hooks, [("database", "9".to_owned())]);
}

#[linchpin_testing::test(start_paused)]
async fn hooks_wait_no_longer_than_the_drain_deadline() {
    let life = life();
    let began = Instant::now();
    life.on_stop("database", move |_| async move { format!("{}", began.elapsed().as_secs()) });
    let _stubborn = stubborn(&life, seconds(60));
    life.shutdown("test");
    let report = life.finished().await;
    assert_eq!(report.hooks, [("database", "20".to_owned())]);
}

#[linchpin_testing::test(start_paused)]
async fn a_hook_that_hangs_is_given_up_after_its_own_five_seconds() {
    let life = life();
    life.on_stop("database", |_| async { "closed".to_owned() });
    life.on_stop("stuck", |_| std::future::pending());
    life.shutdown("test");

    let report = life.finished().await;
    assert_about(report.took, seconds(10));
    assert_eq!((report.exit_code(), report.aborted), (1, 1));
    assert_eq!(report.hooks.len(), 2);
    assert!(report.hooks[0].1.starts_with("given up"), "{}", report.hooks[0].1);
    assert_eq!(report.hooks[1].1, "closed");
}

#[linchpin_testing::test(start_paused)]
async fn a_hook_that_panics_takes_no_other_hook_with_it() {
    let life = life();
    life.on_stop("database", |_| async { "closed".to_owned() });
    life.on_stop("broken", |_| async { panic!("boom") });
    life.shutdown("test");

    let report = lead(&life).outcome().await.expect("a panic in a hook stays in the hook");
    assert_eq!(report.exit_code(), 1);
    assert!(report.hooks[0].1.contains("panicked") && report.hooks[0].1.ends_with("boom"));
    assert_eq!(report.hooks[1], ("database", "closed".to_owned()));
}

#[linchpin_testing::test(start_paused)]
async fn a_hook_that_panics_early_or_when_it_is_given_up_takes_no_other_hook_with_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the bomb");
        }
    }
    let life = life();
    life.on_stop("database", |_| async { "closed".to_owned() });
    life.on_stop("no future", |_| -> std::future::Ready<String> { panic!("boom") });
    life.on_stop("stuck", |_| async {
        let _bomb = Bomb;
        std::future::pending().await
    });
    life.shutdown("test");

    let report = lead(&life).outcome().await.expect("a panic in a hook stays in the hook");
    assert_eq!((report.hooks.len(), report.aborted), (3, 2));
    assert!(report.hooks[0].1.ends_with("the bomb"), "{}", report.hooks[0].1);
    assert!(report.hooks[1].1.ends_with("boom"), "{}", report.hooks[1].1);
    assert_eq!(report.hooks[2], ("database", "closed".to_owned()));
}

#[linchpin_testing::test(start_paused)]
async fn a_hook_gets_its_turn_after_a_forced_stop_too() {
    let life = life();
    life.on_stop("database", |_| async { "closed".to_owned() });
    life.force();
    let report = life.finished().await;
    assert_eq!(report.hooks, [("database", "closed".to_owned())]);
    assert_about(report.took, Duration::ZERO);
}

#[linchpin_testing::test(start_paused)]
async fn the_context_of_a_hook_ends_with_its_time() {
    let life = life();
    let began = Instant::now();
    let (tell, told) = tokio::sync::oneshot::channel();
    life.on_stop("watching", move |ctx| async move {
        ctx.cancelled().await;
        tell.send(began.elapsed()).unwrap();
        std::future::pending().await
    });
    life.shutdown("test");
    let report = life.finished().await;
    assert_eq!(report.aborted, 1);
    assert_about(told.await.unwrap(), seconds(10));
}

#[linchpin_testing::test(start_paused)]
async fn the_first_cause_stays_and_the_report_tells_it() {
    let life = life();
    life.on_stop("database", |_| async { "closed".to_owned() });
    life.shutdown("SIGTERM");
    life.shutdown("something later");
    let text = life.finished().await.to_string();
    assert_eq!(text, "stopped after SIGTERM in 5.0s: 0 under way, 0 aborted; database: closed");
}

#[linchpin_testing::test]
fn a_service_is_ready_only_after_it_said_so() {
    let life = life();
    assert!(!life.is_ready());
    life.ready();
    assert!(life.clone().is_ready());
}

#[linchpin_testing::test]
fn phases_out_of_order_are_refused_with_the_numbers() {
    for options in [
        Options::default().pre_drain(seconds(21)),
        Options::default().drain(seconds(26)),
        Options::default().hard_stop(seconds(19)),
    ] {
        let fault = Lifecycle::new(options).unwrap_err();
        assert_eq!(fault.kind(), Kind::InvalidArgument);
        let report = fault.report().to_string();
        assert!(report.contains("drain") && report.contains("hard_stop"), "{report}");
    }
    let equal = Options::default().pre_drain(seconds(1)).drain(seconds(1)).hard_stop(seconds(1));
    assert!(Lifecycle::new(equal).is_ok());
}
