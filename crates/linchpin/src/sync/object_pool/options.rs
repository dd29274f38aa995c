//! What a pool keeps, and what is done to what comes back.

use std::fmt;

use super::hooks::Hooks;
use crate::resilience::BadOptions;

/// What an [`ObjectPool`](super::ObjectPool) keeps, and what it does to what comes back. The default keeps
/// sixteen objects for each thread and 256 for all, as they come.
pub struct Options<T> {
    pub(super) name: &'static str,
    pub(super) per_thread: usize,
    pub(super) max_kept: usize,
    pub(super) max_bytes: usize,
    pub(super) hooks: Hooks<T>,
}

/// What a [`BufferPool`](super::BufferPool) keeps. The default: buffers from a kibibyte to a mebibyte, 64 KiB of each
/// size for each thread, and 16 MiB for all.
#[derive(Clone, Debug)]
pub struct BufferOptions {
    pub(super) name: &'static str,
    pub(super) smallest: usize,
    pub(super) largest: usize,
    pub(super) per_thread: usize,
    pub(super) max_kept: usize,
    pub(super) max_bytes: usize,
}

// ===== impl Options =====

impl<T> Options<T> {
    /// The most that can be kept for each thread.
    pub const MOST_PER_THREAD: usize = 1 << 16;

    /// The name that tells the pool apart in logs. Default: `objects`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many objects are kept for each thread, beside those for all. Default 16.
    ///
    /// Those of one thread are taken by no other. With zero, all objects are for all, and the caps below are exact.
    #[must_use]
    pub fn per_thread(mut self, objects: usize) -> Self {
        self.per_thread = objects;
        self
    }

    /// How many objects are kept for all threads. Default 256.
    #[must_use]
    pub fn max_kept(mut self, objects: usize) -> Self {
        self.max_kept = objects;
        self
    }

    /// How many bytes the objects may have that are kept for all threads, as `weigh` says of each. Default: no cap.
    #[must_use]
    pub fn max_bytes(
        mut self,
        bytes: usize,
        weigh: impl Fn(&T) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.max_bytes = bytes;
        self.hooks.weigh = Some(Box::new(weigh));
        self
    }

    /// Which objects are worth keeping, asked when one comes back, before it is reset. Default: all of them.
    ///
    /// Say no to one that grew too large, or that is broken.
    #[must_use]
    pub fn keep_if(mut self, fit: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.hooks.fit = Some(Box::new(fit));
        self
    }

    /// Makes an object that comes back as good as new. Default: it stays as it is.
    #[must_use]
    pub fn reset(mut self, reset: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.hooks.reset = Some(Box::new(reset));
        self
    }

    /// Spoils an object that comes back, before it is reset. In debug builds only.
    ///
    /// What the reset forgets then shows as nonsense at the next use, and not as what somebody else has left there.
    #[must_use]
    pub fn poison(mut self, poison: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        self.hooks.poison = Some(Box::new(poison));
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let Self { per_thread, .. } = *self;
        if per_thread <= Self::MOST_PER_THREAD {
            return Ok(());
        }
        let why =
            format!("{per_thread} objects for each thread; the most is {}", Self::MOST_PER_THREAD);
        Err(BadOptions::new("ObjectPool", why))
    }
}

impl<T> Default for Options<T> {
    fn default() -> Self {
        Self {
            name: "objects",
            per_thread: 16,
            max_kept: 256,
            max_bytes: usize::MAX,
            hooks: Hooks::default(),
        }
    }
}

impl<T> fmt::Debug for Options<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("per_thread", &self.per_thread)
            .field("max_kept", &self.max_kept)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

// ===== impl BufferOptions =====

impl BufferOptions {
    /// The name that tells the pool apart in logs. Default: `buffers`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The smallest and the largest buffer that is kept, in bytes, both powers of two. Default: 1 KiB and 1 MiB.
    ///
    /// There is a class of buffers for each power of two from one to the other.
    #[must_use]
    pub fn sizes(mut self, smallest: usize, largest: usize) -> Self {
        (self.smallest, self.largest) = (smallest, largest);
        self
    }

    /// How many bytes of each size are kept for each thread, beside those for all. Default 64 KiB, which is one buffer of
    /// 64 KiB, four of 16 and so on, to sixteen at most.
    ///
    /// Those of one thread are taken by no other, so larger ones are kept for all threads alone. With zero, all buffers
    /// are for all, and the caps below are exact.
    #[must_use]
    pub fn per_thread(mut self, bytes: usize) -> Self {
        self.per_thread = bytes;
        self
    }

    /// How many buffers are kept for all threads, of all sizes together. Default: no cap.
    #[must_use]
    pub fn max_kept(mut self, buffers: usize) -> Self {
        self.max_kept = buffers;
        self
    }

    /// How many bytes the buffers may have that are kept for all threads. Default 16 MiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let wrong = |why| Err(BadOptions::new("BufferPool", why));
        let Self { smallest, largest, .. } = *self;
        if !smallest.is_power_of_two() || !largest.is_power_of_two() {
            return wrong(format!("sizes of {smallest} and {largest} bytes are not powers of two"));
        }
        if smallest > largest {
            return wrong(format!(
                "the smallest size, {smallest} bytes, is above the largest, {largest}"
            ));
        }
        Ok(())
    }
}

impl Default for BufferOptions {
    fn default() -> Self {
        Self {
            name: "buffers",
            smallest: 1 << 10,
            largest: 1 << 20,
            per_thread: 64 << 10,
            max_kept: usize::MAX,
            max_bytes: 16 << 20,
        }
    }
}
