//! Supervisor: who is started again and when, when it gives up, and in which order it stops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linchpin::context::Cause;
use linchpin::error::Panicked;
use linchpin::resilience::retry::Schedule;
use linchpin::sync::channel::RecvError;
use linchpin::task::Group;
use linchpin::task::supervisor::{GaveUp, Health, Options, Report, Restart, State, Supervisor};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind, task};
use linchpin_testing::leak::Check;
use tokio::time::sleep;

use crate::panic::{hooked, logged};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How a child ends.
type End = fn() -> Result<(), Error>;
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// One second, two, then four for ever, without chance; and restarts without end.
pub(crate) fn steady() -> Options {
    let backoff = Schedule::new([SECOND, SECOND * 2, SECOND * 4]).unwrap();
    Options::default().backoff(backoff).restarts(1_000, SECOND)
}

pub(crate) fn supervisor(options: Options) -> Supervisor {
    Supervisor::new("test", options).unwrap()
}

pub(crate) fn fails() -> Result<(), Error> {
    Err(Error::new(Kind::Unavailable, "no connection"))
}

/// Work that says when it starts, in seconds from now, and then does `then`.
pub(crate) fn starts<F>(
    then: impl Fn(usize) -> F + Send + Sync + 'static,
) -> (Arc<Mutex<Vec<u64>>>, impl Fn(Context) -> F + Send + Sync + 'static) {
    let (seen, began, count) = (Arc::default(), Instant::now(), AtomicUsize::new(0));
    let told: Arc<Mutex<Vec<u64>>> = Arc::clone(&seen);
    let work = move |_| {
        told.lock().unwrap().push(began.elapsed().as_secs());
        then(count.fetch_add(1, Ordering::SeqCst))
    };
    (seen, work)
}

