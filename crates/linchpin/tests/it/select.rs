//! Select: who wins, who is dropped, and that nothing is lost with the losers.

use std::collections::BTreeSet;
use std::future::{pending, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::sync::channel;
use linchpin::sync::select::{self, Set, Three, Two};
use linchpin::time::Instant;
use linchpin::{Context, task};
use linchpin_testing::steps;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio::time::sleep;

use crate::panic::Bomb;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_first_that_is_ready_wins_and_the_others_are_dropped() {
    let ctx = Context::root();
    let held = Arc::new(());
    let loser = {
        let held = held.clone();
        async move {
            sleep(SECOND * 2).await;
            drop(held);
        }
    };
    let won = select::fair(&ctx, (loser, sleep(SECOND), pending::<()>())).await.unwrap();
    assert_eq!((won, Arc::strong_count(&held)), (Three::Second(()), 1));
}

#[tokio::test]
async fn a_biased_select_takes_what_stands_first() {
    let ctx = Context::root();
    for _ in 0..100 {
        let won = select::biased(&ctx, (pending::<u8>(), ready(1), ready(2))).await.unwrap();
        assert_eq!(won, Three::Second(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_is_a_branch_of_every_select() {
    let ctx = Context::root().with_timeout(SECOND);
    let began = Instant::now();
    assert!(select::fair(&ctx, (pending::<()>(), pending::<()>())).await.is_err());
    assert!(
        select::biased(&ctx, (ready(1), ready(2))).await.is_err(),
        "it has ended: none is polled"
    );
    assert!(select::within(&ctx, SECOND, ready(1)).await.is_err());
    assert_eq!(began.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_lent_goes_on_in_the_next_round() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(1).unwrap();
    let feeder = task::spawn("feeder", async move {
        for n in 0..3 {
            sleep(SECOND).await;
            tx.send(&Context::root(), n).await.unwrap();
        }
        tx
    });
    let mut whole = Box::pin(async {
        sleep(SECOND * 2).await;
        sleep(SECOND * 3 / 2).await;
        "whole"
    });
    let mut seen = Vec::new();
    let whole = loop {
        match select::fair(&ctx, (&mut whole, rx.recv(&ctx))).await.unwrap() {
            Two::First(whole) => break whole,
            Two::Second(n) => seen.push(n.unwrap()),
        }
    };
    assert_eq!((whole, seen), ("whole", vec![0, 1, 2]));
    drop(feeder);
}

#[tokio::test(start_paused = true)]
async fn within_is_a_value_a_timeout_or_an_end() {
    let ctx = Context::root().with_timeout(SECOND * 10);
    assert_eq!(select::within(&ctx, SECOND, ready(1)).await.unwrap(), Some(1));
    assert_eq!(select::within(&ctx, SECOND, pending::<()>()).await.unwrap(), None);
    assert_eq!(select::within(&ctx, SECOND, sleep(SECOND)).await.unwrap(), Some(()));
    assert!(select::within(&ctx, SECOND * 60, pending::<()>()).await.is_err());
}

#[tokio::test]
async fn try_now_sees_what_is_ready_however_much_the_task_has_done() {
    let (tx, mut rx) = channel::bounded(1).unwrap();
    let ctx = Context::root();
    assert!(select::try_now(rx.recv(&ctx)).is_none());
    // One turn, far beyond its budget: within it a plain poll would say "not yet".
    for n in 0..1_000 {
        tx.try_send(n).unwrap();
        assert_eq!(select::try_now(rx.recv(&ctx)).unwrap().unwrap(), n);
    }
}

#[tokio::test]
async fn a_branch_of_none_is_never_ready() {
    let ctx = Context::root();
    let nil: Option<std::future::Ready<u8>> = None;
    let won = select::biased(&ctx, (select::maybe(nil), ready(2))).await.unwrap();
    assert_eq!(won, Two::Second(2));
    assert_eq!(select::maybe(Some(ready(1))).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_select_that_is_dropped_or_loses_gives_back_what_its_branches_took() {
    let world = async || {
        let permits = Arc::new(Semaphore::new(1));
        let held = permits.clone().acquire_owned().await.unwrap();
        let holder = task::spawn("holder", async move {
            sleep(SECOND).await;
            drop(held);
        });
        (Context::root().child(), permits, holder)
    };
    let left = async |(_, permits, _): &(_, Arc<Semaphore>, _)| {
        sleep(SECOND * 2).await;
        assert_eq!(permits.available_permits(), 1);
    };
    steps::drop_at_each(
        world,
        async |(ctx, permits, _)| {
            drop(select::fair(ctx, (permits.acquire(), permits.acquire())).await);
        },
        left,
    )
    .await;
    steps::drop_at_each(
        world,
        async |(ctx, permits, _)| {
            drop(
                select::biased(ctx, (permits.acquire(), select::maybe(Some(permits.acquire()))))
                    .await,
            );
        },
        left,
    )
    .await;
    steps::drop_at_each(
        world,
        async |(ctx, permits, _)| drop(select::within(ctx, SECOND / 2, permits.acquire()).await),
        left,
    )
    .await;
}

async fn after(wait: Duration, value: u32) -> u32 {
    sleep(wait).await;
    value
}

#[tokio::test(start_paused = true)]
async fn a_set_gives_each_as_it_gets_ready_and_lets_others_come_and_go() {
    let ctx = Context::root();
    let mut set = Set::new();
    for n in [3, 1, 2] {
        set.insert(n, Box::pin(after(SECOND * n, n * 10)));
    }
    assert_eq!(set.next(&ctx).await.unwrap(), Some((1, 10)));
    assert!(set.remove(&2) && !set.remove(&2) && !set.contains(&2));
    set.insert(4, Box::pin(after(SECOND / 2, 40)));
    assert_eq!(set.len(), 2);
    assert_eq!(set.next(&ctx).await.unwrap(), Some((4, 40)));
    assert_eq!(set.next(&ctx).await.unwrap(), Some((3, 30)));
    assert_eq!((set.next(&ctx).await.unwrap(), set.is_empty()), (None, true));
}

#[tokio::test]
async fn an_insert_takes_the_place_of_its_key() {
    let ctx = Context::root();
    let mut set = Set::new();
    let (first, second) = (oneshot::channel(), oneshot::channel());
    assert!(!set.insert("key", first.1));
    assert!(set.insert("key", second.1));
    assert_eq!(first.0.send(1), Err(1), "dropped at once");
    second.0.send(2).unwrap();
    assert_eq!(set.next(&ctx).await.unwrap(), Some(("key", Ok(2))));
    assert_eq!(set.next(&ctx).await.unwrap(), None);
}

#[tokio::test]
async fn a_set_drops_what_is_removed_at_once_and_reuses_its_place() {
    let (ctx, probe) = (Context::root(), Arc::new(()));
    let holding = |probe: &Arc<()>| {
        let held = probe.clone();
        Box::pin(async move {
            pending::<()>().await;
            drop(held);
        })
    };
    let mut set = Set::new();
    set.insert(1, holding(&probe));
    assert!(select::try_now(set.next(&ctx)).is_none());
    assert!(set.remove(&1) && set.is_empty());
    assert_eq!(Arc::strong_count(&probe), 1);
    set.insert(1, holding(&probe));
    assert!(set.insert(1, holding(&probe)));
    assert_eq!((Arc::strong_count(&probe), set.len()), (2, 1));
    drop(set);
    assert_eq!(Arc::strong_count(&probe), 1);
}

#[tokio::test]
async fn a_set_gives_in_the_order_of_waking_whoever_came_first() {
    let ctx = Context::root();
    let (mut set, mut tells) = (Set::new(), Vec::new());
    for n in 0..5 {
        let (tell, told) = oneshot::channel::<()>();
        tells.push(Some(tell));
        set.insert(n, told);
    }
    assert!(select::try_now(set.next(&ctx)).is_none());
    // One that is ready when it comes goes behind those that were woken before.
    for n in [3, 0, 4] {
        drop(tells[n].take());
    }
    let (tell, told) = oneshot::channel();
    drop(tell);
    set.insert(9, told);
    drop(tells[1].take());
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(set.next(&ctx).await.unwrap().unwrap().0);
    }
    assert_eq!(order, [3, 0, 4, 9, 1]);
}

#[tokio::test]
async fn futures_of_a_set_that_wake_themselves_let_others_run() {
    let ctx = Context::root();
    let mut set = Set::new();
    for n in 0..3 {
        set.insert(
            n,
            Box::pin(poll_fn(|cx| {
                cx.waker().wake_by_ref();
                std::task::Poll::<()>::Pending
            })),
        );
    }
    let other = task::spawn("other", async { 7 });
    match select::biased(&ctx, (set.next(&ctx), other.join())).await.unwrap() {
        Two::Second(value) => assert_eq!(value, 7),
        Two::First(_) => panic!("none of them is ever ready"),
    }
}

#[tokio::test]
async fn a_drop_that_panics_leaves_the_set_whole() {
    let ctx = Context::root();
    let bomb = |ready: bool| {
        let bomb = Bomb;
        Box::pin(async move {
            if !ready {
                pending::<()>().await;
            }
            std::mem::forget(bomb);
        })
    };
    let mut set = Set::new();
    set.insert(1, bomb(false));
    set.insert(2, bomb(true));
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| set.remove(&1))).is_err());
    assert_eq!((set.len(), set.contains(&1)), (1, false));
    set.insert(1, bomb(false));
    // The other takes its place all the same.
    let other = AssertUnwindSafe(|| set.insert(1, bomb(true)));
    assert!(std::panic::catch_unwind(other).is_err());
    assert_eq!(set.next(&ctx).await.unwrap(), Some((2, ())));
    assert_eq!(set.next(&ctx).await.unwrap(), Some((1, ())));
    assert_eq!(set.next(&ctx).await.unwrap(), None);
}

#[tokio::test]
async fn none_of_a_set_starves_the_others() {
    let ctx = Context::root();
    let (mut set, mut channels) = (Set::new(), Vec::new());
    for n in 0..4 {
        let (tx, rx) = channel::bounded(1_000).unwrap();
        (0..1_000).for_each(|value| tx.try_send(value).unwrap());
        channels.push(tx);
        set.insert(n, Box::pin(receive(rx)));
    }
    let mut counts = [0; 4];
    for _ in 0..400 {
        let (n, rx) = set.next(&ctx).await.unwrap().expect("they never end");
        counts[n] += 1;
        set.insert(n, Box::pin(receive(rx)));
    }
    assert_eq!(counts, [100; 4]);
}

async fn receive(mut rx: channel::Receiver<u32>) -> channel::Receiver<u32> {
    rx.recv(&Context::root()).await.unwrap();
    rx
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_set_that_is_dropped_loses_nobody() {
    let world = async || {
        let mut set = Set::new();
        for n in 1..=3_u32 {
            set.insert(n, Box::pin(sleep(SECOND * n)));
        }
        (Context::root().child(), Mutex::new((set, BTreeSet::new())))
    };
    steps::drop_at_each(
        world,
        async |(ctx, state)| {
            let mut state = state.lock().await;
            for _ in 0..3 {
                let (n, ()) = state.0.next(ctx).await.unwrap().unwrap();
                state.1.insert(n);
            }
        },
        async |(ctx, state)| {
            let mut state = state.try_lock().expect("given back");
            while let Some((n, ())) = state.0.next(ctx).await.unwrap() {
                state.1.insert(n);
            }
            assert_eq!(state.1, BTreeSet::from([1, 2, 3]));
        },
    )
    .await;
}

#[tokio::test]
async fn a_panic_in_a_branch_is_the_callers_and_in_a_set_it_costs_its_own_future_only() {
    let ctx = Context::root();
    let branches = (async { panic!("boom") }, pending::<()>());
    let raised = AssertUnwindSafe(select::biased(&ctx, branches)).catch_unwind().await;
    assert_eq!(task::panic_text(&*raised.map(|_: Result<Two<(), ()>, _>| ()).unwrap_err()), "boom");

    let mut set = Set::new();
    for n in 0..2 {
        set.insert(n, Box::pin(async move { assert!(n > 0, "boom") }));
    }
    let mut raised = 0;
    while !set.is_empty() {
        match AssertUnwindSafe(set.next(&ctx)).catch_unwind().await {
            Ok(next) => assert_eq!(next.unwrap(), Some((1, ()))),
            Err(payload) => {
                raised += 1;
                assert_eq!((task::panic_text(&*payload), set.contains(&0)), ("boom", false));
            }
        }
    }
    assert_eq!(raised, 1);
}
