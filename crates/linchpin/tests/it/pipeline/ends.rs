//! How a pipeline ends: by a failure, a panic, its context, or being dropped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use linchpin::context::{Cause, Ended};
use linchpin::task::pipeline::{DeadLetter, Options, Pipeline};
use linchpin::task::{self, panic_text};
use linchpin::{Context, Error, Kind};
use linchpin_testing::leak::Check;
use linchpin_testing::steps;

use super::{numbers, refuse, sleep_backwards};

#[tokio::test(start_paused = true)]
async fn the_first_error_ends_the_pipeline_and_is_its_contexts_cause() {
    let check = Check::new();
    let seen = Arc::new(std::sync::Mutex::new(None));
    let told = seen.clone();
    let error = Pipeline::from(numbers(u64::MAX))
        .stage("watch", Options::default().width(2), move |ctx, n| {
            let told = told.clone();
            let after = ctx.after({
                let ctx = ctx.clone();
                move || *told.lock().unwrap() = ctx.cause()
            });
            async move {
                if n == 1 {
                    let _after = after;
                    ctx.cancelled().await;
                }
                Ok(n)
            }
        })
        .stage("fail", Options::default(), |ctx, n| async move {
            ctx.sleep(Duration::from_millis(1)).await?;
            if n == 50 { Err(refuse(n)) } else { Ok(n) }
        })
        .collect(&Context::root())
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::NotFound, "no 50".to_owned()));
    let cause = seen.lock().unwrap().take();
    assert!(matches!(cause, Some(Cause::Failed(error)) if error.to_string() == "no 50"));
    assert!(check.leaked().is_empty(), "for_each returns when all tasks are gone");
}

