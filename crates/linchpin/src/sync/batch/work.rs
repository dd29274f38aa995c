//! The worker: one batch after the other.

use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll};

use tokio::task::yield_now;

use super::Shared;
use super::items::Batch;
use super::queue::{Entry, Look};
use super::slot::Slots;
use crate::context::{Cancelled, Context, Ended};
use crate::error::{Error, Kind, catch_async};
use crate::resilience::{Failed, FailedKind};
use crate::sync::event::Event;
use crate::task::Timer;
use crate::time::Instant;

/// The work is done, and this item was not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unanswered;

/// Says that the worker is gone, by whatever way.
pub(super) struct Done(pub(super) Event);

enum Next<T, R> {
    Batch(VecDeque<Entry<T, R>>),
    Over,
    Ended(Ended),
}

/// Runs batches until the queue is closed and empty, or the context ends.
pub(super) async fn run<T, R, F, Fut>(
    shared: Arc<Shared<T, R>>,
    ctx: Context,
    mut work: F,
    done: Done,
) where
    F: FnMut(Context, Batch<T, R>) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let (mut timer, mut ended) = (Timer::stopped(), ctx.cancelled());
    // Those who push have more; those who submit wait for their answers first.
    let mut more_comes = true;
    let why = loop {
        if more_comes {
            // Whoever is about to push does it first: the batch is larger, and there are fewer.
            yield_now().await;
        }
        let next = poll_fn(|cx| next(&shared, &mut timer, &mut ended, cx)).await;
        let ran = match next {
            Next::Batch(entries) => run_one(&shared, &ctx, &mut ended, &mut work, entries).await,
            Next::Over => break None,
            Next::Ended(why) => Err(why),
        };
        match ran {
            Ok(all_waited) => more_comes = !all_waited,
            Err(why) => break Some(why),
        }
    };
    if let Some(why) = why {
        shared.room.close();
        let mut left = shared.queue.give_up();
        settle(&shared, &take_slots(&mut left), left.len(), || Err(FailedKind::Ended(why.clone())));
    }
    drop(done);
}

fn next<T, R>(
    shared: &Shared<T, R>,
    timer: &mut Timer,
    ended: &mut Cancelled<'_>,
    cx: &mut Poller<'_>,
) -> Poll<Next<T, R>> {
    if let Poll::Ready(cause) = Pin::new(ended).poll(cx) {
        return Poll::Ready(Next::Ended(cause.into()));
    }
    loop {
        let due = match shared.queue.look(Instant::now, cx.waker()) {
            Look::Batch(entries) => {
                shared.room.give_back(entries.len());
                return Poll::Ready(Next::Batch(entries));
            }
            Look::Over => return Poll::Ready(Next::Over),
            Look::Wait(due) => due,
        };
        match due {
            Some(due) => _ = timer.reset_at(due),
            None => _ = timer.stop(),
        }
        if timer.poll_fire(cx).is_pending() {
            return Poll::Pending;
        }
    }
}

/// Runs a batch and answers it, and says whether somebody waited for each item; an error if the context has ended
/// meanwhile.
async fn run_one<T, R, F, Fut>(
    shared: &Shared<T, R>,
    ctx: &Context,
    ended: &mut Cancelled<'_>,
    work: &mut F,
    mut entries: VecDeque<Entry<T, R>>,
) -> Result<bool, Ended>
where
    F: FnMut(Context, Batch<T, R>) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let (count, slots) = (entries.len(), take_slots(&mut entries));
    let all_wait = slots.iter().flatten().count() == count;
    shared.batches.fetch_add(1, Relaxed);
    shared.items.fetch_add(count as u64, Relaxed);
    let batch = Batch::new(entries, slots.clone());
    let outcome = {
        let mut work = pin!(catch_async(async { work(ctx.clone(), batch).await }));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
            Poll::Pending => Pin::new(&mut *ended).poll(cx).map(|cause| Err(Ended::from(cause))),
        })
        .await
    };
    let default = shared.default;
    settle(shared, &slots, count, || match &outcome {
        Ok(Ok(Ok(()))) => match default() {
            Some(result) => Ok(result),
            None => Err(FailedKind::Callee(Error::new(Kind::Internal, Unanswered))),
        },
        Ok(Ok(Err(error))) => Err(FailedKind::Callee(error.clone())),
        Ok(Err(panic)) => Err(FailedKind::Panicked(panic.clone())),
        Err(ended) => Err(FailedKind::Ended(ended.clone())),
    });
    outcome.map(|_| all_wait)
}

/// Those who wait for an answer to those items.
fn take_slots<T, R>(entries: &mut VecDeque<Entry<T, R>>) -> Arc<Slots<R>> {
    if entries.iter().all(|entry| entry.slot.is_none()) {
        return Arc::new([]);
    }
    entries.iter_mut().map(|entry| entry.slot.take()).collect()
}

/// Answers all who wait for one of `count` items and have no answer yet. Where some do not wait, what went wrong is logged, or nobody would know.
fn settle<T, R>(
    shared: &Shared<T, R>,
    slots: &Slots<R>,
    count: usize,
    answer: impl Fn() -> Result<R, FailedKind<Error>>,
) {
    let unheard = count - slots.iter().flatten().count();
    if unheard > 0
        && let Err(kind) = answer()
    {
        let name = shared.options.name;
        if let FailedKind::Panicked(_) = kind {
            metrics::counter!("linchpin_task_panics_total", "owner" => name).increment(1);
        }
        let why = Failed::from(kind);
        tracing::error!(batcher = name, items = unheard, error = %why, "items were lost that nobody waits for");
    }
    for slot in slots.iter().flatten() {
        slot.settle(|| answer().map_err(Failed::from));
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the batch was run and its work gave no answer for this item")
    }
}

impl error::Error for Unanswered {}
