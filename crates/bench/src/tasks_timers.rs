//! Area `tasks`, timers and channels: beside tokio's interval, `mpsc` and `select!`, and `FuturesUnordered`.

use std::collections::HashMap;
use std::future::{Future, pending, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::mpsc::sync_channel;
use std::task::{Context as Poller, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::abortable;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use linchpin::Context;
use linchpin::sync::channel::{self, Overflow};
use linchpin::sync::select::{self, Set};
use linchpin::task::ticker::{Missed, Options, Start};
use linchpin::task::{Ticker, Timer, debounce, throttle};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

const LINCHPIN: &str = "linchpin";
const NANO: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_hours(1);

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    ticks().into_iter().chain(sends()).chain(selects()).chain(sets()).collect()
}

fn ticks() -> [Operation; 3] {
    [
        // A tick that is due already. Ours looks whether its context has ended, which tokio's has not.
        Operation::new("tick-ct")
            .ct(Ours, LINCHPIN, |operations| due(Context::root().child(), operations))
            .ct(Ours, "linchpin, under a deadline", |operations| {
                due(Context::root().with_timeout(HOUR), operations)
            })
            .ct(Peer, "tokio, interval", |operations| async move {
                // Begun long ago: within its millisecond the runtime's timer makes even an overdue tick wait.
                let now = Instant::now();
                let begun = now.checked_sub(HOUR / 2).unwrap_or(now);
                let mut interval = interval_at(begun, Duration::from_micros(1));
                interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
                for _ in 0..operations {
                    black_box(interval.tick().await);
                }
            }),
        // What a tick costs that loses a select: its wait is begun and dropped.
        Operation::new("tick-lost-ct")
            .ct(Ours, LINCHPIN, |operations| lost(Context::root().child(), operations))
            .ct(Ours, "linchpin, under a deadline", |operations| {
                lost(Context::root().with_timeout(HOUR * 2), operations)
            })
            .ct(Peer, "tokio, interval under a token", |operations| async move {
                let (token, mut interval) = (CancellationToken::new(), far());
                for _ in 0..operations {
                    poll_once(token.run_until_cancelled(interval.tick()));
                }
            })
            .ct(Peer, "tokio, interval alone", |operations| async move {
                let mut interval = far();
                for _ in 0..operations {
                    poll_once(interval.tick());
                }
            }),
        // Ours leaves the runtime's timer where it is while the moment is put off, and moves it when it rings.
        Operation::new("timer-reset-ct")
            .ct(Ours, "linchpin, and a wait", |operations| async move {
                let (ctx, mut timer) = (Context::root().child(), Timer::after(HOUR));
                for _ in 0..operations {
                    timer.reset(black_box(HOUR));
                    poll_once(timer.wait(&ctx));
                }
            })
            .ct(Peer, "tokio, sleep under a token", |operations| async move {
                let (token, mut timer) = (CancellationToken::new(), Box::pin(sleep(HOUR)));
                for _ in 0..operations {
                    timer.as_mut().reset(Instant::now() + black_box(HOUR));
                    poll_once(token.run_until_cancelled(timer.as_mut()));
                }
            }),
    ]
}

async fn due(ctx: linchpin::context::Child, operations: u64) {
    let options = Options::default().missed(Missed::Burst);
    let mut ticker = Ticker::new(NANO, options).expect("a period");
    for _ in 0..operations {
        drop(black_box(ticker.tick(&ctx).await));
    }
}

#[expect(clippy::unused_async, reason = "its timer needs the runtime that polls it")]
async fn lost(ctx: linchpin::context::Child, operations: u64) {
    let options = Options::default().start(Start::AfterPeriod);
    let mut ticker = Ticker::new(HOUR, options).expect("a period");
    for _ in 0..operations {
        poll_once(ticker.tick(&ctx));
    }
}

fn far() -> tokio::time::Interval {
    interval_at(Instant::now() + HOUR, HOUR)
}

/// Begins a wait and drops it.
fn poll_once(wait: impl Future) {
    let waiting = pin!(wait).poll(&mut Poller::from_waker(Waker::noop())).is_pending();
    assert!(black_box(waiting), "it was to wait");
}

fn sends() -> [Operation; 3] {
    [
        Operation::new("try-send")
            .sync(Ours, "linchpin, bounded", {
                let (tx, mut rx) = channel::bounded(1_024).expect("a capacity");
                move || (tx.try_send(black_box(1_u64)).is_ok(), rx.try_recv().is_ok())
            })
            .sync(Ours, "linchpin, lossy", {
                let (tx, mut rx) = channel::lossy(1_024, Overflow::DropOldest).expect("a capacity");
                move || (tx.send(black_box(1_u64)).is_ok(), rx.try_recv().is_ok())
            })
            .sync(Peer, "tokio, mpsc", {
                let (tx, mut rx) = mpsc::channel(1_024);
                move || (tx.try_send(black_box(1_u64)).is_ok(), rx.try_recv().is_ok())
            })
            .sync(Peer, "std, sync_channel", {
                let (tx, rx) = sync_channel(1_024);
                move || (tx.try_send(black_box(1_u64)).is_ok(), rx.try_recv().is_ok())
            }),
        Operation::new("try-send-full")
            .sync(Ours, "linchpin, bounded", {
                let (tx, rx) = channel::bounded(1).expect("a capacity");
                tx.try_send(0_u64).expect("there is room");
                move || (tx.try_send(black_box(1)).is_err(), rx.is_empty())
            })
            .sync(Ours, "linchpin, lossy (keeps it)", {
                let (tx, rx) = channel::lossy(1, Overflow::DropOldest).expect("a capacity");
                move || {
                    let _open = &rx;
                    tx.send(black_box(1_u64)).is_ok()
                }
            })
            .sync(Peer, "tokio, mpsc", {
                let (tx, rx) = mpsc::channel(1);
                tx.try_send(0_u64).expect("there is room");
                move || (tx.try_send(black_box(1)).is_err(), rx.is_empty())
            }),
        Operation::new("pace-push")
            .sync(Ours, "linchpin, debounce", {
                let options = debounce::Options::default();
                let (push, paced) = debounce::channel(HOUR, options).expect("a quiet time");
                move || {
                    let _open = &paced;
                    push.push(black_box(1_u64)).is_ok()
                }
            })
            .sync(Ours, "linchpin, throttle", {
                let options = throttle::Options::default();
                let (push, paced) = throttle::channel(HOUR, options).expect("an interval");
                move || {
                    let _open = &paced;
                    push.push(black_box(1_u64)).is_ok()
                }
            })
            .sync(Peer, "tokio, watch (no pace)", {
                let (tx, rx) = tokio::sync::watch::channel(0_u64);
                move || {
                    let _open = &rx;
                    tx.send(black_box(1)).is_ok()
                }
            }),
    ]
}

fn selects() -> [Operation; 2] {
    [
        // The second of two is ready. Ours, and the peers with a token, end with what they wait under.
        Operation::new("select-ct")
            .ct(Ours, "linchpin, fair", |operations| async move {
                let ctx = Context::root().child();
                for _ in 0..operations {
                    let two = (pending::<()>(), ready(black_box(1)));
                    drop(black_box(select::fair(&ctx, two).await));
                }
            })
            .ct(Peer, "tokio, select! with a token", |operations| async move {
                let token = CancellationToken::new();
                for _ in 0..operations {
                    black_box(tokio::select! {
                        () = token.cancelled() => 0,
                        () = pending() => 1,
                        n = ready(black_box(1)) => n,
                    });
                }
            })
            .ct(Peer, "tokio, select! alone", |operations| async move {
                for _ in 0..operations {
                    black_box(tokio::select! {
                        () = pending() => 1,
                        n = ready(black_box(1)) => n,
                    });
                }
            }),
        Operation::new("select-biased-ct")
            .ct(Ours, "linchpin, biased", |operations| async move {
                let ctx = Context::root().child();
                for _ in 0..operations {
                    let two = (pending::<()>(), ready(black_box(1)));
                    drop(black_box(select::biased(&ctx, two).await));
                }
            })
            .ct(Peer, "tokio, biased select! with a token", |operations| async move {
                let token = CancellationToken::new();
                for _ in 0..operations {
                    black_box(tokio::select! {
                        biased;
                        () = token.cancelled() => 0,
                        () = pending() => 1,
                        n = ready(black_box(1)) => n,
                    });
                }
            }),
    ]
}

fn sets() -> [Operation; 2] {
    [
        // One comes in and one gets ready, among a hundred that wait.
        Operation::new("select-set-ct")
            .ct(Ours, LINCHPIN, |operations| async move {
                let (ctx, mut set) = (Context::root().child(), Set::new());
                for n in 0..100 {
                    set.insert(n, waiting());
                }
                for n in 100..operations + 100 {
                    set.insert(n, done());
                    drop(black_box(set.next(&ctx).await));
                }
            })
            .ct(Peer, "FuturesUnordered, a map of handles, a token", |operations| async move {
                let (token, mut set) = (CancellationToken::new(), FuturesUnordered::new());
                let mut handles = HashMap::new();
                for n in 0..operations + 100 {
                    let work = if n < 100 { waiting() } else { done() };
                    let (work, handle) = abortable(work.map(move |()| n));
                    handles.insert(n, handle);
                    set.push(work);
                    if n >= 100
                        && let Some(Some(Ok(n))) = token.run_until_cancelled(set.next()).await
                    {
                        drop(black_box(handles.remove(&n)));
                    }
                }
            })
            .ct(Peer, "FuturesUnordered (no keys)", |operations| async move {
                let mut set = FuturesUnordered::new();
                (0..100).for_each(|_| set.push(waiting()));
                for _ in 0..operations {
                    set.push(done());
                    black_box(set.next().await);
                }
            }),
        // One comes in, is waited for and is woken, among a hundred that wait.
        Operation::new("select-set-wake-ct")
            .ct(Ours, LINCHPIN, |operations| async move {
                let (ctx, mut set) = (Context::root().child(), Set::new());
                for n in 0..100 {
                    set.insert(n, waiting());
                }
                for n in 100..operations + 100 {
                    let (tell, told) = told();
                    set.insert(n, told);
                    poll_once(set.next(&ctx));
                    drop(tell);
                    drop(black_box(set.next(&ctx).await));
                }
            })
            .ct(Peer, "FuturesUnordered under a token (no keys)", |operations| async move {
                let (token, mut set) = (CancellationToken::new(), FuturesUnordered::new());
                (0..100).for_each(|_| set.push(waiting()));
                for _ in 0..operations {
                    let (tell, told) = told();
                    set.push(told);
                    poll_once(token.run_until_cancelled(set.next()));
                    drop(tell);
                    black_box(token.run_until_cancelled(set.next()).await);
                }
            }),
    ]
}

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

fn waiting() -> Boxed {
    Box::pin(pending())
}

fn done() -> Boxed {
    Box::pin(ready(()))
}

/// One that is ready when the sender is dropped.
fn told() -> (oneshot::Sender<()>, Boxed) {
    let (tell, told) = oneshot::channel();
    (tell, Box::pin(async move { drop(told.await) }))
}
