//! Go's own tests of channels and `select`: the cases that hold here too. The tables are in the guide, C8 and C9.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::channel::{self, TryRecvError, TrySendError};
use linchpin::sync::select::{self, Four, Three, Two};
use linchpin::task::{self, Group};
use tokio::sync::Barrier;

/// `TestChan`: a receive from an empty channel waits, one that does not wait finds nothing, so with a full one.
#[tokio::test]
async fn an_empty_channel_blocks_receives_and_a_full_one_sends() {
    for capacity in 1..20 {
        let ctx = Context::root();
        let (tx, mut rx) = channel::bounded(capacity).unwrap();
        assert!(rx.recv(&ctx).now_or_never().is_none());
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        for n in 0..capacity {
            tx.send(&ctx, n).await.unwrap();
        }
        assert!(tx.send(&ctx, 0).now_or_never().is_none());
        assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)));
    }
}

/// `TestChan`: after a close what is there is received, then the close itself, again and again.
#[tokio::test]
async fn a_closed_channel_gives_what_is_there_and_then_says_so_for_ever() {
    let (tx, mut rx) = channel::bounded(3).unwrap();
    for n in 0..3 {
        tx.try_send(n).unwrap();
    }
    drop(tx);
    for n in 0..3 {
        assert_eq!(rx.recv(&Context::root()).await.unwrap(), n);
    }
    for _ in 0..3 {
        assert!(rx.recv(&Context::root()).await.is_err());
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    }
}

/// `TestChan`: a close wakes who waits.
#[tokio::test]
async fn a_close_wakes_who_waits() {
    let (tx, mut rx) = channel::bounded::<u8>(1).unwrap();
    let waits = task::spawn("waits", async move { rx.recv(&Context::root()).await.is_err() });
    tokio::task::yield_now().await;
    drop(tx);
    assert!(waits.join().await);
}

/// `TestChan`: a hundred values come in the order of sending, and from several senders none is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_in_order_and_once() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(3).unwrap();
    let mut group = Group::new(&ctx);
    for sender in 0..4 {
        let tx = tx.clone();
        group.spawn("sender", move |ctx| async move {
            for n in 0..1_000 {
                tx.send(&ctx, (sender, n)).await?;
            }
            Ok(())
        });
    }
    drop(tx);
    let mut expected = [0; 4];
    while let Ok((sender, n)) = rx.recv(&ctx).await {
        assert_eq!(n, expected[sender]);
        expected[sender] += 1;
    }
    assert_eq!(expected, [1_000; 4]);
    group.join().await.unwrap();
}

/// `TestNonblockRecvRace`: what was sent before a close is found by one who does not wait, whatever the close does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_is_found_while_the_channel_closes() {
    for _ in 0..2_000 {
        let (tx, mut rx) = channel::bounded(1).unwrap();
        tx.try_send(1).unwrap();
        let looks = task::spawn("looks", async move { rx.try_recv() });
        drop(tx);
        assert_eq!(looks.join().await, Ok(1));
    }
}

/// `TestNonblockSelectRace2`, as far as a receiver is one: a close or a value is there at any moment, and is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_two_channels_finds_one_that_is_ready_all_the_time() {
    let ctx = Context::root();
    for _ in 0..2_000 {
        let (tx, mut first) = channel::bounded(1).unwrap();
        let (closing, mut second) = channel::bounded::<u8>(1).unwrap();
        tx.try_send(1).unwrap();
        let go = Arc::new(Barrier::new(2));
        let there = go.clone();
        let looks = task::spawn("looks", async move {
            let ctx = Context::root();
            there.wait().await;
            let both = (first.recv(&ctx), second.recv(&ctx));
            select::try_now(select::fair(&ctx, both)).is_some()
        });
        go.wait().await;
        drop(closing);
        assert!(looks.join().await, "no channel was ready");
        ctx.check().unwrap();
    }
}

/// `TestSelfSelect`: to send and to receive on the same channel in one select neither hangs nor panics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_select_may_send_to_and_receive_from_the_same_channel() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(2).unwrap();
    for n in 0..1_000 {
        let both = (tx.send(&ctx, n), rx.recv(&ctx));
        match select::fair(&ctx, both).await.unwrap() {
            Two::First(sent) => sent.unwrap(),
            Two::Second(received) => assert!(received.unwrap() < n),
        }
    }
}

