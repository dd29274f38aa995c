//! Tasks that succeed or fail together.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Fault, listed};
use crate::context::{Cause, Child, Context, Ended};
use crate::error::{Error, Kind};

/// A group of tasks of which the first real error ends the rest.
///
/// Go's `errgroup`, with results in the order of spawning, panics raised again at [`join`](Group::join), and an
/// error that is never hidden by a sibling's "cancelled": a failure that is nothing but the end of the group's own
/// context counts only when there is no other.
///
/// Dropping the group aborts its tasks at their next await. To run tasks that come and go without results, use
/// [`Tracker`](super::Tracker).
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
    context: Child,
    tasks: JoinSet<(usize, Result<T, Error>)>,
    limit: Option<Arc<Semaphore>>,
}

impl<T: Send + 'static> Group<T> {
    /// An empty group whose tasks run under a child of `ctx`.
    pub fn new(ctx: &Context) -> Self {
        Self { context: ctx.child(), tasks: JoinSet::new(), limit: None }
    }

    /// At most `running` tasks at once, those after them in the order of spawning. Default: no limit.
    ///
    /// Tasks beyond the limit exist and wait; for a bounded backlog bound what you spawn. Zero runs none, ever, until
    /// the context ends.
    pub fn limit(mut self, running: usize) -> Self {
        self.limit = Some(Arc::new(Semaphore::new(running)));
        self
    }

    /// Spawns a task. `work` gets the group's context, which ends when a sibling fails.
    #[track_caller]
    pub fn spawn<F, Fut>(&mut self, name: &'static str, work: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send,
    {
        let index = self.tasks.len();
        let context = self.context.clone();
        let limit = self.limit.clone();
        self.tasks.spawn(listed(name, async move {
            let _place = match &limit {
                Some(limit) => match context.run(limit.acquire()).await {
                    Ok(place) => place.ok(),
                    Err(ended) => return (index, Err(ended.into())),
                },
                None => None,
            };
            (index, work(context).await)
        }));
    }

    /// How many tasks were spawned and not yet joined.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing was spawned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits for every task; none is left when this returns.
    ///
    /// # Errors
    ///
    /// The first error of a task. It has ended the group's context with itself as the cause.
    ///
    /// # Panics
    ///
    /// Raises the first panic of a task again, after all others have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the group, which aborts its tasks.
    pub async fn join(mut self) -> Result<Vec<T>, Error> {
        let mut results: Vec<Option<T>> = Vec::new();
        results.resize_with(self.tasks.len(), || None);
        let mut failure: Option<Error> = None;
        let mut echo: Option<Error> = None;
        let mut panic: Option<Box<dyn Any + Send>> = None;
        while let Some(joined) = self.tasks.join_next().await {
            match joined.map_err(Fault::from) {
                Ok((index, Ok(result))) => results[index] = Some(result),
                Ok((_, Err(error))) if self.is_echo(&error) => echo = echo.or(Some(error)),
                Ok((_, Err(error))) => {
                    self.context.cancel(Cause::Failed(error.clone()));
                    failure = failure.or(Some(error));
                }
                Err(Fault::Panicked(payload)) => {
                    self.context.cancel("a sibling panicked");
                    panic = panic.or(Some(payload));
                }
                Err(Fault::Aborted) => {
                    echo = echo.or_else(|| Some(Error::new(Kind::Cancelled, "a task was aborted")));
                }
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        match failure.or(echo) {
            Some(error) => Err(error),
            None => Ok(results.into_iter().flatten().collect()),
        }
    }

    /// Whether `error` only says that the group's context has ended.
    fn is_echo(&self, error: &Error) -> bool {
        self.context.is_cancelled() && error.find::<Ended>().is_some()
    }
}

impl<T> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("context", &*self.context)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
