//! An object that is out.

use std::borrow::Borrow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crossbeam_utils::CachePadded;

use super::objects::ObjectPool;

/// An object of a pool. Dropping it gives it back.
///
/// `Pooled<T>` owns a handle of its pool and may go wherever it likes; a `Pooled<T, &ObjectPool<T>>` borrows one, and saves
/// two atomic operations.
#[must_use = "dropping it at once gives it back"]
pub struct Pooled<T, P: Borrow<ObjectPool<T>> = ObjectPool<T>> {
    /// There until it is given back or taken out.
    object: Option<Box<CachePadded<T>>>,
    pool: P,
}

const THERE: &str = "the object is there until it is dropped or detached";

impl<T, P: Borrow<ObjectPool<T>>> Pooled<T, P> {
    #[inline]
    pub(super) fn new(pool: P, object: Box<CachePadded<T>>) -> Self {
        Self { object: Some(object), pool }
    }

    /// Takes the object out of the pool for good: it never comes back, unless by
    /// [`ObjectPool::give`].
    pub fn detach(mut self) -> T {
        self.pool.borrow().detached();
        let Some(object) = self.object.take() else { unreachable!("{THERE}") };
        CachePadded::into_inner(*object)
    }
}

impl<T, P: Borrow<ObjectPool<T>>> Deref for Pooled<T, P> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.object.as_ref().expect(THERE)
    }
}

impl<T, P: Borrow<ObjectPool<T>>> DerefMut for Pooled<T, P> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.object.as_mut().expect(THERE)
    }
}

impl<T, P: Borrow<ObjectPool<T>>> Drop for Pooled<T, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.pool.borrow().had_back(object);
        }
    }
}

impl<T: fmt::Debug, P: Borrow<ObjectPool<T>>> fmt::Debug for Pooled<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&**self).finish()
    }
}
