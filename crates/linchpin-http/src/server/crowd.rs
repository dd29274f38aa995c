//! All connections of a server: how many there are, and who has waited longest for a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::time::Instant;

/// The connections of a server.
pub(super) struct Crowd {
    most: usize,
    open: AtomicUsize,
    line: Mutex<Line>,
}

/// Those without a request, in the order in which they began to wait.
#[derive(Default)]
struct Line {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    since: Instant,
    /// Of the connection's task, once that has looked.
    waker: Option<Waker>,
}

/// Who has waited for less is not idle: its request may be on its way.
const HARDLY: Duration = Duration::from_secs(1);

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: AtomicUsize::new(0), line: Mutex::default() }
    }

    pub(super) fn come(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn go(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether more than four of five places are taken.
    pub(super) fn is_dense(&self) -> bool {
        self.open.load(Ordering::Relaxed).saturating_mul(5) > self.most.saturating_mul(4)
    }

    /// Whether there is no place left.
    pub(super) fn is_full(&self) -> bool {
        self.open.load(Ordering::Relaxed) >= self.most
    }

    /// Sends the one away that has waited longest, if places are short.
    pub(super) fn make_room(&self) {
        if !self.is_dense() {
            return;
        }
        let mut line = self.line.lock();
        let Some(first) = line.waiting.first_entry() else { return };
        if first.get().since.elapsed() < HARDLY {
            return;
        }
        let Waiting { waker, .. } = first.remove();
        drop(line);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The number of one more that waits from now on.
    pub(super) fn stand_in_line(&self, since: Instant) -> u64 {
        let mut line = self.line.lock();
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number, Waiting { since, waker: None });
        number
    }

    /// It waits no more. Whether it was still to be there.
    pub(super) fn leave_line(&self, number: u64) -> bool {
        self.line.lock().waiting.remove(&number).is_some()
    }

    /// Whether it is still to be there; if it is, its task is woken when that ends.
    pub(super) fn may_wait(&self, number: u64, waker: &Waker) -> bool {
        match self.line.lock().waiting.get_mut(&number) {
            Some(waiting) => {
                waiting.waker.get_or_insert_with(|| waker.clone()).clone_from(waker);
                true
            }
            None => false,
        }
    }
}
