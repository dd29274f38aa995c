//! Batching: many callers, one at a time, and work that is cheaper for many at once.
//!
//! ```
//! # use linchpin::{Context, sync::batch::{Batcher, Options}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! let squares = Batcher::answering(&ctx, Options::default(), |_ctx, batch| async move {
//!     batch.answer(|number: u64| number * number); // or item by item
//!     Ok(())
//! })?;
//! assert_eq!(squares.submit(&ctx, 12).await.unwrap(), 144);
//! squares.push(&ctx, 13).await?; // nobody wants to know
//! squares.close(&ctx).await?; // all that was accepted has been run
//! # Ok(())
//! # }
//! ```

mod items;
mod options;
mod queue;
mod slot;
mod work;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as Poller, Poll};

pub use self::items::{Batch, IntoIter, Reply};
pub use self::options::Options;
#[cfg(not(all(test, linchpin_loom)))]
use self::queue::Queue;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::queue::{Limits, Look, Queue};
use self::slot::Answer;
#[cfg(not(all(test, linchpin_loom)))]
use self::slot::Slot;
#[cfg(all(test, linchpin_loom))]
pub(crate) use self::slot::Slot;
pub use self::work::Unanswered;
use self::work::{Done, run};
use crate::context::{Cancelled, Context, Ended};
use crate::error::Error;
use crate::resilience::{BadOptions, Failed, Refusal};
use crate::sync::event::Event;
use crate::sync::semaphore::{self, Semaphore};
use crate::task::{self, Task};

/// Collects items and runs them in batches, in a task of its own, one batch after the other.
///
/// A batch is run when it has [so many](Options::max_items) items or [bytes](Options::max_bytes), or its first item has
/// waited [so long](Options::max_delay); by default at once, so that a batch is what came while the last one ran. Each
/// submitter gets the answer to its own item. What is accepted and not yet in a batch is [bounded](Options::capacity):
/// whoever has one more waits.
///
/// **Who goes away** while its item is still queued takes it back: it is not run. An item that is in a running batch is left
/// there, since what is done with the others cannot be undone for one; its answer is dropped.
///
/// **What fails** fails its own batch: an error of the work is the answer to all its items that had none yet, and so is a
/// panic. The next batch is run all the same.
///
/// **The end.** [`close`](Self::close) takes nothing more, runs what is queued and waits for it. When the context ends,
/// the running batch is dropped at its next await, and it and what is queued are answered `Ended`. Dropping the batcher
/// does the same at once, so close it first: those who wait for an answer borrow it, but what was [pushed](Self::push) is
/// lost.
///
/// | you have | use |
/// |---|---|
/// | writes to SQLite | `linchpin_data`'s writer, which commits its queue in groups, each item in a savepoint of its own |
/// | a stream of items | [`Pipeline`](crate::task::pipeline::Pipeline) |
/// | the same question from many at once | [`singleflight`](crate::sync::singleflight) |
/// | only the last of a burst | [`debounce`](crate::task::debounce) |
pub struct Batcher<T, R = ()> {
    shared: Arc<Shared<T, R>>,
    weigh: fn(&T) -> usize,
    done: Event,
    worker: Task<()>,
}

struct Shared<T, R> {
    options: Options,
    queue: Queue<T, R>,
    room: Semaphore,
    /// The answer to an item that the work did not answer.
    default: fn() -> Option<R>,
    batches: AtomicU64,
    items: AtomicU64,
}

/// The numbers of a [`Batcher`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Items that are in no batch yet.
    pub queued: usize,
    /// Batches that were begun.
    pub batches: u64,
    /// Items in them.
    pub items: u64,
}

// ===== impl Batcher =====

