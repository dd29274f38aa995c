//! What Go's batchers promise (eapache's `batcher`, go-zero's executors). The guide's chapter P4 has the table.

use std::sync::Arc;

use linchpin::sync::batch::{Batch, Batcher, Options};
use linchpin::{Context, Error, Kind};
use linchpin_testing::steps::settle;

use super::{SECOND, tens};

/// eapache `TestBatcherSuccess`, `TestBatcherError`: all of a batch have its result.
#[tokio::test(start_paused = true)]
async fn all_of_a_batch_have_its_result() {
    let ctx = Context::root();
    for fails in [false, true] {
        let options = Options::default().max_delay(SECOND);
        let batcher = Batcher::new(&ctx, options, move |_, batch: Batch<u32>| async move {
            assert_eq!(batch.len(), 10);
            if fails {
                Err(Error::new(Kind::Aborted, std::io::Error::other("all")))
            } else {
                Ok(())
            }
        })
        .unwrap();
        let waits = (0..10).map(|item| batcher.submit(&ctx, item));
        let answers = futures_util::future::join_all(waits).await;
        assert!(answers.iter().all(|answer| answer.is_err() == fails));
    }
}

/// eapache `TestBatcherSuccess` without a timeout, go-zero `TestPeriodicalExecutor_Deadlock`: each item by itself.
#[tokio::test(start_paused = true)]
async fn one_item_a_batch_is_each_item_alone() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_items(1).max_delay(60 * SECOND));
    for item in 0..10 {
        batcher.submit(&ctx, item).await.unwrap();
    }
    assert!(seen.lock().iter().map(Vec::as_slice).eq((0..10).map(|item| [item])));
}

/// eapache `TestBatcherMultipleBatches`: who comes together is in one batch.
#[tokio::test(start_paused = true)]
async fn each_crowd_is_a_batch() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_delay(SECOND));
    for _ in 0..5 {
        let crowd = (0..10).map(|item| batcher.submit(&ctx, item));
        futures_util::future::try_join_all(crowd).await.unwrap();
    }
    let sizes: Vec<usize> = seen.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10; 5]);
}

/// go-zero `TestBulkExecutor`, `TestBulkExecutorFlushInterval`: so many make a batch, the rest after the interval.
#[tokio::test(start_paused = true)]
async fn so_many_make_a_batch_and_the_rest_goes_after_the_interval() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_items(10).max_delay(SECOND));
    for item in 0..25 {
        batcher.push(&ctx, item).await.unwrap();
    }
    tokio::time::sleep(2 * SECOND).await;
    let sizes: Vec<usize> = seen.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

/// go-zero `TestBulkExecutorEmpty`: an interval without items runs nothing.
#[tokio::test(start_paused = true)]
async fn an_interval_without_items_runs_nothing() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_delay(SECOND));
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(seen.lock().len(), 0);
    batcher.push(&ctx, 1).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(seen.lock().len(), 1);
}

/// go-zero `TestBulkExecutorFlush`, eapache `TestShutdownSuccess`: a flush needs no full batch, and the end waits for it.
#[tokio::test(start_paused = true)]
async fn a_flush_needs_no_full_batch_and_a_close_waits_for_it() {
    let ctx = Context::root();
    let (batcher, seen) = tens(&ctx, Options::default().max_delay(60 * SECOND));
    batcher.push(&ctx, 1).await.unwrap();
    batcher.flush();
    settle().await;
    assert_eq!(seen.lock().len(), 1);
    batcher.push(&ctx, 2).await.unwrap();
    batcher.close(&ctx).await.unwrap();
    assert_eq!(seen.lock().concat(), [1, 2]);
}

/// Instead of eapache `TestBatcherPrefilter`: an item that is no good has an answer of its own.
#[tokio::test(start_paused = true)]
async fn an_item_may_have_an_answer_of_its_own_in_a_batch_that_succeeds() {
    let ctx = Context::root();
    let work = |_, batch: Batch<i64, Result<u64, String>>| async move {
        batch.answer(|item| u64::try_from(item).map_err(|_| format!("{item} is negative")));
        Ok(())
    };
    let batcher = Arc::new(Batcher::answering(&ctx, Options::default(), work).unwrap());
    let (good, bad) = tokio::join!(batcher.submit(&ctx, 1), batcher.submit(&ctx, -1));
    assert_eq!((good.unwrap(), bad.unwrap()), (Ok(1), Err("-1 is negative".to_owned())));
}
