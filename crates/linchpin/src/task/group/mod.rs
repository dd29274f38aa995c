//! Tasks that succeed or fail together.

mod crew;
mod shared;
mod spawned;
mod verdict;
mod worker;

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;

pub(crate) use self::shared::{Shared, Ticket};
pub(crate) use self::verdict::{Outcome, Place, Verdict};
pub(crate) use self::worker::Job;
use super::registry::{Kind, Place as Listing};
use super::{Listed, SpawnSpan, Task, raw};
use crate::context::{Cause, Context, Ended};
use crate::error::Error;

/// A group of tasks of which the first real error ends the rest.
///
/// Go's `errgroup`, with results in the order of spawning, panics raised again at [`join`](Group::join), and an
/// error that is never hidden by a sibling's "cancelled": a failure that is nothing but the end of the group's own
/// context counts only when there is no other. The error ends the group's context the moment it is returned, with
/// itself as the cause, whether or not anybody joins yet.
///
/// | a task | the others | `join` |
/// |---|---|---|
/// | returns an error | their context ends, with the error as its cause | returns the first error |
/// | panics | their context ends | raises the first panic again, which goes before errors; further ones are logged and counted |
/// | had not begun when the context ended | | it never begins |
///
/// Work that does not wait is run one piece after the other by as many tasks of the runtime as there are threads; what
/// waits has one for itself, so that nothing waits for its siblings but under a [limit](Self::limit).
///
/// Dropping the group aborts its tasks at their next await; [`join`](Self::join) and [`shutdown`](Self::shutdown) are
/// what guarantees that none is left. Blocking work cannot be stopped and stays in [`live`](super::live) until it ends.
/// A group keeps the room of a result for each task until it is joined: for tasks that come and go use
/// [`Tracker`](super::Tracker), for futures that borrow [`Scope`](super::Scope).
///
/// ```
/// # use linchpin::{Context, task::Group};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let mut group = Group::new(&Context::root());
/// for n in 1..=3 {
///     group.spawn("square", move |_ctx| async move { Ok(n * n) });
/// }
/// assert_eq!(group.join().await?, [1, 4, 9]);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping the group aborts its tasks"]
pub struct Group<T> {
    shared: Arc<Shared<T>>,
    limit: Option<usize>,
    /// Tasks that came.
    entered: usize,
    /// Those among them with a place among the results.
    results: usize,
    /// Whether it is known how many threads the runtime has.
    is_manned: bool,
}

/// Why a group did not take a task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotSpawned {
    /// The group's context has ended.
    Ended(Ended),
    /// As many tasks run as may.
    Full {
        /// The group's limit.
        limit: usize,
    },
}

// ===== impl Group =====

