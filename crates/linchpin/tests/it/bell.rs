//! A waker that may panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// Notes that it was called, and panics if it is to.
pub(crate) struct Bell {
    panics: bool,
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new(panics: bool) -> Arc<Self> {
        Arc::new(Self { panics, rung: AtomicBool::new(false) })
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    pub(crate) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        assert!(!self.panics, "planted");
    }
}
