//! What is held of a semaphore.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::Semaphore;

/// Permits that are held. Dropping them gives them back, to the next in line.
///
/// `Permit` alone owns a handle of its semaphore and may go wherever it likes; a `Permit<&Semaphore>` borrows one, and
/// saves two atomic operations.
#[must_use = "dropping the permit at once gives it back"]
pub struct Permit<S: Borrow<Semaphore> = Semaphore> {
    semaphore: S,
    permits: usize,
}

impl<S: Borrow<Semaphore>> Permit<S> {
    pub(super) fn new(semaphore: S, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// How many there are of them.
    #[must_use]
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Takes `permits` of them out, to be given back apart. `None`, and nothing is changed, if there are not as many.
    ///
    /// ```
    /// # use linchpin::sync::semaphore::{Options, Semaphore};
    /// let memory = Semaphore::new(100, Options::default())?;
    /// let mut reserved = memory.try_acquire(60)?;
    /// let needed = reserved.split(25).unwrap();
    /// drop(reserved);
    /// assert_eq!((needed.permits(), memory.available()), (25, 75));
    /// # Ok::<(), linchpin::Error>(())
    /// ```
    pub fn split(&mut self, permits: usize) -> Option<Self>
    where
        S: Clone,
    {
        self.permits = self.permits.checked_sub(permits)?;
        Some(Self::new(self.semaphore.clone(), permits))
    }

    /// Adds the permits of `other`, to be given back together.
    ///
    /// # Panics
    ///
    /// If they are of another semaphore; they are given back to that.
    pub fn merge(&mut self, mut other: Self) {
        let (ours, theirs) = (&self.semaphore.borrow().0, &other.semaphore.borrow().0);
        assert!(Arc::ptr_eq(ours, theirs), "merged permits of two semaphores");
        self.permits += std::mem::take(&mut other.permits);
    }

    /// Leaves them taken, to be given back by [`Semaphore::give_back`].
    pub(crate) fn keep(mut self) {
        self.permits = 0;
    }

    /// Never gives them back: the semaphore is smaller by as many.
    ///
    /// If it has shrunk and waits for permits to come back, these count as come back.
    pub fn forget(mut self) {
        let permits = std::mem::take(&mut self.permits);
        self.semaphore.borrow().0.forget(permits);
    }
}

impl<S: Borrow<Semaphore>> Drop for Permit<S> {
    fn drop(&mut self) {
        self.semaphore.borrow().0.give(self.permits);
    }
}

impl<S: Borrow<Semaphore>> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
