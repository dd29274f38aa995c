//! A pool of buffers of many sizes.

use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::budget::Budget;
use super::buffer::Buffer;
use super::options::BufferOptions;
use super::stats::{Stats, Tally};
use super::stock::{Keeper, Stock};
use crate::resilience::BadOptions;
use crate::sync::seat::{mine, mine_if_known};

/// Keeps the memory of buffers for their next use.
///
/// Each power of two is a class of its own: who asks for 5,000 bytes gets a buffer with room for 8,192 at least. A buffer
/// that grew while it was out comes back to the class it then fits in, and one that grew above the
/// [largest](BufferOptions::sizes) is dropped, so that one large message does not stay in memory for ever. Clones share
/// what is kept. Nobody waits: where nothing lies ready a buffer is made.
///
/// A buffer that is taken is empty. What it held before is neither wiped nor to be seen: in debug builds it is
/// overwritten by [`POISON`](Self::POISON) when it comes back.
///
/// ```
/// # use linchpin::sync::object_pool::{BufferOptions, BufferPool};
/// let buffers = BufferPool::new(BufferOptions::default().max_bytes(1 << 20))?;
/// let mut body = buffers.take(4096);
/// body.extend_from_slice(b"hello");
/// drop(body);
/// let again = buffers.take(4000);
/// assert!(again.is_empty() && again.capacity() >= 4096);
/// assert_eq!(buffers.stats().reused, 1);
/// # Ok::<(), linchpin::Error>(())
/// ```
#[derive(Clone)]
pub struct BufferPool(Arc<Inner>);

struct Inner {
    options: BufferOptions,
    smallest_class: u32,
    /// A kind for each class, the smallest first.
    stock: Stock<CachePadded<Vec<u8>>>,
    budget: Budget,
    tally: Tally,
}

/// What moves: the head of a buffer, in a cache line of its own, since whoever has it writes to it all the time.
pub(super) type Held = Box<CachePadded<Vec<u8>>>;

/// Of any size, so that the smallest do not come in hundreds.
const MOST_PER_THREAD: usize = 16;

// ===== impl BufferPool =====

impl BufferPool {
    /// What a buffer is overwritten by, in debug builds, when it comes back.
    pub const POISON: u8 = 0xA5;

    /// A pool that has nothing yet.
    ///
    /// # Errors
    ///
    /// If the sizes are no powers of two or the wrong way round.
    pub fn new(options: BufferOptions) -> Result<Self, BadOptions> {
        options.check()?;
        let classes = options.smallest.ilog2()..=options.largest.ilog2();
        let per_thread = |class: u32| (options.per_thread >> class).min(MOST_PER_THREAD);
        Ok(Self(Arc::new(Inner {
            smallest_class: *classes.start(),
            stock: Stock::usual(&classes.map(per_thread).collect::<Vec<_>>()),
            budget: Budget::new(options.max_kept, options.max_bytes),
            tally: Tally::default(),
            options,
        })))
    }

    /// Takes an empty buffer with room for `bytes` at least.
    ///
    /// More than the largest size is made as asked for, and not kept when it comes back.
    #[inline]
    pub fn take(&self, bytes: usize) -> Buffer<&Self> {
        Buffer::new(self, self.0.take(bytes))
    }

    /// The same for one that may outlive this handle, in a task or a struct.
    #[inline]
    pub fn take_owned(&self, bytes: usize) -> Buffer {
        Buffer::new(self.clone(), self.0.take(bytes))
    }

    /// Gives the pool a buffer that was made elsewhere, or was [detached](Buffer::detach), as if it came back.
    pub fn give(&self, buffer: Vec<u8>) {
        self.0.stock.count_taken(mine());
        self.0.tally.made();
        self.0.give(Box::new(CachePadded::new(buffer)));
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
    pub(super) fn had_back(&self, buffer: Held) {
        self.0.give(buffer);
    }

    pub(super) fn detached(&self) {
        self.0.tally.detached();
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("name", &self.0.options.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

// ===== impl Inner =====

#[expect(clippy::unnecessary_box_returns, reason = "the box is what is kept")]
impl Inner {
    #[inline]
    fn take(&self, bytes: usize) -> Held {
        let own = self.stock.take_own(mine_if_known(), self.kind_for(bytes));
        own.unwrap_or_else(|| self.take_other(bytes))
    }

    #[inline(never)]
    fn take_other(&self, bytes: usize) -> Held {
        if bytes > self.options.largest {
            self.stock.count_taken(mine());
            return self.make(bytes);
        }
        let kind = self.kind_for(bytes);
        self.stock
            .take(mine(), kind, self)
            .unwrap_or_else(|| self.make(self.options.smallest << kind))
    }

    #[inline(never)]
    fn make(&self, bytes: usize) -> Held {
        self.tally.made();
        Box::new(CachePadded::new(Vec::with_capacity(bytes)))
    }

    #[inline]
    fn give(&self, mut buffer: Held) {
        let capacity = buffer.capacity();
        buffer.clear();
        if cfg!(debug_assertions) {
            buffer.resize(capacity, BufferPool::POISON);
            buffer.clear();
        }
        if let Err(buffer) = self.stock.give_own(mine_if_known(), self.kind_of(capacity), buffer) {
            self.give_other(buffer);
        }
    }

    #[inline(never)]
    fn give_other(&self, buffer: Held) {
        let capacity = buffer.capacity();
        if capacity < self.options.smallest || capacity > self.options.largest {
            // Not of a size to keep, or moved out of its guard.
            self.stock.count_given(mine());
            return self.discard(buffer);
        }
        self.stock.give(mine(), self.kind_of(capacity), buffer, self);
    }

    /// The smallest that has so many bytes at least; of a number that no kind has if there is none.
    #[inline]
    fn kind_for(&self, bytes: usize) -> usize {
        let class = usize::BITS - bytes.saturating_sub(1).leading_zeros();
        class.saturating_sub(self.smallest_class) as usize
    }

    /// What a buffer of so many bytes is good for; of a number that no kind has if that is nothing.
    #[inline]
    fn kind_of(&self, capacity: usize) -> usize {
        let class = (usize::BITS - 1).wrapping_sub(capacity.leading_zeros());
        class.wrapping_sub(self.smallest_class) as usize
    }

    fn stats(&self) -> Stats {
        self.tally.stats(|| self.stock.counts())
    }
}

impl Keeper<CachePadded<Vec<u8>>> for Inner {
    fn budget(&self) -> &Budget {
        &self.budget
    }

    fn weigh(&self, buffer: &CachePadded<Vec<u8>>) -> Option<usize> {
        Some(buffer.capacity())
    }

    fn discard(&self, buffer: Held) {
        self.tally.discarded();
        drop(buffer);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        super::tell_leak(self.options.name, self.stats());
    }
}
