//! Futures that borrow and succeed or fail together.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::Listed;
use super::caught::{Caught, Payload};
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
    /// Made for the first that has to wait.
    running: Option<FuturesUnordered<Running<'a, T>>>,
    queue: VecDeque<Entry<'a, T>>,
}

/// One in the list of live tasks.
type Entry<'a, T> = Listed<Pin<Box<dyn Future<Output = Ended<T>> + Send + 'a>>>;
type Ended<T> = Result<Result<T, Error>, Payload>;

pin_project_lite::pin_project! {
    /// One that waits.
    struct Running<'a, T> {
        place: Place,
        #[pin]
        entry: Entry<'a, T>,
    }
}

impl<'a, T: Send + 'a> Scope<'a, T> {
    /// An empty scope whose futures run under a child of `ctx`.
    pub fn new(ctx: &Context) -> Self {
        Self {
            context: ctx.child(),
            verdict: Verdict::new(),
            limit: usize::MAX,
            spawned: 0,
            running: None,
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
        let context = self.context.clone();
        let work = Caught::new(async move {
            context.check()?;
            work(context).await
        });
        if self.queue.is_empty() {
            self.queue.reserve(USUAL);
        }
        self.spawned += 1;
        self.queue.push_back(Listed::new(name, Box::pin(work)));
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
        poll_fn(|cx| self.poll_run(cx)).await;
    }

    fn poll_run(&mut self, cx: &mut Poller<'_>) -> Poll<()> {
        loop {
            while self.running.as_ref().map_or(0, FuturesUnordered::len) < self.limit
                && let Some(entry) = self.queue.pop_front()
            {
                let place = Place::after(self.spawned - self.queue.len() - 1);
                self.begin(place, entry, cx);
            }
            let Some(running) = &mut self.running else { return Poll::Ready(()) };
            match ready!(running.poll_next_unpin(cx)) {
                Some((place, ended)) => self.record(place, ended),
                None => return Poll::Ready(()),
            }
        }
    }

    /// Polls one for the first time: if it is ready at once it needs no place among those that are woken one by one.
    fn begin(&mut self, place: Place, mut entry: Entry<'a, T>, cx: &mut Poller<'_>) {
        match Pin::new(&mut entry).poll(cx) {
            Poll::Ready(ended) => self.record(place, ended),
            Poll::Pending => self.running.get_or_insert_default().push(Running { place, entry }),
        }
    }

    fn record(&mut self, place: Place, ended: Ended<T>) {
        if let Some(news) =
            self.verdict.record(Some(place), Outcome::from(ended).judged(), &self.context)
        {
            news.tell(&self.context);
        }
    }
}

impl<T> Future for Running<'_, T> {
    type Output = (Place, Ended<T>);

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.entry.poll(cx).map(|ended| (*this.place, ended))
    }
}

/// Room for so many is made at once.
const USUAL: usize = 8;

impl<T> fmt::Debug for Scope<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("context", &*self.context)
            .field("running", &self.running.as_ref().map_or(0, FuturesUnordered::len))
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}
