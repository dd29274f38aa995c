//! Channels: what is there, what comes back, what is lost, and who is woken.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use linchpin::sync::channel::{
    self, Closed, Overflow, RecvError, SendError, Sent, TryRecvError, TrySendError,
};
use linchpin::{Context, Error, Kind, task};
use linchpin_testing::steps;
use tokio::sync::Mutex;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_comes_back_and_a_wait_ends_with_its_context() {
    let (tx, mut rx) = channel::bounded(1).unwrap();
    let ctx = Context::root().with_timeout(SECOND);
    tx.send(&ctx, 1).await.unwrap();
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    let SendError::Ended(value, ended) = tx.send(&ctx, 3).await.unwrap_err() else { panic!() };
    assert_eq!((value, ended.to_string()), (3, "ended: the deadline has passed".to_owned()));
    assert!(matches!(tx.reserve(&ctx).await, Err(SendError::Ended((), _))));
    // Nothing was sent under the ended context, and nothing is received.
    assert!(matches!(rx.recv(&ctx).await, Err(RecvError::Ended(_))));
    assert_eq!((rx.len(), rx.try_recv()), (1, Ok(1)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test(start_paused = true)]
async fn a_sender_waits_for_room() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(1).unwrap();
    tx.try_send(1).unwrap();
    let (sent, received) = tokio::join!(tx.send(&ctx, 2), async {
        sleep(SECOND).await;
        (rx.recv(&ctx).await.unwrap(), rx.recv(&ctx).await.unwrap())
    });
    assert_eq!((sent.is_ok(), received), (true, (1, 2)));
}

#[tokio::test]
async fn a_channel_that_is_closed_says_so_after_all_was_received() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::bounded(2).unwrap();
    tx.try_send(1).unwrap();
    drop(tx);
    assert_eq!(rx.recv(&ctx).await.unwrap(), 1);
    assert!(matches!(rx.recv(&ctx).await, Err(RecvError::Closed)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));

    let (tx, mut rx) = channel::bounded(2).unwrap();
    tx.try_send(1).unwrap();
    rx.close();
    assert_eq!(tx.try_send(2), Err(TrySendError::Closed(2)));
    assert!(matches!(tx.send(&ctx, 3).await, Err(SendError::Closed(3))));
    assert!(matches!(tx.try_reserve(), Err(TrySendError::Closed(()))));
    assert_eq!(tx.closed().await, Closed(()));
    assert_eq!(rx.try_recv(), Ok(1));
}

#[tokio::test]
async fn a_permit_keeps_its_place_and_gives_it_back() {
    let (tx, mut rx) = channel::bounded(1).unwrap();
    let permit = tx.try_reserve().unwrap();
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
    drop(permit);
    assert_eq!(tx.free(), 1);
    tx.reserve(&Context::root()).await.unwrap().send(2);
    assert_eq!(rx.try_recv(), Ok(2));
}

#[test]
fn tokios_own_halves_come_in_and_go_out() {
    let (tx, rx) = tokio::sync::mpsc::channel(1);
    let (tx, rx) = (channel::Sender::from(tx), channel::Receiver::from(rx));
    tx.try_send(1).unwrap();
    assert_eq!(rx.into_inner().try_recv(), Ok(1));
    assert!(tx.into_inner().is_closed());
}

#[test]
fn a_lossy_channel_loses_the_oldest_or_the_newest_and_gives_it_to_the_sender() {
    let (tx, mut rx) = channel::lossy(2, Overflow::DropOldest).unwrap();
    let sent: Vec<Sent<i32>> = (1..=4).map(|n| tx.send(n).unwrap()).collect();
    assert_eq!(sent, [Sent::Queued, Sent::Queued, Sent::Displaced(1), Sent::Displaced(2)]);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(3), Ok(4)));
    assert_eq!(tx.lost(), 2);

    let (tx, mut rx) = channel::lossy(2, Overflow::DropNewest).unwrap();
    let sent: Vec<Sent<i32>> = (1..=4).map(|n| tx.send(n).unwrap()).collect();
    assert_eq!(sent, [Sent::Queued, Sent::Queued, Sent::Refused(3), Sent::Refused(4)]);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!((tx.lost(), sent[3].lost()), (2, Some(4)));
}

