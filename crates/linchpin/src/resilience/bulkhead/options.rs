//! How a bulkhead lets its callers wait.

use std::time::Duration;

use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;
use crate::sync::semaphore::{self, Order, Semaphore};

/// How a [`Bulkhead`](super::Bulkhead) lets its callers wait. The default lets none: who finds it full is refused at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    max_queue: usize,
    max_wait: Duration,
    discipline: Discipline,
}

/// Which of those who wait is next. Only among those of the same [`Priority`](crate::resilience::Priority): the more
/// critical go first, and a class that was passed over sixteen times has a turn.
///
/// | discipline | next is | good for | its defect |
/// |---|---|---|---|
/// | [`Fifo`](Self::Fifo) | who came first | callers who all wait to the end | under overload everybody waits for long, and many in vain |
/// | [`Lifo`](Self::Lifo) | who came last | overload: who has just come is still in time | the first to come may be the last, or never |
/// | [`CoDel`](Self::CoDel) | who came first; in overload, last | bursts as well as overload | two durations to choose |
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Discipline {
    /// Who came first.
    #[default]
    Fifo,
    /// Who came last.
    Lifo,
    /// By how long the queue has been standing: for how long somebody has been waiting without a break.
    ///
    /// A queue that empties now and then takes up bursts, and one may wait in it for up to `interval`. One that has not
    /// been empty for `interval` is an overload: nobody waits in it for longer than `target`, and who came last is next.
    /// [`codel`](Self::codel) has the usual two durations.
    CoDel {
        /// The longest wait in a queue that stands.
        target: Duration,
        /// The longest wait in one that does not, and how long it takes to be one that does.
        interval: Duration,
    },
}

// ===== impl Options =====

impl Options {
    /// How many callers may wait. Default 0. Who comes when as many wait is refused. Goes with
    /// [`max_wait`](Self::max_wait).
    #[must_use]
    pub fn max_queue(mut self, callers: usize) -> Self {
        self.max_queue = callers;
        self
    }

    /// The longest wait. Default: none, or what [`CoDel`](Discipline::CoDel) allows; `Duration::MAX` is as long as the
    /// context lets. A deadline that comes before ends the wait as a deadline.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Which of those who wait is next. Default: [`Discipline::Fifo`].
    #[must_use]
    pub fn discipline(mut self, discipline: Discipline) -> Self {
        self.discipline = discipline;
        self
    }

    // ----- for the bulkhead

    pub(super) fn longest_queue(&self) -> usize {
        self.max_queue
    }

    pub(super) fn longest_wait(&self) -> Duration {
        self.max_wait
    }

    pub(super) fn order(&self) -> Order {
        match self.discipline {
            Discipline::Fifo => Order::OldestFirst,
            Discipline::Lifo => Order::NewestFirst,
            Discipline::CoDel { interval, .. } => Order::NewestWhileStanding(interval),
        }
    }

    /// The longest wait in a queue that stands, and how long it takes to be one.
    pub(super) fn delays(&self) -> Option<(Duration, Duration)> {
        match self.discipline {
            Discipline::CoDel { target, interval } => Some((target, interval)),
            Discipline::Fifo | Discipline::Lifo => None,
        }
    }

    pub(super) fn line(&self, name: &'static str) -> semaphore::Options {
        let line = semaphore::Options::default().name(name);
        line.max_waiting(self.max_queue).order(self.order())
    }

    pub(super) fn check(&self, name: &'static str) -> Result<(), BadOptions> {
        let wrong = |why: String| Err(BadOptions::new("Bulkhead", why));
        let Self { max_queue, max_wait, .. } = *self;
        if let Some((target, interval)) = self.delays()
            && (target.is_zero() || target >= interval || interval > YEAR)
        {
            return wrong(format!(
                "`{name}` waits for {target:?} in a queue that stands and {interval:?} in one that does not; say above \
                 zero, less than the other, and at most a year"
            ));
        }
        let may_wait = !max_wait.is_zero() || self.delays().is_some();
        if max_queue > 0 && !may_wait {
            return wrong(format!(
                "`{name}` has a queue of {max_queue} in which nobody may wait; `max_wait` says for how long"
            ));
        }
        if max_queue == 0 && may_wait {
            return wrong(format!(
                "`{name}` lets callers wait, but has no queue; `max_queue` says how many may"
            ));
        }
        Ok(())
    }
}

// ===== impl Discipline =====

impl Discipline {
    /// [`CoDel`](Self::CoDel) with the figures that Facebook made known ("Fail at Scale"): 5 and 100 ms.
    #[must_use]
    pub const fn codel() -> Self {
        Self::CoDel { target: Duration::from_millis(5), interval: Duration::from_millis(100) }
    }
}

/// Whether a bulkhead can have so many places.
pub(super) fn check_places(name: &'static str, places: usize) -> Result<(), BadOptions> {
    let most = Semaphore::MAX_PERMITS;
    let why = match places {
        0 => format!("`{name}` has no place at all; say at least 1"),
        _ if places > most => format!("`{name}` asks for {places} places, the most is {most}"),
        _ => return Ok(()),
    };
    Err(BadOptions::new("Bulkhead", why))
}
