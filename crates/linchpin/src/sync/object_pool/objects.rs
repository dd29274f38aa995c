//! A pool of objects of one type.

use std::fmt;
use std::sync::Arc;
use std::thread;

use crossbeam_utils::CachePadded;

use super::budget::Budget;
use super::hooks::Hooks;
use super::options::Options;
use super::pooled::Pooled;
use super::stats::{Stats, Tally};
use super::stock::{Keeper, Stock};
use crate::resilience::BadOptions;
use crate::sync::seat::{mine, mine_if_known};
use crate::task::contained;

/// Keeps objects that are dear to make, for their next use.
///
/// Go's `sync.Pool`, with a cap on what is kept, a reset that is not forgotten, and guards that give back by themselves.
/// Clones share what is kept. Nobody waits: where nothing lies ready an object is made, and how many are out at once is
/// not bounded.
///
/// An object has cache lines of its own, so that two threads with one each do not slow each other down, and 128 bytes at
/// least. One that comes back goes to the thread that gives it back, which keeps [a few](Options::per_thread), and what
/// is more is kept for [all](Options::max_kept). What does not fit there is dropped, and so is one that comes back
/// while its holder panics: nobody knows what state it is in.
///
/// | you have | use |
/// |---|---|
/// | bytes | [`BufferPool`](super::BufferPool) |
/// | something of which only so many may be in use | [`Semaphore`](crate::sync::Semaphore), and its permit beside the object |
/// | workers, not objects | [`task::pool`](crate::task::pool) |
/// | an object of a few hundred bytes without anything behind it | none: the allocator is as fast |
pub struct ObjectPool<T>(Arc<Inner<T>>);

struct Inner<T> {
    name: &'static str,
    make: Box<dyn Fn() -> T + Send + Sync>,
    hooks: Hooks<T>,
    stock: Stock<CachePadded<T>>,
    budget: Budget,
    tally: Tally,
}

/// The one kind of objects.
const ALL: usize = 0;

// ===== impl ObjectPool =====

impl<T> ObjectPool<T> {
    /// A pool that has nothing yet, and makes what it needs by `make`.
    ///
    /// # Errors
    ///
    /// If [more](Options::MOST_PER_THREAD) are to be kept for each thread than can be.
    pub fn new(
        make: impl Fn() -> T + Send + Sync + 'static,
        options: Options<T>,
    ) -> Result<Self, BadOptions> {
        options.check()?;
        Ok(Self(Arc::new(Inner {
            name: options.name,
            make: Box::new(make),
            hooks: options.hooks,
            stock: Stock::usual(&[options.per_thread]),
            budget: Budget::new(options.max_kept, options.max_bytes),
            tally: Tally::default(),
        })))
    }

    /// Takes an object that lies ready, or makes one.
    ///
    /// # Panics
    ///
    /// As the pool's `make` does; nothing is out then.
    #[inline]
    pub fn take(&self) -> Pooled<T, &Self> {
        Pooled::new(self, self.0.take())
    }

    /// The same for one that may outlive this handle, in a task or a struct.
    ///
    /// # Panics
    ///
    /// As [`take`](Self::take).
    #[inline]
    pub fn take_owned(&self) -> Pooled<T> {
        Pooled::new(self.clone(), self.0.take())
    }

    /// Gives the pool an object that was made elsewhere, or was [detached](Pooled::detach), as if it came back.
    pub fn give(&self, object: T) {
        self.0.stock.count_taken(mine());
        self.0.tally.made();
        self.0.give(Box::new(CachePadded::new(object)));
    }

    /// Drops all that is kept for all threads and for this one. What is kept for another it drops itself, when it comes
    /// to the pool again.
    pub fn clear(&self) {
        self.0.stock.clear(mine(), &*self.0);
    }

    /// What it has seen, and has.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    #[inline]
    pub(super) fn had_back(&self, object: Box<CachePadded<T>>) {
        self.0.give(object);
    }

    pub(super) fn detached(&self) {
        self.0.tally.detached();
    }
}

impl<T> Clone for ObjectPool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for ObjectPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPool")
            .field("name", &self.0.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

// ===== impl Inner =====

#[expect(clippy::unnecessary_box_returns, reason = "the box is what is kept")]
impl<T> Inner<T> {
    #[inline]
    fn take(&self) -> Box<CachePadded<T>> {
        self.stock.take_own(mine_if_known(), ALL).unwrap_or_else(|| self.take_other())
    }

    #[inline(never)]
    fn take_other(&self) -> Box<CachePadded<T>> {
        self.stock.take(mine(), ALL, self).unwrap_or_else(|| self.make())
    }

    #[inline(never)]
    fn make(&self) -> Box<CachePadded<T>> {
        let unmade = Unmade(self);
        let object = Box::new(CachePadded::new((self.make)()));
        std::mem::forget(unmade);
        self.tally.made();
        object
    }

    #[inline]
    fn give(&self, mut object: Box<CachePadded<T>>) {
        if thread::panicking() || !self.hooks.prepare(&mut object) {
            return self.refuse(object);
        }
        if let Err(object) = self.stock.give_own(mine_if_known(), ALL, object) {
            self.give_other(object);
        }
    }

    #[cold]
    fn refuse(&self, object: Box<CachePadded<T>>) {
        self.stock.count_given(mine());
        self.discard(object);
    }

    #[inline(never)]
    fn give_other(&self, object: Box<CachePadded<T>>) {
        self.stock.give(mine(), ALL, object, self);
    }

    fn stats(&self) -> Stats {
        self.tally.stats(|| self.stock.counts())
    }
}

impl<T> Keeper<CachePadded<T>> for Inner<T> {
    fn budget(&self) -> &Budget {
        &self.budget
    }

    fn weigh(&self, object: &CachePadded<T>) -> Option<usize> {
        self.hooks.weigh(object)
    }

    fn discard(&self, object: Box<CachePadded<T>>) {
        self.tally.discarded();
        contained("object pool", "an object panicked when its pool dropped it", || drop(object));
    }
}

impl<T> Drop for Inner<T> {
    fn drop(&mut self) {
        super::tell_leak(self.name, self.stats());
        let stock = std::mem::replace(&mut self.stock, Stock::new(0, &[]));
        stock.into_all().for_each(|object| self.discard(object));
    }
}

/// One that was counted as taken, until it is there.
struct Unmade<'a, T>(&'a Inner<T>);

impl<T> Drop for Unmade<'_, T> {
    fn drop(&mut self) {
        self.0.tally.unmade();
    }
}
