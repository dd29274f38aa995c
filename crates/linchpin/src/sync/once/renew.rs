//! A value that is made once, and again when it has become stale.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::cell::Once;
use crate::context::Context;
use crate::resilience::Failed;
use crate::sync::biased::{self, Biased};

/// A value that many use and anyone may declare stale: a token, a set of keys, a connection that broke.
///
/// Each reset puts a new [`Once`] in the place of the old. So a value whose making began before a reset is never given to
/// who comes after it: it goes to those who waited for it, and into the old cell. Whoever has the old value keeps it as
/// long as it likes.
///
/// **Many find it stale at once**: each says [`replace`](Self::replace) of the value it has, and only the first of them
/// resets; the others find that it is not the current one any more. All get one new value.
///
/// ```
/// # use linchpin::{Context, sync::once::Renewable};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let ctx = Context::root();
/// # async fn log_in() -> Result<String, &'static str> { Ok("secret".to_owned()) }
/// let token: Renewable<String> = Renewable::new();
/// let held = token.get_or_load(&ctx, log_in).await.unwrap();
/// // ... the service says that it has expired:
/// assert!(token.replace(&held));
/// assert!(!token.replace(&held), "that was the old one");
/// assert_eq!(*token.get_or_load(&ctx, log_in).await.unwrap(), "secret");
/// # }
/// ```
pub struct Renewable<T> {
    cell: Biased<Arc<Once<T>>>,
}

/// A value of a [`Renewable`], which may have been renewed since. Clones share it.
pub struct Current<T> {
    once: Arc<Once<T>>,
}

impl<T> Renewable<T> {
    /// Without a value.
    #[must_use]
    pub fn new() -> Self {
        Self { cell: Biased::new(Arc::default()) }
    }

    /// The value, if it is there.
    #[must_use]
    pub fn get(&self) -> Option<Current<T>> {
        let once = self.now();
        once.get().is_some().then(|| Current { once })
    }

    /// The value, which `work` makes if there is none: [`Once::get_or_load`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn get_or_load<E, F, Fut>(
        &self,
        ctx: &Context,
        work: F,
    ) -> Result<Current<T>, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let once = self.now();
        once.get_or_load(ctx, work).await?;
        Ok(Current { once })
    }

    /// The same for a thread, which blocks while somebody else makes the value: [`Once::get_or_try_init`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Current<T>, E> {
        let once = self.now();
        once.get_or_try_init(make)?;
        Ok(Current { once })
    }

    /// Declares whatever value there is stale: who comes from now on makes another.
    pub fn reset(&self) {
        self.put_new(|_| true);
    }

    /// Declares `stale` what it says, unless somebody has done so before; whether it was so.
    pub fn replace(&self, stale: &Current<T>) -> bool {
        self.put_new(|once| Arc::ptr_eq(once, &stale.once))
    }

    fn now(&self) -> Arc<Once<T>> {
        self.cell.read(biased::mine(), Arc::clone)
    }

    fn put_new(&self, is_stale: impl FnOnce(&Arc<Once<T>>) -> bool) -> bool {
        let mut new = Arc::default();
        let mut cell = self.cell.lock(biased::mine(), biased::all);
        let is_stale = is_stale(&cell);
        if is_stale {
            std::mem::swap(&mut *cell, &mut new);
        }
        // What is let go, a value of the user's, is dropped when the lock is free.
        drop(cell);
        is_stale
    }
}

impl<T> Default for Renewable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Renewable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Renewable").field(&*self.now()).finish()
    }
}

// ===== impl Current =====

impl<T> Deref for Current<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.once.get().expect("made of a cell that has its value, which it keeps")
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self { once: self.once.clone() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&**self).finish()
    }
}