#[test]
fn the_latest_value_is_received_once() {
    let (tx, mut rx) = channel::latest();
    for n in 1..=3 {
        tx.send(n).unwrap();
    }
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(3), Err(TryRecvError::Empty)));
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_lossy_receiver_is_woken_by_a_value_and_by_the_last_sender() {
    let ctx = Context::root();
    let (tx, mut rx) = channel::lossy(1, Overflow::DropOldest).unwrap();
    let other = tx.clone();
    let senders = async {
        sleep(SECOND).await;
        tx.send(1).unwrap();
        sleep(SECOND).await;
        drop(tx);
        sleep(SECOND).await;
        drop(other);
    };
    let (received, ()) =
        tokio::join!(async { (rx.recv(&ctx).await.unwrap(), rx.recv(&ctx).await) }, senders);
    assert!(matches!(received, (1, Err(RecvError::Closed))));
}

#[tokio::test]
async fn a_lossy_channel_that_nobody_receives_from_gives_the_value_back() {
    let dropped = Arc::new(());
    let (tx, mut rx) = channel::lossy(4, Overflow::DropOldest).unwrap();
    tx.send(dropped.clone()).unwrap();
    rx.close();
    assert!(tx.is_closed());
    assert!(tx.send(dropped.clone()).is_err());
    assert!(rx.recv(&Context::root()).await.is_ok(), "what is there can still be received");
    assert!(matches!(rx.recv(&Context::root()).await, Err(RecvError::Closed)));

    let (tx, rx) = channel::lossy(4, Overflow::DropOldest).unwrap();
    tx.send(dropped.clone()).unwrap();
    drop(rx);
    assert_eq!(Arc::strong_count(&dropped), 1, "dropped with the receiver, not with the sender");
    assert_eq!(tx.send(dropped).unwrap_err().0, Arc::new(()));
}

#[tokio::test(start_paused = true)]
async fn a_lossy_wait_ends_with_its_context_and_loses_nothing() {
    let (tx, mut rx) = channel::lossy(1, Overflow::DropOldest).unwrap();
    let ctx = Context::root().with_timeout(SECOND);
    assert!(matches!(rx.recv(&ctx).await, Err(RecvError::Ended(_))));
    tx.send(1).unwrap();
    assert!(matches!(rx.recv(&ctx).await, Err(RecvError::Ended(_))));
    assert_eq!(rx.try_recv(), Ok(1));
}

