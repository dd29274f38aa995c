//! One call: it leads a flight, or waits for one, until there is something to give.

use std::borrow::Borrow;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};

use super::flight::{Begun, Core, Flight, Outcome};
use super::join::Join;
use super::table::Entered;
use crate::context::Context;
use crate::resilience::Failed;
use crate::shim::atomic::Ordering::Relaxed;

/// What a leader does.
pub(crate) trait Work {
    type Future;

    fn begin(self, flight: Flight<'_>) -> Self::Future;
}

impl<F, Fut> Work for F
where
    F: FnOnce(Flight<'_>) -> Fut,
{
    type Future = Fut;

    fn begin(self, flight: Flight<'_>) -> Fut {
        self(flight)
    }
}

/// A call by a context that had not ended. Dropping it leaves the flight, and cancels it if nobody else waits.
pub(crate) struct Run<'a, C, K, V, E, W> {
    core: C,
    ctx: &'a Context,
    hash: u64,
    /// Both are there until it leads.
    key: Option<K>,
    work: Option<W>,
    join: Option<Join<'a, Outcome<V, E>>>,
    /// It has come anew for an error that was not its own.
    insists: bool,
}

impl<'a, C, K, V, E, W> Run<'a, C, K, V, E, W> {
    pub(super) fn new(core: C, ctx: &'a Context, hash: u64, key: K, work: W) -> Self {
        let (key, work) = (Some(key), Some(work));
        Self { core, ctx, hash, key, work, join: None, insists: false }
    }

    /// Whether it has led a flight.
    pub(crate) fn has_led(&self) -> bool {
        self.work.is_none()
    }
}

/// Nothing is pinned in it.
impl<C, K, V, E, W> Unpin for Run<'_, C, K, V, E, W> {}

impl<C, K, V, E, W, Fut> Future for Run<'_, C, K, V, E, W>
where
    C: Borrow<Arc<Core<K, V, E>>>,
    K: Hash + Eq + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    W: Work<Future = Fut>,
    Fut: Future<Output = Result<V, E>> + Send + 'static,
{
    type Output = Result<V, Failed<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let run = &mut *self;
        let core = run.core.borrow();
        loop {
            if let Some(join) = &mut run.join {
                let leads = join.leads();
                let outcome = ready!(Pin::new(join).poll(cx));
                // It leaves before it comes anew, and before somebody knows of the end.
                run.join = None;
                match outcome? {
                    None => {}
                    Some(Outcome::Gone) if !leads => {}
                    Some(Outcome::Failed(_))
                        if !leads && !core.share_errors.load(Relaxed) && !run.insists =>
                    {
                        run.insists = true;
                    }
                    Some(outcome) => return Poll::Ready(outcome.into_result()),
                }
            }
            let (record, leads) = match core.table.enter(run.hash, &mut run.key) {
                Entered::Joins(record) => (record, false),
                Entered::Leads { place, limit } => {
                    let work = run.work.take().expect("who has led does not come anew");
                    match core.begin(place, limit, work) {
                        Begun::Done(outcome) => return Poll::Ready(outcome.into_result()),
                        Begun::Flies(record) => (record, true),
                    }
                }
            };
            run.join = Some(Join::new(record, leads, run.ctx));
        }
    }
}