/// `TestSelectStress`: values through four channels, received by one select whose branches are switched off one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_are_switched_off_one_by_one() {
    const EACH: usize = 500;
    let ctx = Context::root();
    let mut group = Group::new(&ctx);
    let mut inboxes = [1, 1, 2, 3].map(|capacity| {
        let (tx, rx) = channel::bounded(capacity).unwrap();
        group.spawn("sender", move |ctx| async move {
            for _ in 0..EACH {
                tx.send(&ctx, ()).await?;
            }
            Ok(())
        });
        Some(rx)
    });
    let mut received = [0; 4];
    while inboxes.iter().any(Option::is_some) {
        let [a, b, c, d] = inboxes
            .each_mut()
            .map(|inbox| select::maybe(inbox.as_mut().map(|inbox| inbox.recv(&ctx))));
        let (which, open) = match select::fair(&ctx, (a, b, c, d)).await.unwrap() {
            Four::First(got) => (0, got.is_ok()),
            Four::Second(got) => (1, got.is_ok()),
            Four::Third(got) => (2, got.is_ok()),
            Four::Fourth(got) => (3, got.is_ok()),
        };
        if open {
            received[which] += 1;
        } else {
            inboxes[which] = None;
        }
    }
    assert_eq!(received, [EACH; 4]);
    group.join().await.unwrap();
}

/// `TestSelectFairness`: of two that are ready, behind two that are not, each has half, within Go's ten sigma.
#[tokio::test]
async fn each_branch_that_is_ready_has_the_same_chance() {
    const TRIALS: u32 = 10_000;
    let ctx = Context::root();
    let mut first = 0;
    for _ in 0..TRIALS {
        let never = || std::future::pending::<()>();
        let branches = (never(), never(), std::future::ready(1), std::future::ready(2));
        match select::fair(&ctx, branches).await.unwrap() {
            Four::Third(_) => first += 1,
            Four::Fourth(_) => {}
            Four::First(()) | Four::Second(()) => unreachable!("they never are"),
        }
    }
    let off = (f64::from(first) - f64::from(TRIALS) / 2.0).abs();
    assert!(off < 10.0 * (f64::from(TRIALS) / 4.0).sqrt(), "{first} of {TRIALS}");
}

/// The same with tokio's macro, which Go's own bound would fail: the reason for the line in the docs.
#[tokio::test]
async fn tokios_macro_gives_a_branch_the_chances_of_idle_ones_before_it() {
    const TRIALS: u32 = 10_000;
    let mut first = 0;
    for _ in 0..TRIALS {
        tokio::select! {
            () = std::future::pending() => {}
            () = std::future::pending() => {}
            () = std::future::ready(()) => first += 1,
            () = std::future::ready(()) => {}
        }
    }
    assert!((7_000..8_000).contains(&first), "{first}: it has become fair; say so");
}

/// `TestPseudoRandomSend`: of two sends to one channel both are chosen, about as often.
#[tokio::test]
async fn of_two_sends_to_one_channel_both_are_chosen() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(100).unwrap();
    for _ in 0..100 {
        drop(select::fair(&ctx, (tx.send(&ctx, 1), tx.send(&ctx, 0))).await.unwrap());
    }
    let ones: usize = (0..100).map(|_| rx.try_recv().unwrap()).sum();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "one was sent by each select");
    assert!((10..=90).contains(&ones), "{ones}");
}

/// `TestSelectDuplicateChannel`: the same channel in several branches of several selects; who is woken gets it.
#[tokio::test(start_paused = true)]
async fn one_channel_in_several_branches_wakes_its_select() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(1).unwrap();
    tx.try_send(0).unwrap();
    let waits = async {
        let sends = (tx.send(&ctx, 1), tx.send(&ctx, 2), tx.send(&ctx, 3));
        match select::fair(&ctx, sends).await.unwrap() {
            Three::First(sent) | Three::Second(sent) | Three::Third(sent) => sent.unwrap(),
        }
    };
    let makes_room = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rx.try_recv().unwrap()
    };
    assert_eq!(tokio::join!(waits, makes_room), ((), 0));
    assert!(rx.try_recv().is_ok());
    assert!(rx.try_recv().is_err(), "the sends that lost gave their places back");
}
