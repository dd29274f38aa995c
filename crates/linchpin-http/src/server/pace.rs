//! How slow a client may be.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use linchpin::task::Timer;
use linchpin::time::Instant;

/// The slowest that bytes may go: so long without any, and on the whole so many a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) patience: Duration,
    /// Bytes a second.
    pub(super) rate: u64,
}

/// What is left of the patience with a client.
///
/// It is used up while the client is waited for, and bytes bring some of it back: never more than there was at first, so
/// that nobody can save up for a long silence. A client that is at the rate or above it is never too slow, whatever it
/// sends; one far below it has little more than the patience for all.
pub(super) struct Patience {
    pace: Pace,
    left: Duration,
    /// Armed while the client is waited for.
    waiting: Timer,
}

impl Patience {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, left: pace.patience, waiting: Timer::stopped() }
    }

    /// The client is not waited for any more: so many bytes have gone.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some(end) = self.waiting.moment() {
            self.left = end - Instant::now();
            self.waiting.stop();
        }
        let earned = (bytes as u64).saturating_mul(1_000_000_000) / self.pace.rate;
        self.left = (self.left + Duration::from_nanos(earned)).min(self.pace.patience);
    }

    /// The client is waited for: ready when it has been for too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.moment().is_none() {
            self.waiting.reset(self.left);
        }
        ready!(self.waiting.poll_fire(cx));
        self.left = Duration::ZERO;
        Poll::Ready(())
    }
}
