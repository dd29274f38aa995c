//! Those who go on together.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::context::{Context, Ended};
use crate::resilience::BadOptions;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::waiters::{Over, Place, Ticket, Wait, Waiters};

/// A place where so many must have come before any goes on; then it begins again. Clones share it.
///
/// For work in steps of which each needs all of the one before. Tokio's `Barrier` is the same until a wait is dropped,
/// by a timeout or a `select!`: it goes on counting who left, so that the others pass one short, and one too many waits
/// ever after. Here whoever goes is not counted, and a wait ends with its context. Give all of them the context of one
/// [`Group`](crate::task::Group), so that one which fails ends the waits of the others.
///
/// ```
/// # use linchpin::{Context, sync::event::Barrier, task::Group};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let step = Barrier::new(3)?;
/// let mut group = Group::new(&Context::root());
/// for _ in 0..3 {
///     let step = step.clone();
///     group.spawn("part", move |ctx| async move { Ok(step.wait(&ctx).await?.is_leader()) });
/// }
/// let leaders = group.join().await?.into_iter().filter(|leads| *leads).count();
/// assert_eq!(leaders, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Barrier(Arc<Arrivals>);

/// Who passed a [`Barrier`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Passed {
    leader: bool,
}

/// Who has come is who waits: a number of its own could differ from it.
pub(crate) struct Arrivals {
    parties: usize,
    waiters: Mutex<Waiters>,
}

// ===== impl Barrier =====

impl Barrier {
    /// A barrier for `parties`.
    ///
    /// # Errors
    ///
    /// For none, who would never come.
    pub fn new(parties: usize) -> Result<Self, BadOptions> {
        if parties == 0 {
            return Err(BadOptions::new("Barrier", "nobody would ever come; say at least 1"));
        }
        Ok(Self(Arc::new(Arrivals::new(parties))))
    }

    /// For how many it is.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.0.parties
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.0.waiters).len()
    }

    /// Waits until all have come. One of them leads: the last to come.
    ///
    /// # Errors
    ///
    /// [`Ended`], if the context ends first, or had ended before. The others wait for one more then. If both happen at
    /// once, all had come.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before all have come takes the arrival back. Once all have come it counts, polled or not.
    pub async fn wait(&self, ctx: &Context) -> Result<Passed, Ended> {
        let over = ctx.run(Wait::at(&*self.0)).await?;
        Ok(Passed { leader: over == Over::AtOnce })
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

// ===== impl Passed =====

impl Passed {
    /// Whether this one came last: one in each round does, and may do what is to be done once.
    #[must_use]
    pub fn is_leader(self) -> bool {
        self.leader
    }
}

// ===== impl Arrivals =====

impl Arrivals {
    pub(crate) fn new(parties: usize) -> Self {
        Self { parties, waiters: Mutex::new(Waiters::default()) }
    }
}

impl Place for &Arrivals {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        let mut waiters = lock(&self.waiters);
        if waiters.len() + 1 < self.parties {
            return Some(waiters.enter(waker));
        }
        if planted(Fault::BarrierCallsLater) {
            drop(waiters);
            waiters = lock(&self.waiters);
        }
        let calls = waiters.call();
        drop(waiters);
        drop(calls);
        None
    }

    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        work(&mut lock(&self.waiters))
    }
}
