//! A set of flags in one atomic word.

use std::fmt;
use std::marker::PhantomData;
// Std's, not the shim's: each method is one operation on one word, so that there is nothing to interleave.
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// One of up to 64 flags.
pub trait Flag: Copy {
    /// Its bit, from 0 to 63, and no other flag's.
    fn bit(self) -> u8;
}

/// Flags that threads set and clear, each in one step and without touching the others.
///
/// ```
/// # use linchpin::sync::packed::{Flag, Flags};
/// #[derive(Clone, Copy)]
/// enum Part { Draining, Closed }
///
/// impl Flag for Part {
///     fn bit(self) -> u8 { self as u8 }
/// }
///
/// let parts = Flags::new();
/// assert!(parts.set(Part::Draining), "the first to set it");
/// assert!(!parts.set(Part::Draining));
/// assert!(!parts.load().has(Part::Closed));
/// ```
pub struct Flags<F> {
    word: AtomicU64,
    flags: PhantomData<F>,
}

/// Flags that were set at one moment.
pub struct Set<F> {
    word: u64,
    flags: PhantomData<F>,
}

// ===== impl Flags =====

impl<F> Flags<F> {
    /// None is set.
    #[must_use]
    pub const fn new() -> Self {
        Self { word: AtomicU64::new(0), flags: PhantomData }
    }

    /// Those that are set now.
    #[must_use]
    pub fn load(&self) -> Set<F> {
        Set::of(self.word.load(Acquire))
    }

    /// Clears all, and returns those that were set: each flag that is set is taken by one caller.
    pub fn take(&self) -> Set<F> {
        Set::of(self.word.swap(0, AcqRel))
    }
}

impl<F: Flag> Flags<F> {
    /// Sets `flag`; whether it was this call that did. Of several that do it at once, one did.
    ///
    /// # Panics
    ///
    /// If the flag's bit is above 63. So do all others.
    pub fn set(&self, flag: F) -> bool {
        self.word.fetch_or(mask(flag), AcqRel) & mask(flag) == 0
    }

    /// Clears `flag`; whether it was this call that did.
    pub fn clear(&self, flag: F) -> bool {
        self.word.fetch_and(!mask(flag), AcqRel) & mask(flag) != 0
    }

    /// Whether `flag` is set now.
    #[must_use]
    pub fn has(&self, flag: F) -> bool {
        self.load().has(flag)
    }
}

impl<F> fmt::Debug for Flags<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flags").field(&format_args!("{:#b}", self.load().word)).finish()
    }
}

impl<F> Default for Flags<F> {
    fn default() -> Self {
        Self::new()
    }
}

// ===== impl Set =====

impl<F> Set<F> {
    fn of(word: u64) -> Self {
        Self { word, flags: PhantomData }
    }

    /// Whether no flag is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.word == 0
    }

    /// How many flags are in it.
    #[must_use]
    pub fn len(self) -> usize {
        self.word.count_ones() as usize
    }
}

impl<F: Flag> Set<F> {
    /// Whether `flag` is in it.
    #[must_use]
    pub fn has(self, flag: F) -> bool {
        self.word & mask(flag) != 0
    }
}

impl<F> Clone for Set<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Set<F> {}

impl<F> PartialEq for Set<F> {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl<F> Eq for Set<F> {}

impl<F> fmt::Debug for Set<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").field(&format_args!("{:#b}", self.word)).finish()
    }
}

fn mask<F: Flag>(flag: F) -> u64 {
    let bit = flag.bit();
    assert!(bit < 64, "a flag has a bit from 0 to 63");
    1 << bit
}
