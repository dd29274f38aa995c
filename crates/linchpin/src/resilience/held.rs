//! What a permit needs of the policy that gave it.

use std::ops::Deref;
use std::sync::Arc;

/// The part of a policy that its handles share. Saves two atomic operations where the policy is at hand.
#[derive(Debug)]
pub(super) enum Held<'a, T> {
    Borrowed(&'a T),
    Owned(Arc<T>),
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(shared) => shared,
            Self::Owned(shared) => shared,
        }
    }
}
