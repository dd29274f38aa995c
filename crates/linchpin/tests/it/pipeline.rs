//! Pipeline: order, bounds, numbers; how it ends is in `ends`.

mod ends;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use linchpin::task;
use linchpin::task::pipeline::{Options, Pipeline};
use linchpin::{Context, Error, Kind};

fn numbers(count: u64) -> impl Stream<Item = u64> {
    stream::iter(0..count)
}

/// Sleeps longer for the earlier of each ten.
async fn sleep_backwards(ctx: Context, n: u64) -> linchpin::Result<u64> {
    ctx.sleep(Duration::from_millis(10 - n % 10)).await?;
    Ok(n)
}

fn refuse(n: u64) -> Error {
    Error::new(Kind::NotFound, format!("no {n}"))
}

#[tokio::test(start_paused = true)]
async fn an_ordered_pipeline_keeps_the_order_of_its_source() {
    for buffer in [1, 2, 3, 64] {
        let results = Pipeline::from(numbers(100))
            .stage("sleep", Options::default().width(8).buffer(buffer), sleep_backwards)
            .filter_map("odd", Options::default().width(3).buffer(buffer), |_, n| async move {
                Ok((n % 2 == 1).then_some(n))
            })
            .stage("again", Options::default().width(4).buffer(buffer), sleep_backwards)
            .ordered()
            .collect(&Context::root())
            .await
            .unwrap();
        assert_eq!(results, (0..100).filter(|n| n % 2 == 1).collect::<Vec<_>>(), "buffer {buffer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unordered_pipeline_hands_on_what_is_done_first_and_loses_nothing() {
    let mut results = Pipeline::from(numbers(100))
        .stage("sleep", Options::default().width(10), sleep_backwards)
        .collect(&Context::root())
        .await
        .unwrap();
    assert_eq!(results[0], 9, "the shortest sleep first");
    results.sort_unstable();
    assert_eq!(results, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stage_works_as_many_items_at_once_as_it_is_wide() {
    for (width, buffer) in [(1, 8), (5, 1), (5, 64)] {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = most.clone();
        Pipeline::from(numbers(50))
            .stage("count", Options::default().width(width).buffer(buffer), move |ctx, n| {
                let (running, most) = (running.clone(), most.clone());
                async move {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    ctx.sleep(Duration::from_millis(1)).await?;
                    running.fetch_sub(1, SeqCst);
                    Ok(n)
                }
            })
            .collect(&Context::root())
            .await
            .unwrap();
        assert_eq!(seen.load(SeqCst), width);
    }
}

/// Something that counts how many of it there are.
struct Counted(Arc<AtomicI64>, u64);

impl Counted {
    fn new(alive: &Arc<AtomicI64>, n: u64) -> Self {
        alive.fetch_add(1, SeqCst);
        Self(alive.clone(), n)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_a_pipeline_is_bounded_to_the_item() {
    for (ordered, width, buffer) in
        [(false, 1, 1), (false, 1, 8), (false, 4, 3), (true, 4, 1), (true, 8, 16)]
    {
        let alive = Arc::new(AtomicI64::new(0));
        let most = Arc::new(AtomicI64::new(0));
        let options = || Options::default().width(width).buffer(buffer);
        let source = {
            let (alive, most) = (alive.clone(), most.clone());
            numbers(500).map(move |n| {
                let item = Counted::new(&alive, n);
                most.fetch_max(alive.load(SeqCst), SeqCst);
                item
            })
        };
        let pipeline = Pipeline::from(source)
            .stage("first", options(), |_, item: Counted| async { Ok(item) })
            .stage("second", options(), |ctx, item: Counted| async move {
                if item.1.is_multiple_of(7) {
                    ctx.sleep(Duration::from_millis(3)).await?;
                }
                Ok(item)
            });
        let pipeline = if ordered { pipeline.ordered() } else { pipeline };
        let mut count = 0;
        let sink = |item: Counted| {
            count += 1;
            async move {
                // Slower than all the others, so that everything fills up.
                tokio::time::sleep(Duration::from_millis(10)).await;
                drop(item);
                Ok(())
            }
        };
        pipeline.for_each(&Context::root(), sink).await.unwrap();
        assert_eq!((count, alive.load(SeqCst)), (500, 0));
        // Three queues, two stages and the sink.
        let bound = 3 * buffer + 2 * width + 1;
        let most = most.load(SeqCst) as usize;
        assert!(most <= bound, "{most} of {bound}: ordered {ordered}, {width} wide");
        assert!(most >= bound - 1, "the buffers were not used: {most} of {bound}");
    }
}

#[tokio::test]
async fn the_tasks_of_a_stage_are_listed_under_its_name_and_line() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let line = line!() + 2;
    let pipeline = Pipeline::from(numbers(10)).stage(
        "listed stage",
        Options::default().width(3),
        move |_, n| {
            let mut wait = wait.clone();
            async move {
                wait.wait_for(|go| *go).await.map_err(|e| Error::new(Kind::Internal, e))?;
                Ok(n)
            }
        },
    );
    let ctx = Context::root();
    let mut running = Box::pin(pipeline.collect(&ctx));
    assert!((&mut running).now_or_never().is_none());
    let live: Vec<_> = task::live().into_iter().filter(|t| t.name == "listed stage").collect();
    assert_eq!(live.len(), 3);
    assert!(live.iter().all(|t| t.site.file().ends_with("pipeline.rs")));
    assert!(live.iter().all(|t| t.site.line().abs_diff(line) <= 1), "{:?}", live[0].site);
    go.send(true).unwrap();
    assert_eq!(running.await.unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn numbers_show_where_items_pile_up() {
    let pipeline = Pipeline::from(numbers(30)).map("fast", Options::default().buffer(4), Ok).stage(
        "slow",
        Options::default().width(2).buffer(4),
        |ctx, n| async move {
            ctx.sleep(Duration::from_secs(1)).await?;
            Ok(n)
        },
    );
    let stages = pipeline.numbers();
    let ctx = Context::root();
    let mut running = Box::pin(pipeline.collect(&ctx));
    assert!(tokio::time::timeout(Duration::from_millis(4_500), &mut running).await.is_err());
    let [fast, slow] = stages.stages()[..] else { panic!("two stages") };
    assert_eq!((slow.queued, slow.running, slow.begun, slow.passed), (4, 2, 10, 8));
    assert_eq!((fast.name, fast.width, fast.queued), ("fast", 1, 4));
    assert!(fast.blocked > 0 && slow.starved == 0, "the slow one sets the pace");
    running.await.unwrap();
    let [fast, slow] = stages.stages()[..] else { panic!("two stages") };
    assert_eq!((fast.passed, slow.begun, slow.passed, slow.running), (30, 30, 30, 0));
}

#[tokio::test]
async fn a_slow_item_does_not_keep_results_that_are_done() {
    // One task that takes many items a wake-up must hand on what is done before it waits.
    let (go, wait) = tokio::sync::watch::channel(false);
    let pipeline = Pipeline::from(numbers(10)).stage("wait", Options::default(), move |_, n| {
        let mut wait = wait.clone();
        async move {
            if n == 5 {
                wait.wait_for(|go| *go).await.map_err(|e| Error::new(Kind::Internal, e))?;
            }
            Ok(n)
        }
    });
    let seen = AtomicUsize::new(0);
    let sink = |_| {
        seen.fetch_add(1, SeqCst);
        async { Ok(()) }
    };
    let ctx = Context::root();
    let mut running = Box::pin(pipeline.for_each(&ctx, sink));
    for _ in 0..20 {
        assert!((&mut running).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.load(SeqCst), 5);
    go.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(seen.load(SeqCst), 10);
}

#[tokio::test]
async fn without_a_stage_the_source_goes_to_the_sink() {
    assert_eq!(Pipeline::from(numbers(200)).collect(&Context::root()).await.unwrap().len(), 200);
    let empty = Pipeline::from(numbers(0)).map("pass", Options::default(), Ok);
    assert!(empty.collect(&Context::root()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_source_and_the_sink_may_borrow() {
    let words = vec!["a".to_owned(), "bb".to_owned()];
    let mut lengths = Vec::new();
    Pipeline::from(stream::iter(&words).map(String::len))
        .map("double", Options::default(), |n| Ok(n * 2))
        .for_each(&Context::root(), |n| {
            lengths.push(n);
            async { Ok(()) }
        })
        .await
        .unwrap();
    assert_eq!((lengths, words.len()), (vec![2, 4], 2));
}

#[tokio::test]
async fn bad_options_are_told_before_anything_runs() {
    let pipeline =
        || Pipeline::from(stream::poll_fn(|_| -> std::task::Poll<Option<u8>> { panic!("asked") }));
    for (options, why) in [
        (
            Options::default().width(0),
            "stage `bad` has width 0 and would never work; say at least 1",
        ),
        (
            Options::default().buffer(0),
            "stage `bad` has buffer 0; an item must lie somewhere, say at least 1",
        ),
    ] {
        let result = pipeline().map("bad", options, Ok).collect(&Context::root()).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(error.to_string(), format!("bad options for Pipeline: {why}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_two_threads() {
    for (width, buffer) in [(1, 1), (1, 64), (2, 1), (4, 16)] {
        let results = Pipeline::from(numbers(5_000))
            .map("one", Options::default().width(width).buffer(buffer), |n| Ok(n + 1))
            .stage("two", Options::default().width(width).buffer(buffer), |_, n| async move {
                if n % 64 == 0 {
                    tokio::task::yield_now().await;
                }
                Ok(n + 1)
            })
            .ordered()
            .collect(&Context::root())
            .await
            .unwrap();
        assert!(results.into_iter().eq(2..5_002), "{width} wide, buffer {buffer}");
    }
}
