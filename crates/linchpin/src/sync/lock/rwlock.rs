//! The lock with many readers or one writer.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{self, PoisonError, TryLockError};

use super::imp::{Hold, Identity};
use super::report::Access;

/// std's rwlock, which in a debug build finds deadlocks before they strike: see [`lock`](super).
///
/// Taken all the same if a holder panicked. A thread that reads must not read again: a writer that comes between waits
/// for the first read, and the second waits for the writer. A debug build tells that without a writer; Go's `RWMutex`
/// forbids it in its documentation.
///
/// Prefer a [`Mutex`](crate::sync::Mutex) for what is held only for a moment: readers of an rwlock write to its counter
/// too. For a value that is read all the time and replaced as a whole, use tokio's `watch` or an `Arc` behind a lock.
pub struct RwLock<T: ?Sized> {
    identity: Identity,
    inner: sync::RwLock<T>,
}

/// An [`RwLock`](crate::sync::RwLock) that is read, until this is dropped.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct ReadGuard<'a, T: ?Sized> {
    // First, so that the lock is given back before anything is told.
    inner: sync::RwLockReadGuard<'a, T>,
    _hold: Hold,
}

/// An [`RwLock`](crate::sync::RwLock) that is written to, until this is dropped.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct WriteGuard<'a, T: ?Sized> {
    inner: sync::RwLockWriteGuard<'a, T>,
    _hold: Hold,
}

// ===== impl RwLock =====

impl<T> RwLock<T> {
    /// A lock around `value`, named by the line of the caller.
    #[cfg_attr(debug_assertions, track_caller)]
    pub const fn new(value: T) -> Self {
        Self { identity: Identity::new(), inner: sync::RwLock::new(value) }
    }

    /// A lock that reports call `name`, and of one kind with all of that name.
    #[cfg_attr(debug_assertions, track_caller)]
    pub const fn named(name: &'static str, value: T) -> Self {
        Self { identity: Identity::named(name), inner: sync::RwLock::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes, and no writer waits.
    ///
    /// # Panics
    ///
    /// As [`Mutex::lock`](crate::sync::Mutex::lock).
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn read(&self) -> ReadGuard<'_, T> {
        self.identity.before(Access::Read, None);
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        ReadGuard { inner, _hold: self.identity.taken(Access::Read) }
    }

    /// Waits until nobody reads and nobody writes.
    ///
    /// # Panics
    ///
    /// As [`Mutex::lock`](crate::sync::Mutex::lock).
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn write(&self) -> WriteGuard<'_, T> {
        self.identity.before(Access::Write, None);
        let inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        WriteGuard { inner, _hold: self.identity.taken(Access::Write) }
    }

    /// The lock to read, unless somebody writes or waits to.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        let inner = match self.inner.try_read() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(ReadGuard { inner, _hold: self.identity.taken(Access::Read) })
    }

    /// The lock to write, unless somebody holds it.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        let inner = match self.inner.try_write() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(WriteGuard { inner, _hold: self.identity.taken(Access::Write) })
    }

    /// The value, which nobody else can see.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for RwLock<T> {
    #[cfg_attr(debug_assertions, track_caller)]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    #[cfg_attr(debug_assertions, track_caller)]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(value) => f.debug_tuple("RwLock").field(&&*value).finish(),
            None => f.write_str("RwLock(<locked>)"),
        }
    }
}

// ===== impl ReadGuard, WriteGuard =====

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

#[cfg(not(debug_assertions))]
const _: () = {
    assert!(size_of::<RwLock<u8>>() == size_of::<sync::RwLock<u8>>());
    assert!(size_of::<ReadGuard<'_, u8>>() == size_of::<sync::RwLockReadGuard<'_, u8>>());
    assert!(size_of::<WriteGuard<'_, u8>>() == size_of::<sync::RwLockWriteGuard<'_, u8>>());
};
