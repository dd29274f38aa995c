//! Fan-out and fan-in: who gets what, who is waited for, what stops the source.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use linchpin::task::fan::{self, FanOut};
use linchpin::task::{self, Group, panic_text};
use linchpin::{Context, Error, Kind};
use linchpin_testing::leak::Check;
use linchpin_testing::steps;

async fn after(
    ctx: &Context,
    millis: u64,
    result: Result<u64, &'static str>,
) -> linchpin::Result<u64> {
    ctx.sleep(Duration::from_millis(millis)).await?;
    result.map_err(|why| Error::new(Kind::Unavailable, why))
}

#[tokio::test]
async fn merge_gives_every_item_and_starves_nobody() {
    let mut merged = fan::merge([stream::repeat(1).boxed(), stream::iter([2, 3]).boxed()]);
    let seen: Vec<u8> = merged.by_ref().take(10).collect().await;
    assert!(seen.contains(&2) && seen.contains(&3), "{seen:?}");
    let none: [stream::Empty<u8>; 0] = [];
    assert_eq!(fan::merge(none).count().await, 0);
}

#[tokio::test]
async fn dropping_a_merge_drops_its_streams() {
    let held = Arc::new(());
    let streams = [held.clone(), held.clone()].map(|held| {
        stream::once(async move {
            std::future::pending::<()>().await;
            held
        })
        .boxed()
    });
    let mut merged = fan::merge(streams);
    assert!(merged.next().now_or_never().is_none());
    drop(merged);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn a_distributed_item_goes_to_one_reader_and_to_whoever_is_free() {
    let check = Check::new();
    let readers = FanOut::new("distribute", stream::iter(0..100)).buffer(4).distribute(3).unwrap();
    let mut group = Group::new(&Context::root());
    for (who, reader) in (1..).zip(readers) {
        group.spawn("reader", move |ctx| async move {
            let mut reader = reader;
            let mut taken = Vec::new();
            while let Some(n) = reader.next().await {
                ctx.sleep(Duration::from_millis(who * who)).await?;
                taken.push(n);
            }
            Ok(taken)
        });
    }
    let taken = group.join().await.unwrap();
    assert!(taken[0].len() > taken[1].len() && taken[1].len() > taken[2].len(), "{taken:?}");
    let mut all = taken.concat();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    check.assert_none().await;
}

#[tokio::test]
async fn a_reader_that_leaves_takes_nobodys_item_along() {
    let (send, receive) = tokio::sync::mpsc::channel::<u8>(1);
    let source = stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|item| (item, receive))
    });
    let mut readers = FanOut::new("distribute", source).distribute(2).unwrap();
    let (mut stays, mut leaves) = (readers.remove(0), readers.remove(0));
    let mut waiting = Box::pin(async move { stays.next().await });
    assert!((&mut waiting).now_or_never().is_none());
    // It waits, too, and is woken for the item first.
    assert!(leaves.next().now_or_never().is_none());
    send.send(7).await.unwrap();
    steps::settle().await;
    drop(leaves);
    assert_eq!(waiting.await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn everybody_sees_a_broadcast_and_the_slowest_sets_the_pace() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let source = stream::iter(0..50).inspect(move |_| {
        count.fetch_add(1, SeqCst);
    });
    let mut readers = FanOut::new("broadcast", source).buffer(4).broadcast(2).unwrap();
    let slow = readers.pop().unwrap();
    let fast = task::spawn("fast", readers.pop().unwrap().collect::<Vec<_>>());
    steps::settle().await;
    assert_eq!(asked.load(SeqCst), 4, "no further than the slowest has room");
    let slow: Vec<_> = slow
        .then(|n| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            n
        })
        .collect()
        .await;
    assert!(slow.into_iter().eq(0..50) && fast.join().await.into_iter().eq(0..50));
}

#[tokio::test]
async fn a_reader_of_a_broadcast_that_leaves_holds_nobody_up() {
    let mut readers = FanOut::new("broadcast", stream::iter(0..50)).buffer(2).broadcast(2).unwrap();
    let leaves = readers.pop().unwrap();
    steps::settle().await;
    drop(leaves);
    assert_eq!(readers.pop().unwrap().count().await, 50);
}

