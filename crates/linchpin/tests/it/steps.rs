//! Waits that have no file of their own, dropped wherever they can be: nothing that they held is left.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use linchpin::error::catch_async;
use linchpin::sync::lock::checked;
use linchpin::task::pipeline::{self, Pipeline};
use linchpin::task::{self, Scope, Tracker};
use linchpin::{Context, Error};
use linchpin_testing::steps;

const SECOND: Duration = Duration::from_secs(1);

/// What every work below holds while it waits.
pub(crate) type Probe = Arc<()>;

async fn left(probe: &Probe) {
    assert_eq!(Arc::strong_count(probe), 1);
}

/// Three waits, and the probe in hand.
async fn working(probe: Probe) -> Result<(), Error> {
    for _ in 0..3 {
        tokio::time::sleep(SECOND).await;
    }
    drop(probe);
    Ok(())
}

/// `work` in a world that is a probe; it must wait at least once.
pub(crate) async fn holds(work: impl AsyncFn(&Probe)) {
    let report = steps::drop_at_each(async || Arc::new(()), work, left).await;
    assert!(report.steps > 1, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn work_under_a_context_may_be_dropped_anywhere() {
    holds(async |probe| {
        let ctx = Context::root().with_timeout(10 * SECOND);
        ctx.run(working(probe.clone())).await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sleeping_waiting_and_looking_may_be_dropped_anywhere() {
    // The context outlives each drop; what a dropped wait left in it would be told once more at its end.
    let world = async || Context::root().with_timeout(3 * SECOND);
    let work = async |ctx: &linchpin::context::Child| {
        ctx.sleep(SECOND).await.unwrap();
        for _ in 0..3 {
            ctx.checkpoint().await.unwrap();
        }
        ctx.cancelled().await
    };
    let left = async |ctx: &linchpin::context::Child| {
        let (told, other) = (ctx.cancelled(), ctx.child());
        ctx.cancel("over");
        drop(told.await);
        assert!(other.check().is_err());
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 2);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_tasks_may_be_dropped_anywhere() {
    holds(async |probe| task::spawn("joined", working(probe.clone())).join().await.unwrap()).await;
    holds(async |probe| drop(task::spawn("awaited", working(probe.clone())).outcome().await)).await;
    holds(async |probe| drop(catch_async(working(probe.clone())).await)).await;
    holds(async |probe| drop(checked(working(probe.clone())).await)).await;
    holds(async |probe| {
        let probe = probe.clone();
        let task = task::spawn("looked for", async move {
            tokio::time::sleep(SECOND / 100).await;
            drop(probe);
        });
        assert!(task::left_within(SECOND, |live| live.name == "looked for").await.is_empty());
        drop(task);
    })
    .await;
    holds(async |probe| {
        let tracker = Tracker::new("test");
        let probe = probe.clone();
        tracker.spawn("tracked", async move { drop(working(probe).await) });
        tracker.close();
        tracker.wait().await;
    })
    .await;
    holds(async |probe| {
        let mut scope = Scope::new(&Context::root());
        for _ in 0..2 {
            let probe = probe.clone();
            scope.spawn("settled", |_| working(probe));
        }
        drop(scope.settle().await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn collecting_a_pipeline_and_running_ahead_may_be_dropped_anywhere() {
    let items = |probe: &Probe| {
        let probe = probe.clone();
        stream::iter(0..3).then(move |n| {
            let probe = probe.clone();
            async move {
                tokio::time::sleep(SECOND).await;
                drop(probe);
                n
            }
        })
    };
    holds(async |probe| {
        let lines = Pipeline::from(Box::pin(items(probe)));
        let work =
            lines.stage("double", pipeline::Options::default(), |_, n| async move { Ok(n * 2) });
        drop(work.collect(&Context::root()).await);
    })
    .await;
    holds(async |probe| {
        let ahead = task::stream::ahead("ahead", 2, Box::pin(items(probe))).unwrap();
        assert_eq!(ahead.count().await, 3);
    })
    .await;
}
