//! Which of many futures were woken, in their order, and who is to be told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::shim::atomic::{AtomicBool, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task;

/// The places whose futures were woken since somebody looked.
pub(super) struct Woken {
    /// Whether there are any. Written under the lock; who only looks needs none.
    any: AtomicBool,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    places: Vec<u32>,
    /// Of whoever waits for one to come.
    waker: Option<Waker>,
}

/// What wakes the future at one place, whichever that is.
pub(super) struct Bell {
    place: u32,
    /// Whether the place is in the line, or was woken while its future was polled.
    rung: AtomicBool,
    woken: Arc<Woken>,
}

impl Woken {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { any: AtomicBool::new(false), line: Mutex::new(Line::default()) })
    }

    /// Moves them to the end of `turn`.
    pub(super) fn take(&self, turn: &mut VecDeque<u32>) {
        // Acquire pairs with the release of whoever put one in; what comes later is found by `wait`.
        if self.any.load(Ordering::Acquire) {
            let mut line = lock(&self.line);
            turn.extend(line.places.drain(..));
            self.any.store(false, Ordering::Relaxed);
        }
    }

    /// Has `waker` woken when one comes; `false` if there is one already.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let before = {
            let mut line = lock(&self.line);
            if !line.places.is_empty() && !planted(Fault::SetLooksBeforeItWaits) {
                return false;
            }
            line.waker.replace(waker)
        };
        // Here, outside of the lock.
        drop(before);
        true
    }

    /// Gives back what a burst made it allocate.
    pub(super) fn shrink(&self) {
        lock(&self.line).places.shrink_to(KEPT);
    }

    fn put(&self, place: u32) {
        let waker = {
            let mut line = lock(&self.line);
            line.places.push(place);
            self.any.store(true, Ordering::Release);
            line.waker.take()
        };
        task::wake("select", waker);
    }
}

impl Bell {
    pub(super) fn new(place: u32, woken: &Arc<Woken>) -> Arc<Self> {
        Arc::new(Self { place, rung: AtomicBool::new(false), woken: woken.clone() })
    }

    /// Whoever wakes the future from now on wants it to be polled once more.
    ///
    /// To be called before each poll: the exchange pairs with that of `wake`, so that the poll sees what was done
    /// before the wake-up that it answers.
    pub(super) fn still(&self) {
        if self.rung.load(Ordering::Relaxed) && !planted(Fault::SetPollsBeforeItIsStill) {
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.woken.put(self.place);
        }
    }
}

/// Places for which there is room at any time.
const KEPT: usize = 64;