#[tokio::test]
async fn the_source_stops_with_its_last_reader() {
    for broadcast in [false, true] {
        let check = Check::new();
        let held = Arc::new(());
        let source = stream::repeat(held.clone());
        let fan = FanOut::new("endless", source);
        let readers = if broadcast { fan.broadcast(2) } else { fan.distribute(2) }.unwrap();
        steps::settle().await;
        assert_eq!(check.leaked().len(), 1);
        drop(readers);
        steps::settle().await;
        assert!(check.leaked().is_empty());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[tokio::test]
async fn a_panic_of_a_source_is_raised_at_one_reader_and_the_others_end() {
    for broadcast in [false, true] {
        let source = stream::iter(0..9).map(|n| if n == 3 { panic!("boom") } else { n });
        let fan = FanOut::new("panicking", source);
        let readers = if broadcast { fan.broadcast(3) } else { fan.distribute(3) }.unwrap();
        let mut raised = 0;
        for reader in readers {
            if let Err(payload) = AssertUnwindSafe(reader.count()).catch_unwind().await {
                assert_eq!(panic_text(&*payload), "boom");
                raised += 1;
            }
        }
        assert_eq!(raised, 1);
    }
}

#[tokio::test]
async fn a_fan_out_without_readers_or_room_is_refused() {
    let refused = |readers, buffer| {
        let fan = FanOut::new("bad", stream::iter([1])).buffer(buffer);
        fan.distribute(readers).unwrap_err().to_string()
    };
    assert_eq!(refused(0, 1), "bad options for FanOut: `bad` has no reader; say at least 1");
    assert!(refused(1, 0).contains("`bad` has buffer 0"));
}

#[tokio::test(start_paused = true)]
async fn a_race_is_won_by_the_first_to_end_well_or_badly() {
    let ctx = Context::root();
    let won = fan::race(&ctx, [after(&ctx, 20, Ok(1)), after(&ctx, 10, Ok(2))]).await;
    assert_eq!(won.unwrap(), 2);
    let won = fan::race(&ctx, [after(&ctx, 20, Ok(1)), after(&ctx, 10, Err("broken"))]).await;
    assert_eq!(won.unwrap_err().to_string(), "broken");
    let none: [std::future::Ready<linchpin::Result<()>>; 0] = [];
    assert_eq!(fan::race(&ctx, none).await.unwrap_err().kind(), Kind::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn first_wants_a_success_and_tells_every_failure() {
    let ctx = Context::root();
    let works = [after(&ctx, 1, Err("a")), after(&ctx, 2, Ok(2)), after(&ctx, 3, Ok(3))];
    assert_eq!(fan::first(&ctx, works).await.unwrap(), 2);
    let error = fan::first(&ctx, [after(&ctx, 1, Err("a")), after(&ctx, 2, Err("b"))]).await;
    let text = error.unwrap_err().report().to_string();
    assert!(text.contains('a') && text.contains('b'), "{text}");
}

#[tokio::test(start_paused = true)]
async fn all_keeps_the_order_and_gives_up_at_the_first_error() {
    let ctx = Context::root();
    let works = [after(&ctx, 3, Ok(1)), after(&ctx, 1, Ok(2))];
    assert_eq!(fan::all(&ctx, works).await.unwrap(), [1, 2]);
    let began = linchpin::time::Instant::now();
    let works = [after(&ctx, 9_000, Ok(1)), after(&ctx, 1, Err("a"))];
    assert_eq!(fan::all(&ctx, works).await.unwrap_err().to_string(), "a");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn gather_tells_how_each_ended_those_cut_off_too() {
    let ctx = Context::root().with_timeout(Duration::from_millis(10));
    let root = Context::root();
    let works = [after(&root, 1, Ok(1)), after(&root, 2, Err("a")), after(&root, 99, Ok(3))];
    let results = fan::gather(&ctx, works).await;
    assert_eq!(*results[0].as_ref().unwrap(), 1);
    assert_eq!(results[1].as_ref().unwrap_err().to_string(), "a");
    assert_eq!(results[2].as_ref().unwrap_err().kind(), Kind::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_quorum_needs_so_many_and_fails_when_they_cannot_come() {
    let ctx = Context::root();
    let works = [after(&ctx, 3, Ok(1)), after(&ctx, 1, Ok(2)), after(&ctx, 2, Err("a"))];
    assert_eq!(fan::quorum(&ctx, 2, works).await.unwrap(), [(1, 2), (0, 1)]);
    let began = linchpin::time::Instant::now();
    let works = [after(&ctx, 9_000, Ok(1)), after(&ctx, 1, Err("a")), after(&ctx, 2, Err("b"))];
    let error = fan::quorum(&ctx, 2, works).await.unwrap_err();
    assert!(error.report().to_string().contains('b') && began.elapsed() < Duration::from_secs(1));
    let error = fan::quorum(&ctx, 2, [after(&ctx, 1, Ok(1))]).await.unwrap_err();
    assert_eq!(error.to_string(), "a quorum of 2 out of 1");
    assert!(fan::quorum(&ctx, 0, [after(&ctx, 1, Ok(1))]).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_chooses_among_futures_leaves_nothing_when_dropped() {
    for which in 0..5 {
        steps::drop_at_each(
            async || Arc::new(()),
            async |held: &Arc<()>| {
                let ctx = Context::root();
                let works = [1, 2].map(|millis| {
                    let (held, ctx) = (held.clone(), &ctx);
                    async move {
                        ctx.sleep(Duration::from_millis(millis)).await?;
                        Ok(Arc::strong_count(&held))
                    }
                });
                match which {
                    0 => drop(fan::race(&ctx, works).await),
                    1 => drop(fan::first(&ctx, works).await),
                    2 => drop(fan::all(&ctx, works).await),
                    3 => drop(fan::gather(&ctx, works).await),
                    _ => drop(fan::quorum(&ctx, 2, works).await),
                }
            },
            async |held| assert_eq!(Arc::strong_count(held), 1),
        )
        .await;
    }
}
