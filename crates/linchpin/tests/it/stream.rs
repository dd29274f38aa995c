//! Streams written as loops: when they run, when they stop, who is woken.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use linchpin::task::{panic_text, stream};
use linchpin::{Error, Kind};
use linchpin_testing::leak::Check;
use linchpin_testing::steps;

fn counting() -> (Arc<AtomicUsize>, impl Stream<Item = usize> + Unpin + Send) {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let numbers = stream::from_fn(|mut numbers| async move {
        loop {
            numbers.give(count.fetch_add(1, SeqCst)).await;
        }
    });
    (ran, numbers)
}

#[tokio::test]
async fn a_loop_runs_only_as_far_as_it_is_asked() {
    let (ran, mut numbers) = counting();
    assert_eq!(ran.load(SeqCst), 0, "nothing runs before it is asked");
    assert_eq!((numbers.next().await, numbers.next().await), (Some(0), Some(1)));
    assert_eq!(ran.load(SeqCst), 2);
}

#[tokio::test]
async fn a_loop_is_dropped_where_it_stands_when_its_reader_stops() {
    let held = Arc::new(());
    let keep = held.clone();
    let mut numbers = stream::from_fn(|mut numbers| async move {
        numbers.give(1).await;
        drop(keep);
        unreachable!("nobody asked for more");
    });
    assert_eq!(numbers.next().await, Some(1));
    drop(numbers);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn a_loop_that_ends_ends_its_stream_for_good() {
    let mut none = stream::from_fn(|_: stream::Yielder<u8>| async {});
    assert_eq!((none.next().await, none.next().await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_loop_may_wait_between_its_items() {
    let ticks = stream::from_fn(|mut ticks| async move {
        for n in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            ticks.give(n).await;
        }
    });
    assert_eq!(ticks.collect::<Vec<_>>().await, [0, 1, 2]);
}

#[tokio::test]
async fn a_loop_may_read_another_stream_and_recurse() {
    fn down(n: u32) -> futures_util::stream::BoxStream<'static, u32> {
        stream::from_fn(move |mut numbers| async move {
            if n > 0 {
                numbers.give(n).await;
                let mut rest = down(n - 1);
                while let Some(n) = rest.next().await {
                    numbers.give(n).await;
                }
            }
        })
        .boxed()
    }
    assert_eq!(down(4).collect::<Vec<_>>().await, [4, 3, 2, 1]);
}

#[tokio::test]
async fn a_panic_of_a_loop_is_its_readers() {
    let mut numbers = stream::from_fn(|mut numbers| async move {
        numbers.give(1).await;
        panic!("boom");
    });
    assert_eq!(numbers.next().await, Some(1));
    let raised = AssertUnwindSafe(numbers.next()).catch_unwind().await.unwrap_err();
    assert_eq!(panic_text(&*raised), "boom");
}

#[tokio::test]
async fn the_error_of_a_loop_is_its_last_item() {
    let mut numbers = stream::try_from_fn(|mut numbers| async move {
        numbers.give(1).await;
        Err(Error::new(Kind::DataLoss, "torn"))
    });
    assert_eq!(numbers.next().await.unwrap().unwrap(), 1);
    assert_eq!(numbers.next().await.unwrap().unwrap_err().kind(), Kind::DataLoss);
    assert!(numbers.next().await.is_none());
}

#[tokio::test]
async fn parts_of_a_loop_with_wakers_of_their_own_are_woken() {
    let numbers = stream::from_fn(|mut numbers| async move {
        let parts = FuturesUnordered::new();
        parts.push(async move {
            for n in 0..5 {
                numbers.give(n).await;
            }
        });
        parts.collect::<()>().await;
    });
    let numbers = tokio::time::timeout(Duration::from_secs(5), numbers.collect::<Vec<_>>());
    assert_eq!(numbers.await.unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_yielder_on_another_task_wakes_its_reader() {
    let numbers = stream::from_fn(|mut numbers| {
        linchpin::task::spawn("elsewhere", async move {
            for n in 0..5 {
                numbers.give(n).await;
            }
        })
        .join()
    });
    let numbers = tokio::time::timeout(Duration::from_secs(5), numbers.collect::<Vec<_>>());
    assert_eq!(numbers.await.unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn an_item_that_was_given_is_not_lost_with_its_future() {
    let mut numbers = stream::from_fn(|mut numbers| async move {
        assert!(numbers.give(1).now_or_never().is_none());
        numbers.give(2).await;
    });
    assert_eq!((numbers.next().await, numbers.next().await), (Some(1), Some(2)));
    assert_eq!(numbers.next().await, None);
}

#[tokio::test]
async fn a_stream_ahead_runs_as_far_as_its_buffer_and_stops_when_dropped() {
    let check = Check::new();
    let (ran, numbers) = counting();
    let mut numbers = stream::ahead("ahead", 4, numbers).unwrap();
    steps::settle().await;
    let ahead = ran.load(SeqCst);
    assert_eq!(ahead, 4);
    assert_eq!(numbers.next().await, Some(0));
    drop(numbers);
    steps::settle().await;
    assert!(check.leaked().is_empty());
    assert!(stream::ahead("bad", 0, futures_util::stream::iter([1])).is_err());
}

#[tokio::test(start_paused = true)]
async fn reading_a_loop_may_be_given_up_at_any_step() {
    steps::drop_at_each(
        async || Arc::new(()),
        async |held: &Arc<()>| {
            let held = held.clone();
            let numbers = stream::from_fn(|mut numbers| async move {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    numbers.give(held.clone()).await;
                }
            });
            numbers.count().await
        },
        async |held| assert_eq!(Arc::strong_count(held), 1),
    )
    .await;
}
