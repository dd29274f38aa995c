//! What one connection is doing, and how long it may.
//!
//! ```text
//!            a byte            its header           the answer           all of it
//!  waiting ─────────▶ header ────────────▶ request ────────────▶ answered ────────▶ waiting
//! ```
//!
//! Its stream, its service and its answers tell; the task of the connection asks. All of them run in that one task.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::task::Timer;
use linchpin::time::Instant;

use super::closed::Reason;
use super::crowd::Crowd;

/// The place of one connection.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    limits: Limits,
    state: Mutex<State>,
}

/// It is taken, until this is dropped: what else knows of it may live longer.
pub(super) struct Taken(pub(super) Arc<Seat>);

/// How long a connection may be without a request.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// For a header, from its first byte on; for that of the first request from the accept on.
    pub(super) header: Duration,
    /// For the first byte of another request.
    pub(super) idle: Duration,
}

struct State {
    phase: Phase,
    /// Who took too long over what is not a matter of phases.
    too_slow: Option<Reason>,
    /// No request follows this one.
    is_last: bool,
    /// Something of it is not read and still comes.
    lingers: bool,
}

#[derive(Clone, Copy)]
enum Phase {
    Waiting { number: u64, since: Instant, is_first: bool },
    Header { since: Instant },
    Request,
    Answered,
}

/// The time for a header while places are short; and so often one that waits looks whether they are.
const SHORT: Duration = Duration::from_secs(2);

impl Seat {
    pub(super) fn take(crowd: Arc<Crowd>, limits: Limits) -> Taken {
        crowd.come();
        let phase = waiting(&crowd, true);
        let state = Mutex::new(State { phase, too_slow: None, is_last: false, lingers: false });
        Taken(Arc::new(Self { crowd, limits, state }))
    }

    /// Bytes have come.
    pub(super) fn read(&self) {
        let mut state = self.state.lock();
        if let Phase::Waiting { since, is_first, .. } = state.phase {
            self.leave_line(&mut state);
            state.phase = Phase::Header { since: if is_first { since } else { Instant::now() } };
        }
    }

    /// The header of a request has come.
    pub(super) fn begun(&self) {
        let mut state = self.state.lock();
        // Sent ahead, it was there before it was waited for.
        self.leave_line(&mut state);
        state.phase = Phase::Request;
    }

    /// The answer's last piece was made.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock();
        if let Phase::Request = state.phase {
            state.phase = Phase::Answered;
        }
    }

    /// All that was made was written.
    pub(super) fn flushed(&self) {
        let mut state = self.state.lock();
        if let Phase::Answered = state.phase {
            state.phase = waiting(&self.crowd, false);
        }
    }

    /// The connection is to be closed after this request: others need its place.
    pub(super) fn is_last(&self) -> bool {
        self.crowd.is_full() || self.state.lock().is_last
    }

    /// The client still sends what nobody wants, and is to have its answer all the same.
    pub(super) fn linger(&self) {
        self.state.lock().lingers = true;
    }

    /// Whether what still comes is to be read before the connection ends.
    pub(super) fn lingers(&self) -> bool {
        self.state.lock().lingers
    }

    /// The client is given up.
    pub(super) fn too_slow(&self, reason: Reason) {
        self.state.lock().too_slow.get_or_insert(reason);
    }

    /// Whether the client was given up in the midst of a request.
    pub(super) fn given_up(&self) -> Option<Reason> {
        self.state.lock().too_slow
    }

    /// Ready when there should have been a request by now. To be asked after every step of the connection.
    pub(super) fn poll_end(&self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<Reason> {
        let phase = self.state.lock().phase;
        let (since, reason) = match phase {
            Phase::Waiting { number, .. } if !self.crowd.may_wait(number, cx.waker()) => {
                return Poll::Ready(Reason::Crowded);
            }
            Phase::Waiting { since, is_first: false, .. } => (since, Reason::Idle),
            Phase::Waiting { since, .. } | Phase::Header { since } => (since, Reason::Header),
            Phase::Request | Phase::Answered => {
                timer.stop();
                return Poll::Pending;
            }
        };
        loop {
            let (end, look) = self.until(since, reason);
            if end <= Instant::now() {
                return Poll::Ready(reason);
            }
            timer.reset_at(look);
            if timer.poll_fire(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// When that is over which began then, and when to look again.
    fn until(&self, since: Instant, reason: Reason) -> (Instant, Instant) {
        if reason == Reason::Idle {
            let end = since + self.limits.idle;
            return (end, end);
        }
        let usual = since + self.limits.header;
        if self.crowd.is_dense() {
            let end = usual.min(since + SHORT);
            return (end, end);
        }
        (usual, usual.min(Instant::now() + SHORT))
    }

    fn leave_line(&self, state: &mut State) {
        if let Phase::Waiting { number, .. } = state.phase {
            // It was sent away, and its request came first.
            state.is_last |= !self.crowd.leave_line(number);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Self(seat) = self;
        // Nothing puts it into the line any more: that is done by its stream, which is gone.
        seat.leave_line(&mut seat.state.lock());
        seat.crowd.go();
    }
}

fn waiting(crowd: &Crowd, is_first: bool) -> Phase {
    let since = Instant::now();
    Phase::Waiting { number: crowd.stand_in_line(since), since, is_first }
}
