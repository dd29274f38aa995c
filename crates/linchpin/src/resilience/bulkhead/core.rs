//! What all handles of a bulkhead share.

use std::fmt;
use std::sync::Arc;

use super::meters::{Meters, No};
use super::options::{Options, check_places};
use crate::error::Kind;
use crate::resilience::{BadOptions, Outcome, Refusal};
use crate::shim::{Mutex, lock};
use crate::sync::semaphore::{Protocol, Why};

pub(super) struct Core {
    pub(super) places: Protocol,
    pub(super) meters: Meters,
    options: Mutex<Options>,
}

/// Saves two atomic operations where the bulkhead is at hand.
#[derive(Clone)]
pub(super) enum Held<'a> {
    Borrowed(&'a Core),
    Owned(Arc<Core>),
}

/// A [`Bulkhead`](super::Bulkhead) in numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// How many places there are.
    pub max_concurrent: usize,
    /// How many of them are taken: for a while more than there are, once it has shrunk.
    pub in_use: usize,
    /// How many callers wait.
    pub queued: usize,
    /// How many may.
    pub max_queue: usize,
    /// Callers refused because it was full, and so was the queue, since it was built.
    pub queue_full: u64,
    /// Callers refused because they had waited for as long as they may, since it was built.
    pub wait_timeout: u64,
    /// Callers refused because they weigh more than there are places, since it was built.
    pub too_heavy: u64,
    /// Calls that failed, since it was built.
    pub failures: u64,
}

pub(super) const POLICY: &str = "bulkhead";

// ===== impl Core =====

impl Core {
    pub(super) fn new(
        name: &'static str,
        places: usize,
        options: Options,
    ) -> Result<Self, BadOptions> {
        check_places(name, places)?;
        options.check(name)?;
        Ok(Self {
            places: Protocol::new(POLICY, places, options.line(name)),
            meters: Meters::new(name),
            options: Mutex::new(options),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.places.name()
    }

    pub(super) fn options(&self) -> Options {
        *lock(&self.options)
    }

    pub(super) fn resize(&self, places: usize) -> Result<(), BadOptions> {
        check_places(self.name(), places)?;
        self.places.resize(places);
        Ok(())
    }

    pub(super) fn reconfigure(&self, options: Options) -> Result<(), BadOptions> {
        options.check(self.name())?;
        // Under the lock, so that of two at the same time one is the later for all of it.
        let mut kept = lock(&self.options);
        self.places.rearrange(options.longest_queue(), options.order());
        *kept = options;
        Ok(())
    }

    /// Takes places if as many are free and nobody waits.
    #[inline]
    pub(super) fn take(&self, weight: usize) -> bool {
        let takes = self.places.try_take(weight);
        if takes {
            self.meters.permitted(weight);
        }
        takes
    }

    /// Gives places up.
    #[inline]
    pub(super) fn give(&self, weight: usize, outcome: Outcome) {
        // The next is let in whatever the recorder of metrics does.
        self.places.give(weight);
        self.meters.finished(self.name(), weight, outcome);
    }

    /// Says why [`take`](Self::take) has just failed.
    #[cold]
    pub(super) fn refuse_now(&self, weight: usize) -> Refusal {
        self.refuse(self.places.why_not(weight), weight)
    }

    #[cold]
    pub(super) fn refuse(&self, why: Why, weight: usize) -> Refusal {
        let (no, reason) = match why {
            Why::TooFew(_) => {
                self.meters.refused(self.name(), No::TooHeavy);
                let kind = Kind::InvalidArgument;
                return Refusal { kind, ..self.places.refusal(why, weight) };
            }
            Why::OthersWait => (No::QueueFull, "others wait"),
            Why::Full if self.places.lets_wait() => (No::QueueFull, "full, and so is the queue"),
            Why::Full | Why::Closed => (No::QueueFull, "full"),
        };
        self.meters.refused(self.name(), no);
        self.places.in_use(reason)
    }

    #[cold]
    pub(super) fn too_late(&self, stands: bool) -> Refusal {
        self.meters.refused(self.name(), No::WaitTimeout);
        self.places.in_use(if stands {
            "no place before the queue stood for too long"
        } else {
            "no place within the longest wait"
        })
    }

    pub(super) fn numbers(&self) -> Numbers {
        Numbers {
            max_concurrent: self.places.limit(),
            in_use: self.places.held(),
            queued: self.places.waiting(),
            max_queue: self.options().longest_queue(),
            queue_full: self.meters.times_refused(No::QueueFull),
            wait_timeout: self.meters.times_refused(No::WaitTimeout),
            too_heavy: self.meters.times_refused(No::TooHeavy),
            failures: self.meters.times_failed(),
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.numbers();
        f.debug_struct("Bulkhead")
            .field("name", &self.name())
            .field("max_concurrent", &numbers.max_concurrent)
            .field("in_use", &numbers.in_use)
            .field("queued", &numbers.queued)
            .field("options", &self.options())
            .finish_non_exhaustive()
    }
}

// ===== impl Held =====

impl Held<'_> {
    #[inline]
    pub(super) fn get(&self) -> &Core {
        match self {
            Self::Borrowed(core) => core,
            Self::Owned(core) => core,
        }
    }
}

impl AsRef<Protocol> for Held<'_> {
    fn as_ref(&self) -> &Protocol {
        &self.get().places
    }
}
