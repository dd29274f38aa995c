//! The machine that all handles of a breaker share.
//!
//! It does no I/O: what time it is comes with each call, and is asked for only where it matters. Those who come without
//! the lock are in `admission` and `counting`, what changes its state is in `transit`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::CachePadded;

use super::locked::Locked;
use super::meters::Meters;
use super::options::Options;
use super::state::{Cause, Numbers};
use super::word::{Frame, Stamp};
use crate::resilience::news::News;
use crate::shim::atomic::AtomicU64;
use crate::shim::{Mutex, lock};
use crate::time::Instant;

/// What all handles of a breaker share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) key: Option<Arc<str>>,
    pub(super) meters: Arc<Meters>,
    pub(super) word: CachePadded<AtomicU64>,
    pub(super) frames: [Frame; 2],
    pub(super) state: Mutex<Locked>,
}

/// What was let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::resilience) struct Ticket {
    pub(super) stamp: Stamp,
    /// Where it matters how long the call takes.
    pub(super) started: Option<Instant>,
    pub(super) place: Place,
}

/// How what was let through counts, and its number where it needs one. A word, so that a ticket is three of them.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Place(u64);

/// [`Place`], taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Counts {
    /// When it ends.
    Ended,
    /// Not at all.
    Never,
    /// When it ends or is overdue.
    Pending(u64),
    /// As a probe.
    Probe(u64),
}

/// What was not let through, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct No {
    pub(super) cause: Cause,
    /// By which numbers: the one compared in the upper half, its bound in the lower.
    pub(super) compared: u64,
    pub(super) retry_after: Option<Duration>,
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Recorded {
    Counted,
    /// Nothing is counted: the outcome says nothing, or an operator wants it so.
    Nothing,
    Probe,
    /// The breaker is no more as it was when the call began.
    Stale,
}

impl Place {
    /// For nearly all.
    pub(super) const ENDED: Self = Self(0);

    pub(super) fn new(counts: Counts) -> Self {
        Self(match counts {
            Counts::Ended => 0,
            Counts::Never => 1,
            Counts::Pending(id) => (id << 2) | 2,
            Counts::Probe(id) => (id << 2) | 3,
        })
    }

    pub(super) fn counts(self) -> Counts {
        match self.0 & 3 {
            0 => Counts::Ended,
            1 => Counts::Never,
            2 => Counts::Pending(self.0 >> 2),
            _ => Counts::Probe(self.0 >> 2),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().fmt(f)
    }
}

impl Ticket {
    /// Whether it matters how long the call takes.
    #[inline]
    pub(in crate::resilience) fn is_timed(&self) -> bool {
        self.started.is_some()
    }
}

impl Core {
    pub(super) fn new(
        name: &'static str,
        key: Option<Arc<str>>,
        meters: Arc<Meters>,
        options: Options,
        now: Instant,
    ) -> Self {
        meters.born();
        let locked = Locked::new(options, now);
        let frame = || Frame::new(locked.frame());
        Self {
            name,
            key,
            meters,
            word: CachePadded::new(AtomicU64::new(locked.word(0).0)),
            frames: [frame(), frame()],
            state: Mutex::new(locked),
        }
    }

    /// The numbers now.
    pub(super) fn numbers(&self, now: Instant) -> Numbers {
        let numbers = {
            let mut state = lock(&self.state);
            self.advance(&mut state, now);
            let tally = self.tally(&mut state, now);
            state.numbers(&tally, now)
        };
        self.tell();
        numbers
    }

    /// The call begins later than it was let through.
    pub(super) fn begin(&self, ticket: &mut Ticket, now: Instant) {
        let Some(started) = ticket.started else { return };
        ticket.started = Some(now);
        if let Counts::Pending(id) = ticket.place.counts() {
            let mut state = lock(&self.state);
            if state.generation == ticket.stamp.generation() {
                state.pending.end(started, id);
                state.pending.begin(now, id);
            }
        }
    }

    #[inline]
    pub(super) fn refused(&self, no: &No) {
        self.meters.refused(self.name, no);
    }

    /// Tells what has happened. Never under the lock.
    pub(super) fn tell(&self) {
        let told = |change| self.meters.changed(self.name, self.key.as_deref(), &change);
        News::tell(&self.state, |state| &mut state.news, told);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.meters.gone(lock(&self.state).state());
    }
}
