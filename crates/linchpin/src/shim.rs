//! The locks and atomics that our own protocols are made of: std's, or loom's under `--cfg linchpin_loom`.
//!
//! A protocol imports them from here, so that `scripts/model-check` explores its interleavings, weak memory included.
//! Reference counts stay std's `Arc` everywhere: no protocol of ours depends on their ordering.

#[cfg(linchpin_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(linchpin_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

use std::sync::PoisonError;

/// Locks; a poisoned lock is taken all the same.
///
/// Only for state that is whole between any two statements under the lock, so that a panic leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mistake that a model must catch, or it proves nothing: compiled in for models alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// A consumer looks whether anything is there and leaves its waker under two holds of the lock, not one.
    BeltLooksBeforeItWaits,
    /// The last consumer wakes who waits for room and goes under two holds of the lock, not one.
    BeltWakesBeforeItIsAbandoned,
    /// A waiter looks whether its context has ended before it enters the lists, and not after.
    ContextLooksBeforeItEnters,
    /// An end is told to those who wait before it can be seen, and not after.
    ContextTellsBeforeItEnds,
    /// A joiner looks whether anybody is left and leaves its waker under two holds of the lock, not one.
    GroupLooksBeforeItRegisters,
    /// A submitter who leaves the line keeps the place that was granted to it.
    PoolForgetsTheNextInLine,
    /// A worker looks for a job and becomes idle under two holds of the lock, not one.
    PoolLooksBeforeItIdles,
    /// The receiver of a mailbox looks and leaves its waker under two holds of the lock, not one.
    MailboxLooksBeforeItRegisters,
    /// A task takes its number in the list and enters under another hold of the lock.
    RegistryCountsOutsideItsLock,
    /// A semaphore that shrank lets newcomers at what comes back before all it owes is withdrawn.
    SemaphoreForgetsItsDebt,
    /// A waiter of a semaphore that is dropped keeps the permits that were granted to it.
    SemaphoreForgetsWhoLeft,
    /// A waiter of a semaphore looks for permits before it says that it waits, and not after.
    SemaphoreLooksBeforeItWaits,
    /// Permits of a semaphore come back without what was written while they were held.
    SemaphoreReleasesNothing,
    /// A reader looks whether its loop gave an item and leaves its waker under two holds of the lock, not one.
    StreamLooksBeforeItWaits,
    /// The watch does not look again whether the thread still polls the task whose name it found.
    WatchLooksOnce,
}

/// Whether the running model has planted `fault`.
#[cfg(not(all(test, linchpin_loom)))]
pub(crate) const fn planted(_fault: Fault) -> bool {
    false
}

#[cfg(all(test, linchpin_loom))]
pub(crate) use crate::model::planted;
