//! What users have done to an object that comes back.

use crate::task::contained;

type Change<T> = Box<dyn Fn(&mut T) + Send + Sync>;
type Ask<T, R> = Box<dyn Fn(&T) -> R + Send + Sync>;

/// Code of a user. None of it may hurt who gives an object back: that is mostly a drop.
pub(super) struct Hooks<T> {
    pub(super) fit: Option<Ask<T, bool>>,
    pub(super) poison: Option<Change<T>>,
    pub(super) reset: Option<Change<T>>,
    pub(super) weigh: Option<Ask<T, usize>>,
}

impl<T> Default for Hooks<T> {
    fn default() -> Self {
        Self { fit: None, poison: None, reset: None, weigh: None }
    }
}

impl<T> Hooks<T> {
    /// Makes `object` ready for its next use, unless it is not worth it.
    #[inline]
    pub(super) fn prepare(&self, object: &mut T) -> bool {
        if self.fit.is_none() && self.reset.is_none() && self.poison.is_none() {
            return true;
        }
        let mut ready = false;
        contained("object pool", "a hook of an object pool panicked", || {
            if self.fit.as_ref().is_some_and(|fit| !fit(object)) {
                return;
            }
            let poison = self.poison.as_ref().filter(|_| cfg!(debug_assertions));
            for change in poison.into_iter().chain(&self.reset) {
                change(object);
            }
            ready = true;
        });
        ready
    }

    /// How many bytes it has; `None` if that cannot be said.
    pub(super) fn weigh(&self, object: &T) -> Option<usize> {
        let Some(weigh) = &self.weigh else { return Some(0) };
        let mut bytes = None;
        contained("object pool", "a hook of an object pool panicked", || {
            bytes = Some(weigh(object));
        });
        bytes
    }
}
