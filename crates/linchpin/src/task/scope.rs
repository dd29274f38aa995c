//! Futures that borrow and succeed or fail together.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::Listed;
use super::caught::Caught;
use super::group::{Outcome, Place, Verdict};
use crate::context::{Child, Context};
use crate::error::Error;

/// A [`Group`](super::Group) for futures that borrow: they run concurrently, on the caller's own task.
///
/// Who wins is decided as in a group: the first real error ends the rest, a panic is raised again at
/// [`join`](Self::join), results come in the order of spawning. Nothing is spawned, so nothing runs in parallel and
/// nothing runs before `join` is polled.
///
/// Parallel tasks cannot borrow from their spawner: a future can be leaked or dropped half-way by safe code, and a
/// task on another thread would then use what is gone; that is why no crate offers it soundly. For parallel work
/// give each task its own: move values in, share with `Arc`; for parallel computing inside
/// [`blocking`](super::blocking) use `std::thread::scope`, which blocks its thread until the borrowers are done.
///
/// ```
/// # use linchpin::{Context, task::Scope};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let words = vec!["a".to_owned(), "bb".to_owned()];
/// let mut scope = Scope::new(&Context::root());
/// for word in &words {
///     scope.spawn("measure", move |_ctx| async move { Ok(word.len()) });
/// }
/// assert_eq!(scope.join().await?, [1, 2]);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing runs until the scope is joined"]
pub struct Scope<'a, T> {
    context: Child,
    verdict: Verdict<T>,
    limit: usize,
    spawned: usize,
    running: FuturesUnordered<Entry<'a, T>>,
    queue: VecDeque<Entry<'a, T>>,
}

type Entry<'a, T> = Pin<Box<dyn Future<Output = (Place, Outcome<T>)> + Send + 'a>>;

impl<'a, T: Send + 'a> Scope<'a, T> {
    /// An empty scope whose futures run under a child of `ctx`.
    pub fn new(ctx: &Context) -> Self {
        Self {
            context: ctx.child(),
            verdict: Verdict::new(),
            limit: usize::MAX,
            spawned: 0,
            running: FuturesUnordered::new(),
            queue: VecDeque::new(),
        }
    }

    /// At most `running` futures at once, at least one. Default: no limit.
    pub fn limit(mut self, running: std::num::NonZeroUsize) -> Self {
        self.limit = running.get();
        self
    }

    /// A failure or a panic does not end the others; [`join`](Self::join) returns all errors joined.
    pub fn keep_going(mut self) -> Self {
        self.verdict.keep_going();
        self
    }

    /// Adds a future. `work` gets the scope's context, which ends when a sibling fails.
    #[track_caller]
    pub fn spawn<F, Fut>(&mut self, name: &'static str, work: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, Error>> + Send + 'a,
    {
        let (place, context) = (Place::after(self.spawned), self.context.clone());
        self.spawned += 1;
        let work = Listed::new(name, async move {
            context.check()?;
            work(context).await
        });
        let entry = Caught::new(work).map(move |outcome| (place, outcome.into()));
        self.queue.push_back(Box::pin(entry));
    }

    /// Runs all of them to their ends.
    ///
    /// # Errors
    ///
    /// The first error of one. Where the scope [keeps going](Self::keep_going), all of them, joined.
    ///
    /// # Panics
    ///
    /// Raises the first panic of one again, after all others have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops what runs, where it stands.
    pub async fn join(mut self) -> Result<Vec<T>, Error> {
        self.run().await;
        self.verdict.join()
    }

    /// Runs all of them to their ends, and returns the result of each, in the order of spawning.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// As [`join`](Self::join).
    pub async fn settle(mut self) -> Vec<Result<T, Error>> {
        self.run().await;
        self.verdict.settle()
    }

    async fn run(&mut self) {
        self.verdict.expect(self.spawned);
        loop {
            while self.running.len() < self.limit
                && let Some(mut entry) = self.queue.pop_front()
            {
                // One that is ready at once needs no place among those that are woken one by one.
                match poll_fn(|cx| Poll::Ready(entry.as_mut().poll(cx))).await {
                    Poll::Ready(ended) => self.record(ended),
                    Poll::Pending => self.running.push(entry),
                }
            }
            let Some(ended) = self.running.next().await else { return };
            self.record(ended);
        }
    }

    fn record(&mut self, (place, outcome): (Place, Outcome<T>)) {
        if let Some(news) = self.verdict.record(Some(place), outcome.judged(), &self.context) {
            news.tell(&self.context);
        }
    }
}

impl<T> fmt::Debug for Scope<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("context", &*self.context)
            .field("running", &self.running.len())
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}