impl<T: Send + 'static> Group<T> {
    /// An empty group whose tasks run under a child of `ctx`.
    pub fn new(ctx: &Context) -> Self {
        let shared = Shared::new(ctx.child());
        Self { shared, limit: None, entered: 0, results: 0, is_manned: false }
    }

    /// At most `running` tasks at once, those after them in the order of spawning. Default: no limit.
    ///
    /// Tasks beyond the limit wait in a queue that has no bound of its own: bound what you spawn, or use
    /// [`try_spawn`](Self::try_spawn). Zero runs none, ever, until the context ends. Blocking work and forks do not
    /// count.
    pub fn limit(mut self, running: usize) -> Self {
        self.limit = Some(running);
        self.shared.limit(running);
        self
    }

    /// A failure or a panic does not end the others; [`join`](Self::join) returns all errors joined.
    pub fn keep_going(self) -> Self {
        self.shared.keep_going();
        self
    }

    /// The context of the tasks.
    #[must_use]
    pub fn context(&self) -> &Context {
        self.shared.context()
    }

    /// Spawns a task. `work` gets the group's context, which ends when a sibling fails.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn<F, Fut>(&mut self, name: &'static str, work: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.spawn_at(name, Location::caller(), work);
    }

    /// [`spawn`](Self::spawn) on behalf of the line `site`.
    pub(in crate::task) fn spawn_at<F, Fut>(
        &mut self,
        name: &'static str,
        site: &'static Location<'static>,
        work: F,
    ) where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        if !std::mem::replace(&mut self.is_manned, true) {
            self.shared.threads(Handle::current().metrics().num_workers());
        }
        let place = self.enter();
        let work = Listed::at(name, site, spawned::begin(self.context(), work));
        let sent = self.shared.push(Job { place, work: Box::pin(work) });
        worker::send(&self.shared, sent);
    }

    /// Spawns a task if it may run now.
    ///
    /// # Errors
    ///
    /// [`NotSpawned`] at the limit, and when the group's context has ended; `work` is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn try_spawn<F, Fut>(&mut self, name: &'static str, work: F) -> Result<(), NotSpawned>
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.context().check().map_err(NotSpawned::Ended)?;
        match self.limit {
            // Nobody else spawns, so that it is not full afterwards either.
            Some(limit) if self.shared.is_full() => Err(NotSpawned::Full { limit }),
            _ => {
                self.spawn(name, work);
                Ok(())
            }
        }
    }

    /// Spawns work that may block, on a thread of the runtime's blocking pool.
    ///
    /// Its context can be looked at ([`Context::check`]) and waited on ([`Context::blocking`]).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) {
        let listing = Listing::new(name, Location::caller(), Kind::Blocking);
        let place = self.enter();
        let ticket = Ticket::new(&self.shared, Some(place));
        let span = SpawnSpan::here();
        drop(tokio::task::spawn_blocking(move || spawned::block(ticket, listing, &span, work)));
    }

    /// Spawns a task with a result of a type of its own, which its handle gives.
    ///
    /// Its failure ends the group like any other and is what [`join`](Self::join) returns, which also waits for it; a
    /// panic is raised again there, and the handle says only that there was one. Dropping the handle aborts the task,
    /// which is no failure.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn fork<U, F, Fut>(&mut self, name: &'static str, work: F) -> Task<Result<U, Error>>
    where
        U: Send + 'static,
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, Error>> + Send + 'static,
    {
        self.entered += 1;
        let ticket = Ticket::new(&self.shared, None);
        let task = spawned::fork(ticket, Listed::new(name, spawned::begin(self.context(), work)));
        Task { handle: raw(task) }
    }

    /// Waits for every task; none is left when this returns, nor anything that one captured.
    ///
    /// # Errors
    ///
    /// The first error of a task. Where the group [keeps going](Self::keep_going), all of them, joined.
    ///
    /// # Panics
    ///
    /// Raises the first panic of a task again, after all others have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the group, which aborts its tasks.
    pub async fn join(self) -> Result<Vec<T>, Error> {
        self.emptied().await;
        self.shared.verdict().join()
    }

    /// Waits for every task, and returns the result of each, in the order of spawning.
    ///
    /// Without [`keep_going`](Self::keep_going) those after a failure say that their context ended.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// As [`join`](Self::join).
    pub async fn settle(self) -> Vec<Result<T, Error>> {
        self.emptied().await;
        self.shared.verdict().settle()
    }

    /// Ends the context as a shutdown, aborts every task at its next await, and waits until none is left.
    ///
    /// Blocking work is told through its context, and waited for.
    ///
    /// # Panics
    ///
    /// As [`join`](Self::join).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the tasks aborted, and not waited for.
    pub async fn shutdown(self) {
        self.end(Cause::Shutdown);
        self.emptied().await;
        drop(self.shared.verdict().settle());
    }

    /// A task comes whose result has the next place.
    fn enter(&mut self) -> Place {
        let place = Place::after(self.results);
        self.entered += 1;
        self.results += 1;
        place
    }

    async fn emptied(&self) {
        let mut ended = pin!(self.context().cancelled());
        // Without a limit nothing waits for another's end.
        let mut live = self.limit.is_some();
        poll_fn(|cx| {
            // What waits for a place would never get one under a limit of zero.
            if live && ended.as_mut().poll(cx).is_ready() {
                live = false;
                self.shared.drop_queue();
            }
            self.shared.poll_gone(self.entered, cx)
        })
        .await;
    }
}

impl<T> Group<T> {
    /// How many tasks are there that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entered - self.shared.gone()
    }

    /// Whether no task is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the context with `cause`, and every task at its next await.
    pub(in crate::task) fn end(&self, cause: Cause) {
        self.shared.context().cancel(cause);
        self.abort();
    }

    fn abort(&self) {
        if !self.is_empty() {
            self.shared.abort();
        }
    }
}

impl<T> Drop for Group<T> {
    fn drop(&mut self) {
        self.abort();
        self.shared.context().cancel(Cause::Dropped);
    }
}

impl<T> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("context", &**self.shared.context())
            .field("tasks", &self.len())
            .finish_non_exhaustive()
    }
}

// ===== impl NotSpawned =====

impl fmt::Display for NotSpawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(ended) => write!(f, "not spawned: the group has {ended}"),
            Self::Full { limit } => write!(f, "not spawned: {limit} tasks run, as many as may"),
        }
    }
}

impl std::error::Error for NotSpawned {}
