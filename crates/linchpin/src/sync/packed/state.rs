//! A typed state in one atomic word.

use std::fmt;
use std::marker::PhantomData;

use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::{Fault, planted};

/// What can be written as 64 bits and read back.
///
/// Give a counter of changes some bits if it matters that a state has *become* the same again and not stayed so.
pub trait Pack: Copy {
    /// The state as a word.
    fn pack(self) -> u64;

    /// The state of such a word. It is never given another.
    fn unpack(word: u64) -> Self;
}

/// A state machine in one word: each step is judged by the state that it changes.
///
/// What `sync/atomic` leaves to a loop around `CompareAndSwap`. Crossbeam's `AtomicCell` holds any value of that size;
/// this has a word for the step.
///
/// ```
/// # use linchpin::sync::packed::{Field, Pack, Packed, Step};
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Probe { Idle, Running { failures: u32 } }
///
/// const RUNNING: Field = Field::first(1);
/// const FAILURES: Field = RUNNING.then(32);
///
/// impl Pack for Probe {
///     fn pack(self) -> u64 {
///         match self {
///             Self::Idle => 0,
///             Self::Running { failures } => RUNNING.of(1) | FAILURES.of(failures.into()),
///         }
///     }
///
///     fn unpack(word: u64) -> Self {
///         match RUNNING.get(word) {
///             0 => Self::Idle,
///             _ => Self::Running { failures: FAILURES.get(word) as u32 },
///         }
///     }
/// }
///
/// let probe = Packed::new(Probe::Idle);
/// let begin = |state| match state {
///     Probe::Idle => Some(Probe::Running { failures: 0 }),
///     Probe::Running { .. } => None,
/// };
/// assert!(probe.update(begin).is_ok());
/// assert_eq!(probe.update(begin), Err(Probe::Running { failures: 0 }));
/// ```
pub struct Packed<T> {
    word: AtomicU64,
    state: PhantomData<T>,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step<T> {
    /// The state before.
    pub from: T,
    /// The state since.
    pub to: T,
}

impl<T: Pack> Packed<T> {
    /// A machine in that state.
    #[must_use]
    pub fn new(state: T) -> Self {
        Self::at(state.pack())
    }

    /// The state now. What was written before it was reached can be seen.
    #[must_use]
    pub fn load(&self) -> T {
        T::unpack(self.word.load(Acquire))
    }

    /// Goes to `state` whatever was before, which is returned.
    pub fn replace(&self, state: T) -> T {
        T::unpack(self.word.swap(state.pack(), AcqRel))
    }

    /// Takes the step that `judge` finds for the state there is; it is asked again if somebody else was quicker, so it
    /// must only judge. A step is a release and an acquire, as the lock is that it is instead of.
    ///
    /// # Errors
    ///
    /// The state, if there is no step from it.
    pub fn update(&self, judge: impl Fn(T) -> Option<T>) -> Result<Step<T>, T> {
        let mut word = self.word.load(Acquire);
        loop {
            let from = T::unpack(word);
            let Some(to) = judge(from) else { return Err(from) };
            if planted(Fault::PackedStoresUnseen) {
                self.word.store(to.pack(), Relaxed);
                return Ok(Step { from, to });
            }
            match self.word.compare_exchange_weak(word, to.pack(), AcqRel, Acquire) {
                Ok(_) => return Ok(Step { from, to }),
                Err(now) => word = now,
            }
        }
    }
}

impl<T> Packed<T> {
    /// A machine in the state of that word.
    #[cfg(not(linchpin_loom))]
    pub(crate) const fn at(word: u64) -> Self {
        Self { word: AtomicU64::new(word), state: PhantomData }
    }

    /// Loom's atomics are made at run time.
    #[cfg(linchpin_loom)]
    pub(crate) fn at(word: u64) -> Self {
        Self { word: AtomicU64::new(word), state: PhantomData }
    }
}

impl<T: Pack + Default> Default for Packed<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Pack + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Packed").field(&self.load()).finish()
    }
}
