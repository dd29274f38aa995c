//! How a semaphore lets its callers wait.

use super::state::Order;

/// How a [`Semaphore`](super::Semaphore) lets its callers wait. The default is Go's: first come first served, without
/// exception, and no bound on how many wait.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub(super) name: &'static str,
    pub(super) max_waiting: usize,
    pub(super) overtaking: usize,
    pub(super) order: Order,
}

impl Options {
    /// The name that tells it apart in refusals. Default: `semaphore`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many callers may wait at once; the next is refused. Default: as many as come, since each holds its own place.
    ///
    /// Zero lets nobody wait: `acquire` is `try_acquire` under a context.
    #[must_use]
    pub fn max_waiting(mut self, callers: usize) -> Self {
        self.max_waiting = callers;
        self
    }

    /// How often a waiter may be passed by others that ask for less. Default 0: never.
    ///
    /// While the first in line asks for more than is free, those behind it wait too, though what is free would do for
    /// them. With `overtaking(n)` the first among the next `n` for which it does goes ahead, until any who waits has been
    /// passed `n` times. So a large waiter costs the small ones less, and is served all the same. From then on, nobody
    /// passes until it has been served or has left.
    #[must_use]
    pub fn overtaking(mut self, times: usize) -> Self {
        self.overtaking = times;
        self
    }

    /// Who of those with the same priority is next.
    pub(crate) fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "semaphore",
            max_waiting: usize::MAX,
            overtaking: 0,
            order: Order::OldestFirst,
        }
    }
}
