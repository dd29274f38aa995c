//! A future polled by hand.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use linchpin::sync::lock::checked;

/// Polls `future` when told and counts its wake-ups, so that no test writes a waker.
///
/// ```
/// # use linchpin_testing::steps::poll_by_hand;
/// let (send, receive) = tokio::sync::oneshot::channel();
/// let mut answer = poll_by_hand(receive);
/// assert!(answer.poll().is_pending());
/// assert_eq!(answer.wakes(), 0);
/// send.send(42).unwrap();
/// assert_eq!(answer.wakes(), 1);
/// assert!(answer.poll().is_ready());
/// ```
pub fn poll_by_hand<F: Future>(future: F) -> Poller<F> {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::new(Hand { turn: 0, wakes: wakes.clone() }));
    Poller { future: Some(Box::pin(future)), wakes, waker }
}

/// A future in a test's hands; see [`poll_by_hand`]. Dropping it drops the future.
///
/// A poll that leaves a lock of ours held fails the test ([`checked`]).
pub struct Poller<F: Future> {
    /// `None` once it is done.
    future: Option<Pin<Box<F>>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

#[derive(Default)]
struct Wakes(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// The number of the waker that counts.
    turn: usize,
    /// Whether it was called since the last poll.
    woken: bool,
    all: usize,
    stale: usize,
    watcher: Option<Waker>,
}

/// A waker that knows whether it is still the one that counts.
struct Hand {
    turn: usize,
    wakes: Arc<Wakes>,
}

// ===== impl Poller =====

impl<F: Future> Poller<F> {
    /// Polls once, with the same waker as before, as a task does.
    ///
    /// # Panics
    ///
    /// If the future was done before.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.wakes.lock().woken = false;
        let future = self.future.as_mut().expect("a future that is not done yet");
        let polled = pin!(checked(future.as_mut())).poll(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }

    /// Polls once with a new waker, as if the future had moved to another task; the former waker counts no more.
    ///
    /// # Panics
    ///
    /// As [`poll`](Self::poll).
    pub fn poll_elsewhere(&mut self) -> Poll<F::Output> {
        let turn = {
            let mut counts = self.wakes.lock();
            counts.turn += 1;
            counts.turn
        };
        self.waker = Waker::from(Arc::new(Hand { turn, wakes: self.wakes.clone() }));
        self.poll()
    }

    /// How often its wakers were called, in all.
    #[must_use]
    pub fn wakes(&self) -> usize {
        self.wakes.lock().all
    }

    /// How often a waker was called that counted no more.
    #[must_use]
    pub fn stale_wakes(&self) -> usize {
        self.wakes.lock().stale
    }

    /// Whether the waker of the last poll was called since.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.wakes.lock().woken
    }

    /// Waits until the waker of the last poll was called.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn woken(&self) {
        poll_fn(|cx| {
            let mut counts = self.wakes.lock();
            // Under the lock of `Hand::wake`: it either comes before and is seen, or finds this waker.
            counts.watcher = Some(cx.waker().clone());
            if counts.woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<F: Future> fmt::Debug for Poller<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("done", &self.future.is_none())
            .field("wakes", &self.wakes())
            .field("woken", &self.is_woken())
            .finish_non_exhaustive()
    }
}

// ===== impl Hand =====

impl Wakes {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Hand {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let watcher = {
            let mut counts = self.wakes.lock();
            counts.all += 1;
            if counts.turn == self.turn {
                counts.woken = true;
            } else {
                counts.stale += 1;
            }
            counts.watcher.take()
        };
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }
}
