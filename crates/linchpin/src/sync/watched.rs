//! A value that many look at and wait for: the settings of now, the health of a part, how far something is.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use crate::context::Context;
use crate::shim::atomic::{AtomicUsize, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::channel::RecvError;
use crate::sync::waiters::{Place, Ticket, Waiters, Within};

/// A value that is replaced from time to time, for many [viewers](Viewer) each of which wants the latest.
///
/// Tokio's `watch`, with two differences. Nobody holds a lock on the value: a viewer has it in an `Arc`, so it may keep
/// it across an await, which with a `watch::Ref` stops the sender and, with it, everybody else. And while nothing has
/// changed, to look is one atomic load, for settings that every request reads. Prefer tokio's where the value is changed
/// in place, often, and is too large for a copy; prefer [`Packed`](super::packed::Packed) for what fits in a word.
///
/// Clones set the same value. When the last is dropped the viewers keep what they have, and who waits is told.
///
/// ```
/// # use linchpin::{Context, sync::watched::Watched};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let limit = Watched::new(10);
/// let mut viewer = limit.viewer();
/// assert_eq!(**viewer.get(), 10);
/// limit.set(20);
/// assert_eq!(**viewer.wait_for(&Context::root(), |limit| *limit > 10).await?, 20);
/// # Ok(())
/// # }
/// ```
pub struct Watched<T>(Arc<Owner<T>>);

/// One who looks at a [`Watched`] value. A clone has seen what its original has.
pub struct Viewer<T> {
    shared: Arc<Shared<T>>,
    value: Arc<T>,
    seen: usize,
}

/// What the clones of a [`Watched`] share; the last to go closes.
struct Owner<T>(Arc<Shared<T>>);

pub(crate) struct Shared<T> {
    /// How often the value was replaced, above [`CLOSED`]. Written under the lock.
    version: AtomicUsize,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    waiters: Waiters,
}

/// Where one waits who has seen a version.
pub(crate) struct Newer<'a, T> {
    pub(crate) shared: &'a Shared<T>,
    pub(crate) seen: usize,
}

const CLOSED: usize = 1;
const ONE: usize = 2;

// ===== impl Watched =====

impl<T> Watched<T> {
    /// `value`, which nobody looks at yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(Owner(Arc::new(Shared::new(value)))))
    }

    /// Replaces the value, which comes back.
    pub fn set(&self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        self.0.0.replace(|_| Some(value)).unwrap_or_else(|| unreachable!("there was one"))
    }

    /// Replaces the value by what `change` makes of it, unless that is nothing. Whether it did.
    ///
    /// Nobody else replaces it in between: `change` runs under the lock, so it must not come to the same value again. If
    /// it panics, nothing has changed.
    pub fn update(&self, change: impl FnOnce(&T) -> Option<T>) -> bool {
        self.0.0.replace(|value| change(value).map(Arc::new)).is_some()
    }

    /// Replaces the value by a copy of it that was changed: for what is changed in a part, seldom.
    ///
    /// As for [`update`](Self::update), `change` runs under the lock, and a panic in it changes nothing.
    pub fn modify(&self, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.update(|value| {
            let mut copy = value.clone();
            change(&mut copy);
            Some(copy)
        });
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.0.0.latest().0
    }

    /// One more who looks, and has seen the value of now.
    #[must_use]
    pub fn viewer(&self) -> Viewer<T> {
        let (value, seen) = self.0.0.latest();
        Viewer { shared: self.0.0.clone(), value, seen }
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Default> Default for Watched<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        self.0.version.fetch_or(CLOSED, Ordering::Release);
        let calls = state.waiters.call();
        drop(state);
        drop(calls);
    }
}

impl<T: fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.get()).finish()
    }
}

// ===== impl Viewer =====

impl<T> Viewer<T> {
    /// The latest value, which counts as seen. One load while it is the same.
    pub fn get(&mut self) -> &Arc<T> {
        if self.has_changed() {
            let (value, seen) = self.shared.latest();
            // The one before may be dropped here: under no lock.
            (self.value, self.seen) = (value, seen);
        }
        &self.value
    }

    /// The value that was seen last.
    #[must_use]
    pub fn seen(&self) -> &Arc<T> {
        &self.value
    }

    /// Whether there is one that was not seen.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        // Acquire: who sees a version finds its value, which the lock would see to as well.
        self.shared.version.load(Ordering::Acquire) & !CLOSED != self.seen
    }

    /// Waits for a value that was not seen. Of several the latest is there, the others are not.
    ///
    /// # Errors
    ///
    /// Closed, if nobody can set the value any more and the last was seen; or the context ends first.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned was not seen.
    pub async fn changed(&mut self, ctx: &Context) -> Result<&Arc<T>, RecvError> {
        ctx.check()?;
        if !self.has_changed() {
            Within::new(ctx, Newer { shared: &self.shared, seen: self.seen }).await?;
            if !self.has_changed() {
                return Err(RecvError::Closed);
            }
        }
        Ok(self.get())
    }

    /// Waits for a value of which `is_it` is true; that of now may be such.
    ///
    /// Values in between that are replaced before they are looked at are not asked.
    ///
    /// # Errors
    ///
    /// As for [`changed`](Self::changed).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn wait_for(
        &mut self,
        ctx: &Context,
        mut is_it: impl FnMut(&T) -> bool,
    ) -> Result<&Arc<T>, RecvError> {
        ctx.check()?;
        while !is_it(self.get()) {
            self.changed(ctx).await?;
        }
        Ok(&self.value)
    }
}

impl<T> Clone for Viewer<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), value: self.value.clone(), seen: self.seen }
    }
}

impl<T: fmt::Debug> fmt::Debug for Viewer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Viewer")
            .field("seen", &self.value)
            .field("has_changed", &self.has_changed())
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = State { value: Arc::new(value), waiters: Waiters::default() };
        Self { version: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    /// Puts in the place of the value what `change` gives, if anything; the one before comes out.
    pub(crate) fn replace(&self, change: impl FnOnce(&T) -> Option<Arc<T>>) -> Option<Arc<T>> {
        let mut state = lock(&self.state);
        let value = change(&state.value)?;
        let before = std::mem::replace(&mut state.value, value);
        self.version.fetch_add(ONE, Ordering::Release);
        let calls = state.waiters.call();
        drop(state);
        drop(calls);
        Some(before)
    }

    fn latest(&self) -> (Arc<T>, usize) {
        let state = lock(&self.state);
        (state.value.clone(), self.version.load(Ordering::Relaxed) & !CLOSED)
    }
}

impl<T> Place for Newer<'_, T> {
    fn enter(&self, waker: Waker) -> Option<Ticket> {
        let looked = || self.shared.version.load(Ordering::Relaxed) != self.seen;
        if planted(Fault::WatchedLooksBeforeItWaits) {
            let looked = looked();
            let mut state = lock(&self.shared.state);
            return (!looked).then(|| state.waiters.enter(waker));
        }
        let mut state = lock(&self.shared.state);
        if looked() {
            drop(state);
            return None;
        }
        Some(state.waiters.enter(waker))
    }

    fn was_called(&self, _: Ticket) -> bool {
        // Whoever replaces the value, or is the last to go, calls all in the same hold of the lock.
        self.shared.version.load(Ordering::Acquire) != self.seen
    }

    fn list<R>(&self, work: impl FnOnce(&mut Waiters) -> R) -> R {
        work(&mut lock(&self.shared.state).waiters)
    }
}
