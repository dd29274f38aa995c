//! The stripes under [`Lock`](super::Lock) and [`Map`](super::Map): so many locks, chosen by a hash.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::thread;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use crate::resilience::BadOptions;
use crate::shim::{Fault, planted};
use crate::sync::biased::{self, Biased, Exclusive};

pub(crate) struct Stripes<T>(Box<[CachePadded<Biased<T>>]>);

/// One stripe that is locked. For this crate alone: others see a closure.
pub(crate) struct Locked<'a, T> {
    stripe: Exclusive<'a, T>,
    _inside: nesting::Inside,
}

/// Several stripes, each once, with their indices.
pub(crate) struct Several<'a, T> {
    pub(crate) stripes: SmallVec<[(usize, Exclusive<'a, T>); 4]>,
    _inside: nesting::Inside,
}

/// Sixteen bits choose.
const MOST: usize = 1 << 16;
/// 2^64 by the golden ratio, as in Fibonacci hashing.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Sixteen for each processor: two threads that come at once seldom mean the same.
pub(crate) fn usual() -> usize {
    static USUAL: OnceLock<usize> = OnceLock::new();
    *USUAL.get_or_init(|| {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (processors * 16).next_power_of_two().min(1024)
    })
}

/// The stripe of a hash among so many, a power of two.
#[inline]
pub(crate) fn place(hash: u64, stripes: usize) -> usize {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(GOLDEN);
    (mixed >> 48) as usize & (stripes - 1)
}

impl<T> Stripes<T> {
    pub(crate) fn usual(make: impl FnMut() -> T) -> Self {
        Self::of(usual(), make)
    }

    pub(crate) fn new(
        component: &'static str,
        stripes: usize,
        make: impl FnMut() -> T,
    ) -> Result<Self, BadOptions> {
        if stripes.is_power_of_two() && stripes <= MOST {
            return Ok(Self::of(stripes, make));
        }
        let why = format!("{stripes} stripes; say a power of two, {MOST} at most");
        Err(BadOptions::new(component, why))
    }

    fn of(stripes: usize, mut make: impl FnMut() -> T) -> Self {
        Self((0..stripes).map(|_| CachePadded::new(Biased::new(make()))).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The stripe of a hash, by all its bits: a fast hash of regular keys has bits that are as regular, and the table takes
    /// some of them as they are.
    #[inline]
    pub(crate) fn index(&self, hash: u64) -> usize {
        place(hash, self.0.len())
    }

    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub(crate) fn read<R>(&self, index: usize, work: impl FnOnce(&T) -> R) -> R {
        let _inside = nesting::enter(self);
        self.0[index].read(biased::mine(), work)
    }

    #[inline]
    #[cfg_attr(debug_assertions, track_caller)]
    pub(crate) fn lock(&self, index: usize) -> Locked<'_, T> {
        let inside = nesting::enter(self);
        Locked { stripe: self.exclusive(index), _inside: inside }
    }

    /// Locks each of those stripes once, in one order for all, so that nobody waits in a circle.
    #[cfg_attr(debug_assertions, track_caller)]
    pub(crate) fn lock_several(&self, indices: impl Iterator<Item = usize>) -> Several<'_, T> {
        let mut indices: SmallVec<[usize; 4]> = indices.collect();
        if !planted(Fault::StripesLockAsTheyCome) {
            indices.sort_unstable();
        }
        indices.dedup();
        let inside = nesting::enter(self);
        let stripes = indices.into_iter().map(|index| (index, self.exclusive(index))).collect();
        Several { stripes, _inside: inside }
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|stripe| CachePadded::into_inner(stripe).into_inner())
    }

    #[inline]
    fn exclusive(&self, index: usize) -> Exclusive<'_, T> {
        self.0[index].lock(biased::mine(), biased::all)
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.stripe
    }
}

impl<T> DerefMut for Locked<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.stripe
    }
}

/// Finds a thread that comes back to stripes it is inside of.
#[cfg(debug_assertions)]
mod nesting {
    use std::cell::RefCell;
    use std::panic::Location;

    use super::Stripes;

    thread_local! {
        static INSIDE: RefCell<Vec<(usize, &'static Location<'static>)>> =
            const { RefCell::new(Vec::new()) };
    }

    pub(super) struct Inside;

    #[track_caller]
    pub(super) fn enter<T>(stripes: &Stripes<T>) -> Inside {
        let (address, here) = (stripes.0.as_ptr().addr(), Location::caller());
        // Not in the destructors that run when a thread ends: whatever they do, they do last.
        let outer = INSIDE.try_with(|inside| {
            let mut inside = inside.borrow_mut();
            let outer = inside.iter().find(|(other, _)| *other == address).map(|(_, at)| *at);
            if outer.is_none() {
                inside.push((address, here));
            }
            outer
        });
        if let Ok(Some(outer)) = outer {
            panic!(
                "{here} comes to a stripe from inside of a closure that {outer} calls under another or the same one; \
                 two threads that do so may wait for each other for ever. Lock several keys by `write_all`, or come \
                 back when the closure has returned"
            );
        }
        Inside
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            INSIDE.try_with(|inside| inside.borrow_mut().pop()).ok();
        }
    }
}

#[cfg(not(debug_assertions))]
mod nesting {
    use super::Stripes;

    pub(super) struct Inside;

    #[inline]
    pub(super) fn enter<T>(_: &Stripes<T>) -> Inside {
        Inside
    }
}
