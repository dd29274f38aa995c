//! Whether it is on, and until when.

use std::time::Duration;

use crate::context::{Child, Context};
use crate::shim::atomic::AtomicBool;
use crate::shim::atomic::Ordering::{Acquire, Release};
use crate::shim::{Mutex, lock};

/// It is on for as long as a context lives: that has a deadline, ends at once if somebody says so, and wakes who waits
/// under it.
#[derive(Debug, Default)]
pub(super) struct Switch {
    /// A look that costs nothing while it is off. Written under the lock.
    is_on: AtomicBool,
    live: Mutex<Option<Child>>,
}

impl Switch {
    /// On for so long from now; whether it was off.
    pub(super) fn on(&self, time: Duration) -> bool {
        let mut live = lock(&self.live);
        let before = live.replace(Context::root().with_timeout(time));
        self.is_on.store(true, Release);
        drop(live);
        // Who waits goes on: its time was another.
        before.is_none()
    }

    /// Off, at once; whether it was on.
    pub(super) fn off(&self) -> bool {
        let mut live = lock(&self.live);
        let before = live.take();
        self.is_on.store(false, Release);
        drop(live);
        before.is_some()
    }

    /// The context under which something may be injected; whether it is off since just now.
    pub(super) fn live(&self) -> (Option<Context>, bool) {
        if !self.is_on.load(Acquire) {
            return (None, false);
        }
        let mut live = lock(&self.live);
        match &*live {
            Some(context) if context.check().is_ok() => (Some((**context).clone()), false),
            _ => {
                self.is_on.store(false, Release);
                let over = live.take();
                drop(live);
                (None, over.is_some())
            }
        }
    }
}