/// Runs it for so long.
pub(crate) async fn run_for(supervisor: Supervisor, seconds: u32) -> Result<Report, Error> {
    let ctx = Context::root().child();
    let (report, ()) = tokio::join!(supervisor.run(&ctx), async {
        sleep(SECOND * seconds).await;
        ctx.cancel(Cause::Shutdown);
    });
    report
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_is_started_again_after_its_back_off() {
    let (seen, work) = starts(|_| async { fails() });
    let report = run_for(supervisor(steady()).child("child", Restart::Permanent, work), 16).await;
    assert_eq!(*seen.lock().unwrap(), [0, 1, 3, 7, 11, 15]);
    let health = report.unwrap().health;
    assert_eq!((health.restarts(), health.children[0].state), (5, State::Stopped));
    let failure = health.children[0].last_failure.as_ref().unwrap();
    assert_eq!(failure.to_string(), "no connection");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_has_settled_backs_off_anew() {
    let (seen, work) = starts(|n| async move {
        sleep(SECOND * if n == 2 { 60 } else { 0 }).await;
        fails()
    });
    let options = steady().settled_after(SECOND * 60);
    drop(run_for(supervisor(options).child("child", Restart::Permanent, work), 68).await);
    // After 0, 1 and 3 it ran for a minute: one second and two again.
    assert_eq!(*seen.lock().unwrap(), [0, 1, 3, 64, 66]);
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_restarts_and_a_seed_repeats_them() {
    let times = async |seed| {
        let began = Instant::now();
        let seen: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let told = seen.clone();
        let work = move |_| {
            told.lock().unwrap().push(began.elapsed());
            async { fails() }
        };
        let options = Options::default().restarts(4, SECOND * 60).seed(seed);
        let run = supervisor(options).child("child", Restart::Permanent, work);
        assert!(run.run(&Context::root()).await.is_err());
        seen.lock().unwrap().clone()
    };
    let (one, same, other) = (times(1).await, times(1).await, times(2).await);
    assert_eq!((one.len(), &one), (5, &same));
    assert_ne!(one, other);
}

#[tokio::test(start_paused = true)]
async fn each_policy_restarts_what_it_says() {
    let ways: [(&str, End); 3] =
        [("ok", || Ok(())), ("error", fails), ("panic", || panic!("boom"))];
    for (restart, starts_of) in [
        (Restart::Permanent, [4, 4, 4]),
        (Restart::Transient, [1, 4, 4]),
        (Restart::Temporary, [1, 1, 1]),
    ] {
        for ((way, end), expected) in ways.into_iter().zip(starts_of) {
            let (seen, work) = starts(move |_| async move { end() });
            drop(run_for(supervisor(steady()).child("child", restart, work), 8).await);
            assert_eq!(seen.lock().unwrap().len(), expected, "{restart:?} {way}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_done_when_all_children_are() {
    let mut monitor = None;
    let report = {
        let supervisor =
            supervisor(steady())
                .child("transient", Restart::Transient, |ctx| async move {
                    Ok(ctx.sleep(SECOND).await?)
                })
                .child("temporary", Restart::Temporary, |_| async { fails() });
        monitor.replace(supervisor.monitor());
        supervisor.run(&Context::root()).await.unwrap()
    };
    assert!(report.cause.is_none() && report.aborted.is_empty());
    let states: Vec<State> = report.health.children.iter().map(|child| child.state).collect();
    assert_eq!(states, [State::Done, State::Failed]);
    assert!(report.health.is_healthy() && report.health.is_quiescent());
    // The last state stays to be seen.
    let seen = monitor.unwrap().quiescent(&Context::root()).await.unwrap();
    assert_eq!(seen.children[1].last_failure.as_ref().unwrap().kind(), Kind::Unavailable);
    assert!(supervisor(steady()).run(&Context::root()).await.unwrap().cause.is_none());
}

#[tokio::test(start_paused = true)]
async fn too_many_restarts_fail_up_with_the_last_failure_as_the_source() {
    let check = Check::new();
    let stopped = Arc::new(Mutex::new(None));
    let told = stopped.clone();
    let options = steady().restarts(2, SECOND * 60);
    let supervisor = supervisor(options)
        .child("neighbour", Restart::Permanent, move |ctx| {
            let told = told.clone();
            async move {
                *told.lock().unwrap() = Some(ctx.cancelled().await);
                Ok(())
            }
        })
        .child("failing", Restart::Permanent, |_| async { fails() });
    let began = Instant::now();
    let error = supervisor.run(&Context::root()).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (Kind::Unavailable, SECOND * 3));
    let gave_up = error.find::<GaveUp>().unwrap();
    assert_eq!((gave_up.child, gave_up.restarts), ("failing", 2));
    assert!(error.report().to_string().contains("no connection"), "{}", error.report());
    assert!(matches!(stopped.lock().unwrap().take(), Some(Cause::Failed(_))), "told why");
    check.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn restarts_count_within_their_time_only() {
    let (seen, work) = starts(|_| async {
        sleep(SECOND * 10).await;
        fails()
    });
    // One every 11, 12, 14, 14 .. seconds: never three within half a minute.
    let options = steady().restarts(3, SECOND * 30);
    let report = run_for(supervisor(options).child("child", Restart::Permanent, work), 600).await;
    assert!(report.is_ok() && seen.lock().unwrap().len() > 40);
}

#[tokio::test(start_paused = true)]
async fn with_no_restarts_the_first_failure_is_one_too_many() {
    let none = || supervisor(steady().restarts(0, SECOND));
    let run = none().child("child", Restart::Permanent, |_| async { Ok(()) });
    let error = run.run(&Context::root()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(error.to_string().contains("`child` returned after 0 restarts"), "{error}");
    let run = none().child("child", Restart::Transient, |_| async { Ok(()) });
    assert!(run.run(&Context::root()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_gives_up_is_a_failure_of_the_one_above() {
    let lives = Arc::new(AtomicUsize::new(0));
    let count = lives.clone();
    let outer = supervisor(steady()).child("inner", Restart::Transient, move |ctx| {
        let lives = count.fetch_add(1, Ordering::SeqCst);
        async move {
            let inner = supervisor(steady().restarts(1, SECOND * 60)).child(
                "worker",
                Restart::Transient,
                move |_| async move { if lives < 2 { fails() } else { Ok(()) } },
            );
            inner.run(&ctx).await.map(drop)
        }
    });
    assert!(outer.run(&Context::root()).await.unwrap().cause.is_none());
    assert_eq!(lives.load(Ordering::SeqCst), 3);

    let mut group = Group::new(&Context::root());
    group.spawn("supervisor", |ctx| async move {
        let failing = supervisor(steady().restarts(0, SECOND));
        failing.child("child", Restart::Permanent, |_| async { fails() }).run(&ctx).await.map(drop)
    });
    assert!(group.join().await.unwrap_err().find::<GaveUp>().is_some());
}

#[tokio::test(start_paused = true)]
async fn under_a_context_that_has_ended_no_child_is_started() {
    let (seen, work) = starts(|_| async { Ok(()) });
    let ctx = Context::root().child();
    ctx.cancel("too late");
    let report = supervisor(steady()).child("child", Restart::Permanent, work).run(&ctx).await;
    assert_eq!(report.unwrap().cause.unwrap().to_string(), "too late");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn children_have_the_values_of_the_context_and_their_own_names_and_sites() {
    let ctx = Context::root().with_value(7_u8);
    let site = line!() + 1;
    let supervisor = supervisor(steady()).child("named", Restart::Transient, |ctx| async move {
        assert_eq!(ctx.get::<u8>(), Some(&7));
        let live: Vec<_> = task::live().into_iter().filter(|task| task.name == "named").collect();
        assert_eq!(live.len(), 1);
        Err(Error::new(Kind::Aborted, live[0].to_string()))
    });
    let mut monitor = supervisor.monitor();
    let run = task::spawn("runs", async move { supervisor.run(&ctx).await });
    sleep(SECOND / 2).await;
    let failure = monitor.health().children[0].last_failure.clone().unwrap();
    let expected = format!("supervisor.rs:{site}:");
    assert!(failure.to_string().contains(&expected), "{failure}");
    drop(run);
    // Dropped in the middle: nobody will say any more.
    assert!(matches!(monitor.healthy(&Context::root()).await, Err(RecvError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn health_is_waited_for_at_the_start_and_after_a_trouble() {
    let supervisor = supervisor(steady())
        .child(
            "steady",
            Restart::Permanent,
            |ctx| async move { Ok(ctx.sleep(SECOND * 100).await?) },
        )
        .child("shaky", Restart::Permanent, |ctx| async move {
            ctx.sleep(SECOND * 5).await?;
            fails()
        });
    let mut monitor = supervisor.monitor();
    assert!(!monitor.health().is_healthy(), "not started");
    let (ctx, began) = (Context::root().child(), Instant::now());
    let watch = async {
        monitor.healthy(&ctx).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        sleep(SECOND * 11 / 2).await;
        let sick = monitor.health();
        assert!(!sick.is_healthy() && !sick.is_quiescent());
        assert_eq!(
            (sick.children[1].state, sick.children[0].state),
            (State::BackingOff, State::Running)
        );
        let well = monitor.healthy(&ctx).await.unwrap();
        assert_eq!((began.elapsed(), well.restarts()), (SECOND * 6, 1));
        ctx.cancel(Cause::Shutdown);
        monitor.quiescent(&Context::root()).await.unwrap();
        assert!(matches!(monitor.healthy(&ctx).await, Err(RecvError::Ended(_))));
    };
    let (report, ()) = tokio::join!(supervisor.run(&ctx), watch);
    assert!(report.unwrap().health.is_quiescent());
}

/// Runs two children that panic beside one that does not; how they were, and what was logged.
fn panicking() -> (Health, Vec<String>) {
    let run = async {
        tokio::time::pause();
        let supervisor =
            supervisor(steady())
                .child("panics", Restart::Temporary, |_| async { panic!("in the future") })
                .child("cannot be made", Restart::Temporary, |_| -> std::future::Ready<_> {
                    panic!("in the closure")
                })
                .child("neighbour", Restart::Transient, |ctx| async move {
                    Ok(ctx.sleep(SECOND).await?)
                });
        supervisor.run(&Context::root()).await.unwrap().health
    };
    let mut health = None;
    let lines = logged(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        health = Some(runtime.block_on(run));
    });
    (health.unwrap(), lines)
}

#[test]
fn a_panic_in_a_child_or_in_the_making_of_its_future_is_a_failure() {
    hooked();
    // A line whose place another test passes for the first time while this one begins to listen is not heard.
    let (health, lines) =
        (0..10).map(|_| panicking()).find(|(_, lines)| lines.len() > 1).expect("never logged");
    for (index, text) in ["in the future", "in the closure"].into_iter().enumerate() {
        let failure = health.children[index].last_failure.as_ref().unwrap();
        let panicked = failure.find::<Panicked>().unwrap();
        assert_eq!(panicked.text(), text);
        assert!(panicked.location().is_some_and(|place| place.contains("supervisor.rs")));
        let told = lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(told, 1, "logged once: {lines:?}");
    }
    assert_eq!(health.children[2].state, State::Done);
}

#[test]
fn a_time_of_zero_for_the_restarts_is_refused_with_the_reason() {
    let bad = Supervisor::new("test", Options::default().restarts(3, Duration::ZERO)).unwrap_err();
    assert!(bad.to_string().contains("zero"), "{bad}");
}
