//! The work of a flight: begun by its leader, and gone on with by a task of the group.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};
use std::time::Duration;

use super::options::Options;
use super::record::Record;
use super::run::Work;
use super::table::{Place, Table};
use crate::context::{Cause, Child, Context, Ended};
use crate::error::{Error, catch, catch_async};
use crate::resilience::{Failed, FailedKind};
use crate::shim::atomic::{AtomicBool, Ordering};
use crate::sync::striped::stripes;
use crate::task;

/// What the work of a flight is told.
#[derive(Clone, Copy, Debug)]
pub struct Flight<'a> {
    context: &'a OnceCell<Child>,
    limit: Option<Duration>,
}

/// What a flight came to, for all who wait.
#[derive(Clone)]
pub(crate) enum Outcome<V, E> {
    Value(V),
    Failed(E),
    Panicked(Error),
    TimedOut,
    /// The runtime went away with the task.
    Gone,
}

/// What all clones of a group share with its tasks.
pub(crate) struct Core<K, V, E> {
    pub(super) table: Table<K, Outcome<V, E>>,
    pub(super) name: &'static str,
    pub(super) share_errors: AtomicBool,
}

/// What became of work that was begun.
pub(super) enum Begun<V, E> {
    Done(Outcome<V, E>),
    Flies(Arc<Record<Outcome<V, E>>>),
}

/// A flight that has not ended. Dropped, it ends as [`Outcome::Gone`].
struct Airborne<K, V, E> {
    core: Arc<Core<K, V, E>>,
    place: Option<Place>,
}

// ===== impl Flight =====

impl Flight<'_> {
    /// The context of the flight, for what it calls: it ends when the last waiter has left, when the flight has taken as
    /// long as it [may](Options::max_flight), and when it is over. It has no values and no deadline of a caller, since the
    /// work is nobody's own.
    ///
    /// It is made when it is first asked for, and again is the same.
    #[must_use]
    pub fn context(&self) -> Context {
        let make = || match self.limit {
            Some(limit) => Context::root().with_timeout(limit),
            None => Context::root().child(),
        };
        Context::clone(self.context.get_or_init(make))
    }
}

// ===== impl Core =====

impl<K, V, E> Core<K, V, E> {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            table: Table::with(stripes::usual(), options.rules()),
            name: options.name,
            share_errors: AtomicBool::new(options.share_errors),
        }
    }

    /// All but the name.
    pub(super) fn set(&self, options: &Options) {
        self.table.set(options.rules());
        self.share_errors.store(options.share_errors, Ordering::Relaxed);
    }
}

impl<K, V, E> Core<K, V, E>
where
    K: Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Calls `work` and polls it once, on the task of the leader: what is ready at once needs no task. What is not is
    /// spawned, and polled there again.
    pub(super) fn begin<W, Fut>(
        self: &Arc<Self>,
        place: Place,
        limit: Option<Duration>,
        work: W,
    ) -> Begun<V, E>
    where
        W: Work<Future = Fut>,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let context = OnceCell::new();
        let flight = Flight { context: &context, limit };
        let polled = catch(|| {
            let mut work = Box::pin(work.begin(flight));
            // The task will poll it with a waker of its own.
            match work.as_mut().poll(&mut Poller::from_waker(Waker::noop())) {
                Poll::Ready(result) => Ok(Outcome::from(result)),
                Poll::Pending => Err(work),
            }
        });
        match polled {
            Ok(Ok(outcome)) => Begun::Done(self.land(place, outcome)),
            Ok(Err(work)) => Begun::Flies(self.fly(place, limit, context.into_inner(), work)),
            Err(panicked) => Begun::Done(self.land(place, Outcome::Panicked(panicked))),
        }
    }

    fn fly<Fut>(
        self: &Arc<Self>,
        place: Place,
        limit: Option<Duration>,
        context: Option<Child>,
        work: Pin<Box<Fut>>,
    ) -> Arc<Record<Outcome<V, E>>>
    where
        Fut: Future<Output = Result<V, E>> + Send + 'static,
    {
        let record = self.table.record(place);
        let mut airborne = Airborne { core: self.clone(), place: Some(place) };
        let task = task::spawn(self.name, async move {
            let outcome = within(limit, catch_async(work)).await;
            airborne.land(outcome.map_or(Outcome::TimedOut, Outcome::from));
        });
        record.flies(context, task);
        record
    }
}

impl<K, V, E> Core<K, V, E>
where
    V: Clone,
    E: Clone,
{
    /// Ends a flight for all who wait, and has its outcome for one more.
    fn land(&self, place: Place, outcome: Outcome<V, E>) -> Outcome<V, E> {
        if let Some(record) = self.table.remove(place) {
            // Whoever waits hears of it even where a value cannot be cloned.
            record.land(catch(|| outcome.clone()).unwrap_or_else(Outcome::Panicked));
        }
        outcome
    }
}

/// What `work` comes to, or `None` if that takes too long. The clock is not read before the work has been polled.
async fn within<F: Future>(limit: Option<Duration>, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut alarm = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(limit) = limit else { return Poll::Pending };
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        alarm.as_mut().poll(cx).map(|()| None)
    })
    .await
}

// ===== impl Airborne =====

impl<K, V, E> Airborne<K, V, E> {
    fn land(&mut self, outcome: Outcome<V, E>) {
        if let Some(place) = self.place.take()
            && let Some(record) = self.core.table.remove(place)
        {
            record.land(outcome);
        }
    }
}

impl<K, V, E> Drop for Airborne<K, V, E> {
    fn drop(&mut self) {
        self.land(Outcome::Gone);
    }
}

// ===== impl Outcome =====

impl<V, E> Outcome<V, E> {
    pub(super) fn into_result(self) -> Result<V, Failed<E>> {
        let kind = match self {
            Self::Value(value) => return Ok(value),
            Self::Failed(error) => FailedKind::Callee(error),
            Self::Panicked(error) => FailedKind::Panicked(error),
            Self::TimedOut => FailedKind::TimedOut,
            Self::Gone => FailedKind::Ended(Ended::from(Cause::Shutdown)),
        };
        Err(kind.into())
    }
}

impl<V, E> From<Result<V, E>> for Outcome<V, E> {
    fn from(result: Result<V, E>) -> Self {
        result.map_or_else(Self::Failed, Self::Value)
    }
}

impl<V, E> From<Result<Result<V, E>, Error>> for Outcome<V, E> {
    fn from(caught: Result<Result<V, E>, Error>) -> Self {
        caught.map_or_else(Self::Panicked, Self::from)
    }
}
