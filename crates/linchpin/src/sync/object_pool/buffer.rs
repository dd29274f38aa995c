//! A buffer that is out.

use std::borrow::Borrow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crossbeam_utils::CachePadded;

use super::buffers::{BufferPool, Held};

/// A buffer of a pool: a `Vec<u8>` to do with as one likes. Dropping it gives it back.
///
/// `Buffer` alone owns a handle of its pool and may go wherever it likes; a `Buffer<&BufferPool>` borrows one, and saves
/// two atomic operations. To [detach](Self::detach) it is the way to take the `Vec` out; one that is moved out by
/// `mem::take` counts as discarded.
#[must_use = "dropping it at once gives it back"]
pub struct Buffer<P: Borrow<BufferPool> = BufferPool> {
    /// There until it is given back or taken out.
    bytes: Option<Held>,
    pool: P,
}

const THERE: &str = "the buffer is there until it is dropped or detached";

impl<P: Borrow<BufferPool>> Buffer<P> {
    #[inline]
    pub(super) fn new(pool: P, bytes: Held) -> Self {
        Self { bytes: Some(bytes), pool }
    }

    /// Takes the buffer out of the pool for good: it never comes back, unless by [`BufferPool::give`].
    pub fn detach(mut self) -> Vec<u8> {
        self.pool.borrow().detached();
        let Some(bytes) = self.bytes.take() else { unreachable!("{THERE}") };
        CachePadded::into_inner(*bytes)
    }
}

impl<P: Borrow<BufferPool>> Deref for Buffer<P> {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        self.bytes.as_ref().expect(THERE)
    }
}

impl<P: Borrow<BufferPool>> DerefMut for Buffer<P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        self.bytes.as_mut().expect(THERE)
    }
}

impl<P: Borrow<BufferPool>> AsRef<[u8]> for Buffer<P> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<P: Borrow<BufferPool>> Drop for Buffer<P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            self.pool.borrow().had_back(bytes);
        }
    }
}

impl<P: Borrow<BufferPool>> fmt::Debug for Buffer<P> {
    /// Its length, and not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish_non_exhaustive()
    }
}
