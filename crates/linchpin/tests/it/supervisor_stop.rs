//! Supervisor: in which order it stops, what it waits for, and that a dropped run leaves nobody.

use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::error::Panicked;
use linchpin::task::supervisor::{Restart, State};
use linchpin::time::Instant;
use linchpin::{Context, Error, task};
use linchpin_testing::leak::Check;
use linchpin_testing::steps;
use tokio::time::sleep;

use crate::supervisor::{Log, SECOND, fails, run_for, starts, steady, supervisor};

/// A child that takes so long to stop, and says when it did.
fn stopping(
    log: &Log,
    name: &'static str,
    takes: Duration,
) -> impl Fn(Context) -> futures_util::future::BoxFuture<'static, Result<(), Error>> + use<> {
    let (log, began) = (log.clone(), Instant::now());
    move |ctx| {
        let log = log.clone();
        async move {
            let cause = ctx.cancelled().await;
            sleep(takes).await;
            let at = began.elapsed().as_secs();
            log.lock().unwrap().push(format!("{name} at {at}: {cause}"));
            Ok(())
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn children_are_stopped_one_after_the_other_the_last_first() {
    let log = Log::default();
    let supervisor = supervisor(steady().stop_within(SECOND * 5))
        .child("database", Restart::Permanent, stopping(&log, "database", SECOND * 2))
        .child("stuck", Restart::Permanent, |_| std::future::pending())
        .child("api", Restart::Permanent, stopping(&log, "api", SECOND));
    let report = run_for(supervisor, 10).await.unwrap();
    assert!(matches!(report.cause, Some(Cause::Shutdown)));
    assert_eq!(report.aborted, ["stuck"]);
    assert_eq!(*log.lock().unwrap(), ["api at 11: shutting down", "database at 18: shutting down"]);
    assert!(report.health.is_quiescent() && !report.health.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_child_that_waits_for_its_restart_is_stopped_at_once() {
    let (seen, work) = starts(|_| async { fails() });
    let began = Instant::now();
    let report = run_for(supervisor(steady()).child("child", Restart::Permanent, work), 2).await;
    assert_eq!((seen.lock().unwrap().len(), began.elapsed()), (2, SECOND * 2));
    assert_eq!(report.unwrap().health.children[0].state, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_run_at_any_step_leaves_no_task() {
    let world = async || (Context::root().child(), Check::new().only(["left", "brief"]));
    let report = steps::Options::default()
        .first(8)
        .drop_at_each(
            world,
            async |(ctx, _)| {
                supervisor(steady())
                    .child("left", Restart::Permanent, |_| std::future::pending())
                    .child("brief", Restart::Permanent, |_| async { fails() })
                    .run(ctx)
                    .await
                    .map(drop)
            },
            async |(_, check)| check.assert_none().await,
        )
        .await;
    assert_eq!(report.steps, 8);

    // And while it stops.
    let world = async || (Context::root().with_timeout(SECOND), Check::new().only(["slow"]));
    steps::drop_at_each(
        world,
        async |(ctx, _)| {
            supervisor(steady())
                .child("slow", Restart::Permanent, stopping(&Log::default(), "slow", SECOND * 9))
                .child("slow", Restart::Permanent, stopping(&Log::default(), "slow", SECOND))
                .run(ctx)
                .await
                .map(drop)
                .unwrap();
        },
        async |(_, check)| check.assert_none().await,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_health_that_is_dropped_leaves_nothing() {
    let world = async || {
        let supervisor =
            supervisor(steady()).child("child", Restart::Transient, |ctx| async move {
                ctx.sleep(SECOND).await?;
                Ok(())
            });
        let monitor = supervisor.monitor();
        let run = task::spawn("runs", async move { supervisor.run(&Context::root()).await });
        (Context::root().child(), tokio::sync::Mutex::new(monitor), run)
    };
    steps::drop_at_each(
        world,
        async |(ctx, monitor, _)| {
            let mut monitor = monitor.lock().await;
            monitor.healthy(ctx).await.map(drop).unwrap();
            monitor.quiescent(ctx).await.map(drop).unwrap();
        },
        async |(_, monitor, _)| assert!(monitor.try_lock().is_ok()),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_child_stops_is_found_in_its_health() {
    let supervisor = supervisor(steady()).child("child", Restart::Permanent, |ctx| async move {
        ctx.cancelled().await;
        panic!("while stopping")
    });
    let report = run_for(supervisor, 1).await.unwrap();
    let child = &report.health.children[0];
    assert_eq!(child.state, State::Stopped);
    assert!(child.last_failure.as_ref().unwrap().find::<Panicked>().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_while_a_child_stops_is_found_in_its_health_and_the_end_itself_is_not() {
    let supervisor = supervisor(steady())
        .child("flush fails", Restart::Permanent, |ctx| async move {
            ctx.cancelled().await;
            fails()
        })
        .child("ends", Restart::Permanent, |ctx| async move { Ok(ctx.sleep(SECOND * 60).await?) });
    let health = run_for(supervisor, 1).await.unwrap().health;
    assert!(health.children[0].last_failure.is_some());
    assert!(health.children[1].last_failure.is_none());
}
