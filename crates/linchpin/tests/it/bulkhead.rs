//! Bulkhead: the specification's cases, who is next, the rules of all policies, and the layer of tower.

mod cases;
mod events;
mod layer;
mod life;
mod queue;
mod random;
mod rules;

use std::cell::Cell;
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::bulkhead::{Bulkhead, Options, Permit};
use linchpin::resilience::{Failed, FailedKind, Refusal};
use linchpin::time::Instant;
use linchpin_testing::steps::{Poller, poll_by_hand};

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn bulkhead(places: usize, options: Options) -> Bulkhead {
    Bulkhead::new("test", places, options).unwrap()
}

/// With a queue of so many in which one may wait for so long.
pub(crate) fn queue(callers: usize, wait: Duration) -> Options {
    Options::default().max_queue(callers).max_wait(wait)
}

/// One in which one may wait for as long as the context lets.
pub(crate) fn patient(callers: usize) -> Options {
    queue(callers, Duration::MAX)
}

/// What became of a call, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Began(u64),
    Refused(&'static str, u64),
    DeadlineExceeded(u64),
}

/// Calls after `comes`, and works for `works` if it is let in, in milliseconds since `began`.
pub(crate) async fn caller(
    bulkhead: &Bulkhead,
    began: Instant,
    ctx: &Context,
    comes: u64,
    works: u64,
) -> Fate {
    tokio::time::sleep(ms(comes)).await;
    let (now, started) = (|| began.elapsed().as_millis() as u64, Cell::new(0));
    let call = bulkhead.call(ctx, || async {
        started.set(now());
        tokio::time::sleep(ms(works)).await;
        Ok::<_, ()>(())
    });
    match call.await.map_err(Failed::into_kind) {
        Ok(()) => Fate::Began(started.get()),
        Err(FailedKind::Refused(refusal)) => Fate::Refused(refusal.reason, now()),
        Err(FailedKind::Ended(ended)) => {
            assert!(matches!(ended.cause(), Cause::Deadline));
            Fate::DeadlineExceeded(now())
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Waits under a root, polled once.
pub(crate) fn waiter(
    bulkhead: &Bulkhead,
) -> Poller<impl Future<Output = Result<Permit<'static>, Failed>> + use<>> {
    let bulkhead = bulkhead.clone();
    let mut waiter = poll_by_hand(async move { bulkhead.enter_owned(&Context::root()).await });
    assert!(waiter.poll().is_pending(), "there is something to wait for");
    waiter
}

/// How many are inside, and how many wait.
pub(crate) fn crowd(bulkhead: &Bulkhead) -> (usize, usize) {
    let numbers = bulkhead.numbers();
    (numbers.in_use, numbers.queued)
}

#[track_caller]
pub(crate) fn refused<T, E: std::fmt::Debug>(result: Result<T, Failed<E>>) -> Refusal {
    match result.map(drop).unwrap_err().into_kind() {
        FailedKind::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}