#[tokio::test]
async fn an_error_of_the_sink_ends_the_pipeline() {
    let check = Check::new();
    let mut taken = 0;
    let sink = |n| {
        taken += 1;
        async move { if n == 3 { Err(refuse(n)) } else { Ok(()) } }
    };
    let error = Pipeline::from(numbers(u64::MAX))
        .map("pass", Options::default(), Ok)
        .for_each(&Context::root(), sink)
        .await
        .unwrap_err();
    assert_eq!((error.to_string(), taken), ("no 3".to_owned(), 4));
    assert!(check.leaked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn skipped_items_leave_no_gap() {
    for width in [1, 4] {
        let pipeline = Pipeline::from(numbers(20))
            .stage("fail", Options::default().width(width).skip_failed(), |ctx, n| async move {
                let n = sleep_backwards(ctx, n).await?;
                if n % 3 == 0 { Err(refuse(n)) } else { Ok(n) }
            })
            .ordered();
        let stages = pipeline.numbers();
        let results = pipeline.collect(&Context::root()).await.unwrap();
        assert_eq!(results, (0..20).filter(|n| n % 3 != 0).collect::<Vec<_>>());
        let stage = stages.stages()[0];
        assert_eq!((stage.begun, stage.passed, stage.failed, stage.running), (20, 13, 7, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_have_the_item_and_the_reason_and_hold_the_stage_up() {
    let (send, mut letters) = tokio::sync::mpsc::channel::<DeadLetter<String>>(1);
    let options =
        Options::default().width(2).dead_letters(move |letter| {
            let send = send.clone();
            async move {
                send.send(letter).await.map_err(|_| Error::new(Kind::Unavailable, "nobody reads"))
            }
        });
    let reader = task::spawn("reader", async move {
        let mut read = Vec::new();
        while let Some(letter) = letters.recv().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
            read.push((letter.stage, letter.item, letter.error.to_string()));
        }
        read
    });
    let words = stream::iter(["1", "x", "2", "y", "3"].map(str::to_owned));
    let parse =
        |word: String| word.parse::<u32>().map_err(|e| Error::new(Kind::InvalidArgument, e));
    let results = Pipeline::from(words)
        .map("parse", options, parse)
        .ordered()
        .collect(&Context::root())
        .await
        .unwrap();
    assert_eq!(results, [1, 2, 3]);
    let why = "invalid digit found in string".to_owned();
    let mut read = reader.join().await;
    read.sort();
    assert_eq!(read, [("parse", "x".to_owned(), why.clone()), ("parse", "y".to_owned(), why)]);
}

#[tokio::test]
async fn a_collector_that_fails_ends_the_pipeline() {
    let options = Options::default()
        .dead_letters(|_| async { Err(Error::new(Kind::Unavailable, "no room for letters")) });
    let result = Pipeline::from(numbers(10))
        .map("fail", options, |n| if n == 2 { Err(refuse(n)) } else { Ok(n) })
        .collect(&Context::root())
        .await;
    assert_eq!(result.unwrap_err().to_string(), "no room for letters");
}

#[tokio::test(start_paused = true)]
async fn what_the_end_cuts_off_is_no_dead_letter() {
    let letters = Arc::new(AtomicUsize::new(0));
    let count = letters.clone();
    let options = Options::default().width(3).dead_letters(move |_| {
        count.fetch_add(1, SeqCst);
        async { Ok(()) }
    });
    let ctx = Context::root().child();
    let pipeline = Pipeline::from(numbers(10)).stage("wait", options, |ctx, n| async move {
        if n == 1 {
            ctx.sleep(Duration::from_secs(1)).await?;
            return Err(refuse(n));
        }
        ctx.sleep(Duration::from_hours(1)).await?;
        Ok(n)
    });
    let mut running = Box::pin(pipeline.collect(&ctx));
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut running).await.is_err());
    ctx.cancel("enough");
    let error = running.await.unwrap_err();
    assert_eq!(error.find::<Ended>().unwrap().to_string(), "ended: enough");
    assert_eq!(letters.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_context_ends_everything_and_is_told() {
    let check = Check::new();
    let ctx = Context::root().with_timeout(Duration::from_secs(1));
    // The source never gives anything, so only the end can wake.
    let result = Pipeline::from(stream::pending::<u64>())
        .map("pass", Options::default(), Ok)
        .collect(&ctx)
        .await;
    assert_eq!(result.unwrap_err().kind(), Kind::DeadlineExceeded);
    assert!(check.leaked().is_empty());
    // Too late, nothing is begun.
    let result = Pipeline::from(numbers(1)).map("pass", Options::default(), Ok).collect(&ctx).await;
    assert_eq!(result.unwrap_err().kind(), Kind::DeadlineExceeded);
}

#[tokio::test]
async fn a_dropped_pipeline_drops_its_source_at_once_and_its_tasks_at_their_next_await() {
    let check = Check::new();
    let held = Arc::new(());
    let source = {
        let held = held.clone();
        stream::repeat(()).map(move |()| held.clone())
    };
    let ctx = Context::root();
    let mut running = Box::pin(
        Pipeline::from(source)
            .stage("stuck", Options::default().width(3), |_, item: Arc<()>| async move {
                std::future::pending::<()>().await;
                Ok(item)
            })
            .collect(&ctx),
    );
    assert!((&mut running).now_or_never().is_none());
    steps::settle().await;
    assert_eq!(check.leaked().len(), 3);
    assert!(Arc::strong_count(&held) > 4, "three in the stage, some in front of it");
    drop(running);
    steps::settle().await;
    assert!(check.leaked().is_empty());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_pipeline_asks_its_source_no_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let source = numbers(u64::MAX).inspect(move |_| {
        count.fetch_add(1, SeqCst);
    });
    let result = Pipeline::from(source)
        .map("fail", Options::default().buffer(4), |n| if n == 0 { Err(refuse(n)) } else { Ok(n) })
        .collect(&Context::root())
        .await;
    assert!(result.is_err());
    assert!(asked.load(SeqCst) <= 8, "{}", asked.load(SeqCst));
}

#[tokio::test]
async fn a_panic_of_a_stage_is_raised_at_the_caller_after_the_others_have_ended() {
    for width in [1, 3] {
        let (check, ctx) = (Check::new(), Context::root());
        let running = Pipeline::from(numbers(100))
            .map("panic", Options::default().width(width), |n| {
                assert!(n != 7, "boom {n}");
                Ok(n)
            })
            .stage("stuck", Options::default(), |_, n| async move {
                if n == 1 { std::future::pending().await } else { Ok(n) }
            })
            .collect(&ctx);
        let raised = AssertUnwindSafe(running).catch_unwind().await.unwrap_err();
        assert_eq!(panic_text(&*raised), "boom 7");
        assert!(check.leaked().is_empty());
    }
}

#[tokio::test]
async fn a_panic_of_the_source_the_sink_or_a_collector_is_the_callers() {
    let check = Check::new();
    let source = numbers(10).map(|n| if n == 3 { panic!("source") } else { n });
    let running = Pipeline::from(source).map("pass", Options::default(), Ok);
    let ctx = Context::root();
    let raised = AssertUnwindSafe(running.collect(&ctx)).catch_unwind().await.unwrap_err();
    assert_eq!(panic_text(&*raised), "source");

    let running = Pipeline::from(numbers(10)).map("pass", Options::default(), Ok);
    let running = running.for_each(&ctx, |n| {
        assert!(n != 3, "sink");
        async { Ok(()) }
    });
    let raised = AssertUnwindSafe(running).catch_unwind().await.unwrap_err();
    assert_eq!(panic_text(&*raised), "sink");

    let options = Options::default().dead_letters(|_| async { panic!("collector") });
    let running = Pipeline::from(numbers(1)).map("fail", options, |n| Err::<(), _>(refuse(n)));
    let raised = AssertUnwindSafe(running.collect(&ctx)).catch_unwind().await.unwrap_err();
    assert_eq!(panic_text(&*raised), "collector");
    steps::settle().await;
    assert!(check.leaked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_dropped_at_any_step_leaves_nothing() {
    for ordered in [false, true] {
        let report = steps::Options::default()
            .first(40)
            .drop_at_each(
                async || (Check::new(), Arc::new(())),
                async |(_, held): &(Check, Arc<()>)| {
                    let source = stream::iter(std::iter::repeat_n(held.clone(), 12));
                    let options = || Options::default().width(2).buffer(2);
                    let pipeline = Pipeline::from(source)
                        .stage("wait", options(), |ctx, item: Arc<()>| async move {
                            ctx.sleep(Duration::from_millis(1)).await?;
                            Ok(item)
                        })
                        .map("pass", Options::default().buffer(1), Ok);
                    let pipeline = if ordered { pipeline.ordered() } else { pipeline };
                    pipeline
                        .for_each(&Context::root(), |_item| async {
                            tokio::task::yield_now().await;
                            Ok(())
                        })
                        .await
                },
                async |(check, held)| {
                    assert!(check.leaked().is_empty());
                    assert_eq!(Arc::strong_count(held), 1);
                },
            )
            .await;
        assert!(report.steps > 5, "{report:?}");
    }
}
