//! A cell that knows how its value is made.

use std::fmt;
use std::ops::Deref;

use super::cell::Once;
use crate::context::Context;
use crate::resilience::Failed;

/// A value that is made when it is first needed, by work that is given beforehand.
///
/// std's `LazyLock` and Go's `sync.OnceValue`, except that an attempt that panics is none: the next who needs the value
/// makes another, where those two fail for ever. So the work is called as often as it takes. All else is as with
/// [`Once`].
///
/// | the work is | the value is had by |
/// |---|---|
/// | `Fn() -> T` | `*lazy`, [`get`](Self::get) |
/// | `Fn() -> Result<T, E>` | [`try_get`](Self::try_get) |
/// | `Fn() -> impl Future<Output = Result<T, E>>` | [`load`](Self::load) |
///
/// ```
/// use linchpin::sync::once::Lazy;
///
/// static PRIMES: Lazy<Vec<u32>> = Lazy::new(|| vec![2, 3, 5, 7]);
/// assert_eq!(PRIMES.last(), Some(&7));
/// ```
pub struct Lazy<T, F = fn() -> T> {
    once: Once<T>,
    make: F,
}

impl<T, F> Lazy<T, F> {
    /// A value that `make` will make, for a `static`, too.
    #[must_use]
    #[cfg(not(linchpin_loom))]
    pub const fn new(make: F) -> Self {
        Self { once: Once::new(), make }
    }

    /// The same where models run.
    #[must_use]
    #[cfg(linchpin_loom)]
    pub fn new(make: F) -> Self {
        Self { once: Once::new(), make }
    }

    /// The value, if it was made.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        self.once.get()
    }

    /// Takes the value out; it is made again when it is needed again.
    pub fn reset(&mut self) -> Option<T> {
        self.once.take()
    }
}

impl<T, F: Fn() -> T> Lazy<T, F> {
    /// The value; blocks the thread while somebody else makes it. So does the dereference.
    ///
    /// # Panics
    ///
    /// If the work does, which harms nobody else, or asks for the value it makes.
    #[inline]
    pub fn get(&self) -> &T {
        self.once.get_or_init(&self.make)
    }
}

impl<T, F> Lazy<T, F> {
    /// The value of work that may fail; blocks the thread while somebody else makes it.
    ///
    /// # Errors
    ///
    /// That of the work. The next who needs the value makes another attempt.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[inline]
    pub fn try_get<E>(&self) -> Result<&T, E>
    where
        F: Fn() -> Result<T, E>,
    {
        self.once.get_or_try_init(&self.make)
    }

    /// The value of work that waits.
    ///
    /// # Errors
    ///
    /// As [`Once::get_or_load`].
    ///
    /// # Cancel safety
    ///
    /// As [`Once::get_or_load`].
    pub async fn load<E, Fut>(&self, ctx: &Context) -> Result<&T, Failed<E>>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.once.get_or_load(ctx, &self.make).await
    }
}

impl<T, F: Fn() -> T> Deref for Lazy<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: Default> Default for Lazy<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peek() {
            Some(value) => f.debug_tuple("Lazy").field(value).finish(),
            None => f.write_str("Lazy(<none>)"),
        }
    }
}
