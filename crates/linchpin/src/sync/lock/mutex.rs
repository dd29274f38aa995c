//! The mutex.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{self, PoisonError, TryLockError};

use super::imp::{Hold, Identity};
use super::report::Access;

/// std's mutex, which in a debug build finds deadlocks before they strike: see [`lock`](super).
///
/// Taken all the same if a holder panicked: there is no poison. The guard stays on its thread, so a spawned future
/// cannot keep it across an await. The line that calls [`new`](Self::new) is what reports call the lock, and what makes
/// its kind; a constructor of yours hands the line of its caller on with `#[track_caller]`.
///
/// Go's `sync.Mutex`, which has neither value nor guard, and finds no deadlock but one of all goroutines at once.
pub struct Mutex<T: ?Sized> {
    identity: Identity,
    inner: sync::Mutex<T>,
}

/// A [`Mutex`] that is held, until this is dropped.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    // First, so that the lock is given back before anything is told.
    inner: sync::MutexGuard<'a, T>,
    _hold: Hold,
}

/// Takes two locks in the order of their addresses, so that no two callers wait for each other; the guards come in the
/// order of the arguments.
///
/// For two of a kind, of which now one and now the other is named first: a transfer between accounts. C++'s
/// `scoped_lock`.
///
/// # Panics
///
/// If both are the same lock.
///
/// ```
/// use linchpin::sync::{Mutex, lock::both};
///
/// let accounts = [10, 0].map(Mutex::new);
/// let (mut from, mut to) = both(&accounts[0], &accounts[1]);
/// *from -= 7;
/// *to += 7;
/// drop((from, to));
/// assert_eq!(accounts.map(Mutex::into_inner), [3, 7]);
/// ```
#[cfg_attr(debug_assertions, track_caller)]
pub fn both<'a, T: ?Sized>(
    a: &'a Mutex<T>,
    b: &'a Mutex<T>,
) -> (MutexGuard<'a, T>, MutexGuard<'a, T>) {
    let address = |lock: &'a Mutex<T>| std::ptr::from_ref(lock).cast::<()>();
    assert!(!std::ptr::addr_eq(a, b), "both are one lock");
    if address(a) < address(b) {
        let first = a.lock();
        let second = b.lock_next_to(a);
        (first, second)
    } else {
        let first = b.lock();
        let second = a.lock_next_to(b);
        (second, first)
    }
}

// ===== impl Mutex =====

impl<T> Mutex<T> {
    /// A lock around `value`, named by the line of the caller.
    #[cfg_attr(debug_assertions, track_caller)]
    pub const fn new(value: T) -> Self {
        Self { identity: Identity::new(), inner: sync::Mutex::new(value) }
    }

    /// A lock that reports call `name`, and of one kind with all of that name.
    #[cfg_attr(debug_assertions, track_caller)]
    pub const fn named(name: &'static str, value: T) -> Self {
        Self { identity: Identity::named(name), inner: sync::Mutex::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock, blocking the thread.
    ///
    /// # Panics
    ///
    /// In a debug build if this thread holds it; under the feature `testing` for each [`Report`](super::Report) but a
    /// long hold. In a release build it hangs or panics, as std's does.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.identity.before(Access::Lock, None);
        self.wait()
    }

    /// The lock, unless somebody holds it.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(MutexGuard { inner, _hold: self.identity.taken(Access::Lock) })
    }

    /// The value, which nobody else can see.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`lock`](Self::lock), in the order of addresses after `other`, whatever their kinds.
    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    fn lock_next_to(&self, other: &Self) -> MutexGuard<'_, T> {
        self.identity.before(Access::Lock, Some(&other.identity));
        self.wait()
    }

    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    fn wait(&self) -> MutexGuard<'_, T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { inner, _hold: self.identity.taken(Access::Lock) }
    }
}

impl<T: Default> Default for Mutex<T> {
    #[cfg_attr(debug_assertions, track_caller)]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[cfg_attr(debug_assertions, track_caller)]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("Mutex").field(&&*value).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

// ===== impl MutexGuard =====

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

#[cfg(not(debug_assertions))]
const _: () = {
    assert!(size_of::<Mutex<u8>>() == size_of::<sync::Mutex<u8>>());
    assert!(
        size_of::<Option<MutexGuard<'_, u8>>>() == size_of::<Option<sync::MutexGuard<'_, u8>>>()
    );
};