impl<T: Send + 'static> Batcher<T> {
    /// A batcher whose work has nothing to say but whether it succeeded: its `Ok` is the answer to each item.
    ///
    /// # Errors
    ///
    /// If no item fits in a batch or in the queue, or a batch waits for more items than may queue.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new<F, Fut>(ctx: &Context, options: Options, work: F) -> Result<Self, BadOptions>
    where
        F: FnMut(Context, Batch<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self::start(ctx, options, work, || Some(()))
    }
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// A batcher whose work answers each item. One that it does not answer is answered by its error, or as
    /// [`Unanswered`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Batcher::new).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn answering<F, Fut>(ctx: &Context, options: Options, work: F) -> Result<Self, BadOptions>
    where
        F: FnMut(Context, Batch<T, R>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self::start(ctx, options, work, || None)
    }

    /// Says how many bytes an item has, for [`Options::max_bytes`]. Without it, none.
    ///
    /// A panic of `weigh` is its submitter's, and the item is not accepted.
    #[must_use]
    pub fn weigh(mut self, weigh: fn(&T) -> usize) -> Self {
        self.weigh = weigh;
        self
    }

    /// Has `item` run in a batch, and waits for its answer.
    ///
    /// # Errors
    ///
    /// `Callee` and `Panicked` when the batch failed; refused when the batcher is closed; ended when the context ends
    /// first, or the batcher's own. An answer that is there already wins.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the item back if it is in no batch yet. Otherwise it is run, and its answer is dropped.
    pub async fn submit(&self, ctx: &Context, item: T) -> Result<R, Failed<Error>> {
        let bytes = (self.weigh)(&item);
        let room = self.shared.room.acquire(ctx, 1);
        room.await.map_err(Failed::widen)?.keep();
        // It is woken from the moment on at which the worker may have it.
        let slot = poll_fn(|cx| Poll::Ready(Arc::new(Slot::new(cx.waker().clone())))).await;
        let entered = self.shared.push(item, bytes, Some(slot.clone()));
        let number = Some(entered.map_err(|(_, refusal)| refusal)?);
        let ended = ctx.cancelled();
        Submitted { batcher: self, number, slot, is_new: true, ended }.await
    }

    /// Has `item` run in a batch. What becomes of it is not told; an error is logged.
    ///
    /// # Errors
    ///
    /// Refused when the batcher is closed; ended when the context ends while it waits for room.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the item; it was not accepted.
    pub async fn push(&self, ctx: &Context, item: T) -> Result<(), Failed> {
        let bytes = (self.weigh)(&item);
        self.shared.room.acquire(ctx, 1).await?.keep();
        self.shared.push(item, bytes, None).map_err(|(_, refusal)| refusal)?;
        Ok(())
    }

    /// The same if there is room now.
    ///
    /// # Errors
    ///
    /// The item, and why not.
    pub fn try_push(&self, item: T) -> Result<(), (T, Refusal)> {
        let bytes = (self.weigh)(&item);
        match self.shared.room.try_acquire(1) {
            Ok(place) => place.keep(),
            Err(refusal) => return Err((item, refusal)),
        }
        self.shared.push(item, bytes, None).map(drop)
    }

    /// Runs what is queued without waiting for more. It does not wait for that.
    pub fn flush(&self) {
        self.shared.queue.flush();
    }

    /// Takes nothing more, runs what is queued and waits until that is done.
    ///
    /// # Errors
    ///
    /// When the context ends first. The batcher is closed and goes on with what it has.
    ///
    /// # Cancel safety
    ///
    /// Safe: it may be called again.
    pub async fn close(&self, ctx: &Context) -> Result<(), Ended> {
        self.shared.room.close();
        self.shared.queue.close();
        self.done.wait(ctx).await
    }

    /// What it has seen, and has.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Shared { queue, batches, items, .. } = &*self.shared;
        Stats { queued: queue.len(), batches: batches.load(Relaxed), items: items.load(Relaxed) }
    }

    fn start<F, Fut>(
        ctx: &Context,
        options: Options,
        work: F,
        default: fn() -> Option<R>,
    ) -> Result<Self, BadOptions>
    where
        F: FnMut(Context, Batch<T, R>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        options.check()?;
        let (name, capacity) = (options.name, options.capacity);
        let line = semaphore::Options::default().name(name);
        let shared = Arc::new(Shared {
            queue: Queue::new(options.limits()),
            options,
            room: Semaphore::of_policy("batcher", capacity, line),
            default,
            batches: AtomicU64::new(0),
            items: AtomicU64::new(0),
        });
        let done = Event::new();
        let work = run(shared.clone(), ctx.clone(), work, Done(done.clone()));
        Ok(Self { shared, weigh: |_| 0, done, worker: task::spawn(name, work) })
    }
}

impl<T, R> Shared<T, R> {
    /// Enters an item that has a place.
    fn push(&self, item: T, bytes: usize, slot: Option<Arc<Slot<R>>>) -> Result<u64, (T, Refusal)> {
        self.queue.push(item, bytes, slot).map_err(|item| {
            self.room.give_back(1);
            (item, self.room.refusal("closed"))
        })
    }
}

impl<T, R> Drop for Batcher<T, R> {
    fn drop(&mut self) {
        self.worker.abort();
        let left = self.shared.queue.give_up();
        if !left.is_empty() {
            let (name, items) = (self.shared.options.name, left.len());
            tracing::warn!(batcher = name, items, "a batcher was dropped, and what it had queued");
        }
    }
}

impl<T, R> fmt::Debug for Batcher<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("name", &self.shared.options.name)
            .field("queued", &self.shared.queue.len())
            .finish_non_exhaustive()
    }
}

// ===== impl Submitted =====

/// An item that was accepted, and its answer awaited.
struct Submitted<'a, T, R> {
    batcher: &'a Batcher<T, R>,
    /// Until it is answered.
    number: Option<u64>,
    slot: Arc<Slot<R>>,
    /// It was not polled yet, and its slot has the waker of this very poll.
    is_new: bool,
    ended: Cancelled<'a>,
}

impl<T, R> Future for Submitted<'_, T, R> {
    type Output = Answer<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Answer<R>> {
        if !std::mem::take(&mut self.is_new)
            && let Poll::Ready(answer) = self.slot.poll(cx.waker())
        {
            self.number = None;
            return Poll::Ready(answer);
        }
        Pin::new(&mut self.ended).poll(cx).map(|cause| Err(Ended::from(cause).into()))
    }
}

impl<T, R> Drop for Submitted<'_, T, R> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let shared = &self.batcher.shared;
        match shared.queue.take_back(number) {
            Some(entry) => {
                shared.room.give_back(1);
                drop(entry);
            }
            None => self.slot.leave(),
        }
    }
}