#[tokio::test]
async fn a_receiver_of_what_is_always_there_lets_others_run() {
    let (tx, mut rx) = channel::latest();
    let ctx = Context::root();
    let greedy = async {
        loop {
            tx.send(1).unwrap();
            rx.recv(&ctx).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        () = greedy => {}
        () = tokio::task::yield_now() => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_receive_loses_no_value() {
    let world = async || {
        let (tx, rx) = channel::lossy(1, Overflow::DropNewest).unwrap();
        let sender = task::spawn("sender", async move {
            sleep(SECOND).await;
            tx.send(1).unwrap();
            sleep(SECOND * 100).await;
            tx
        });
        (Context::root().child(), Mutex::new(rx), sender)
    };
    let received = Mutex::new(false);
    steps::drop_at_each(
        async || {
            *received.lock().await = false;
            world().await
        },
        async |(ctx, rx, _)| {
            rx.lock().await.recv(ctx).await.unwrap();
            *received.lock().await = true;
        },
        async |(ctx, rx, _)| {
            let mut rx = rx.try_lock().expect("given back");
            if !*received.lock().await {
                assert_eq!(rx.recv(ctx).await.unwrap(), 1);
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_send_or_receive_leaves_the_channel_as_it_was() {
    // A full channel, and a receiver that makes room a little later.
    let full = async || {
        let (tx, mut rx) = channel::bounded(1).unwrap();
        tx.try_send(0).unwrap();
        let reader = task::spawn("reader", async move {
            sleep(SECOND).await;
            rx.recv(&Context::root()).await.unwrap();
            rx
        });
        (Context::root().child(), tx, reader)
    };
    let room = async |(ctx, tx, _): &(_, channel::Sender<i32>, _)| {
        // Two senders may go through: the place of a send that was dropped is there again.
        let ctx: &linchpin::context::Child = ctx;
        drop(tx.reserve(ctx).await.unwrap());
    };
    steps::drop_at_each(full, async |(ctx, tx, _)| drop(tx.reserve(ctx).await.unwrap()), room)
        .await;
    steps::drop_at_each(full, async |(ctx, tx, _)| tx.send(ctx, 1).await.is_ok(), async |_| {})
        .await;
    let closing = async || {
        let (tx, rx) = channel::bounded::<u8>(1).unwrap();
        let reader = task::spawn("reader", async move {
            sleep(SECOND).await;
            drop(rx);
        });
        (tx, reader)
    };
    steps::drop_at_each(closing, async |(tx, _)| tx.closed().await, async |_| {}).await;

    let empty = async || {
        let (tx, rx) = channel::bounded(1).unwrap();
        let sender = task::spawn("sender", async move {
            sleep(SECOND).await;
            tx.send(&Context::root(), 1).await.unwrap();
            tx
        });
        (Context::root().child(), Mutex::new((rx, 0)), sender)
    };
    steps::drop_at_each(
        empty,
        async |(ctx, rx, _)| {
            let mut rx = rx.lock().await;
            rx.1 += rx.0.recv(ctx).await.unwrap();
        },
        async |(ctx, rx, _)| {
            let mut rx = rx.try_lock().expect("given back");
            if rx.1 == 0 {
                assert_eq!(rx.0.recv(ctx).await.unwrap(), 1);
            }
        },
    )
    .await;
}

#[test]
fn no_room_at_all_is_refused_with_the_reason() {
    let why = channel::bounded::<u8>(0).unwrap_err().to_string();
    assert!(why.contains("no room"), "{why}");
    assert!(channel::bounded::<u8>(usize::MAX).is_err());
    assert!(channel::lossy::<u8>(0, Overflow::DropNewest).is_err());
    let why = channel::lossy::<u64>(usize::MAX, Overflow::DropNewest).unwrap_err().to_string();
    assert!(why.contains("memory"), "{why}");
}

#[test]
fn every_refusal_becomes_an_error_of_its_kind() {
    let ended = || Context::root().with_timeout(Duration::ZERO).check().unwrap_err();
    for (error, kind) in [
        (Error::from(Closed(1)), Kind::Unavailable),
        (Error::from(TrySendError::Full(1)), Kind::ResourceExhausted),
        (Error::from(TrySendError::Closed(1)), Kind::Unavailable),
        (Error::from(SendError::Closed(1)), Kind::Unavailable),
        (Error::from(SendError::Ended(1, ended())), Kind::DeadlineExceeded),
        (Error::from(RecvError::Closed), Kind::Unavailable),
        (Error::from(RecvError::Ended(ended())), Kind::DeadlineExceeded),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(TrySendError::Full(7).into_value(), 7);
    assert_eq!(SendError::Ended(7, ended()).into_value(), 7);
}

/// A value that panics when it is dropped, and one that sends when it is dropped.
#[test]
fn what_is_dropped_with_a_receiver_may_do_anything() {
    struct Sends(Option<channel::LossySender<Sends>>);
    impl Drop for Sends {
        fn drop(&mut self) {
            if let Some(tx) = self.0.take() {
                assert!(tx.send(Sends(None)).is_err(), "the receiver has gone");
            }
        }
    }
    let (tx, rx) = channel::lossy(2, Overflow::DropOldest).unwrap();
    tx.send(Sends(Some(tx.clone()))).unwrap();
    drop(rx);

    let (tx, rx) = channel::lossy(2, Overflow::DropOldest).unwrap();
    tx.send(crate::panic::Bomb).unwrap();
    let raised = std::panic::catch_unwind(AssertUnwindSafe(|| drop(rx)));
    assert!(raised.is_err(), "the panic is the caller's");
    assert!(tx.is_closed());
    std::mem::forget(tx.send(crate::panic::Bomb));
}
