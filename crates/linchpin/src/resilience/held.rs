//! How a permit holds the policy that gave it.

use std::sync::Arc;

/// Saves two atomic operations where the policy is at hand.
#[derive(Debug)]
pub(super) enum Held<'a, T> {
    Borrowed(&'a T),
    Owned(Arc<T>),
}

impl<T> Held<'_, T> {
    #[inline]
    pub(super) fn get(&self) -> &T {
        match self {
            Self::Borrowed(policy) => policy,
            Self::Owned(policy) => policy,
        }
    }
}
