//! Work that may go on when nobody waits for it any more.

use std::sync::Arc;

use super::core::Abandoned;
use crate::shim::atomic::{AtomicU8, Ordering};
use crate::shim::{Fault, planted};

const RUNNING: u8 = 0;
const LEFT: u8 = 1;
const DONE: u8 = 2;

/// One side of work under way: its caller's, or its own. Each is dropped once; the last one makes the books even.
#[derive(Debug)]
pub(super) struct Side {
    state: Arc<AtomicU8>,
    counted: Arc<Abandoned>,
    is_work: bool,
}

/// The caller's side and the work's.
pub(super) fn begin(counted: &Arc<Abandoned>) -> (Side, Side) {
    let state = Arc::new(AtomicU8::new(RUNNING));
    let side = |is_work| Side { state: state.clone(), counted: counted.clone(), is_work };
    (side(false), side(true))
}

impl Drop for Side {
    fn drop(&mut self) {
        let counted = &self.counted;
        if self.is_work {
            if self.state.swap(DONE, Ordering::AcqRel) == LEFT {
                counted.one_less();
            }
            return;
        }
        let counts_first = !planted(Fault::TimeoutLeavesBeforeItCounts);
        if self.state.load(Ordering::Acquire) == DONE {
            return;
        }
        // Counted before the work can know of it, which takes it back.
        if counts_first {
            counted.one_more();
        }
        let was = self.state.swap(LEFT, Ordering::AcqRel);
        if !counts_first {
            counted.one_more();
        }
        if was == DONE {
            counted.one_less();
        }
    }
}
