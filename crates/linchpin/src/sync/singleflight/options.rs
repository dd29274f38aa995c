//! What flights of a group may do.

use std::time::Duration;

use super::table::Rules;
use crate::resilience::BadOptions;

/// How long a flight of a [`Group`](super::Group) may take, and how many may share it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub(super) name: &'static str,
    pub(super) max_flight: Option<Duration>,
    pub(super) max_waiting: usize,
    pub(super) max_age: Option<Duration>,
    pub(super) share_errors: bool,
    pub(super) detach: bool,
}

impl Options {
    /// The name of its tasks in [`task::live`](crate::task::live). Default: `singleflight`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long a flight may take, whoever still waits. Default: 30 seconds. It needs a runtime with timers.
    ///
    /// Each waiter leaves at its own deadline, so this is for work that hangs, while new waiters never cease to come.
    #[must_use]
    pub fn max_flight(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.max_flight = limit.into();
        self
    }

    /// How many callers may wait for one flight. Who comes then begins another. Default: 1024.
    #[must_use]
    pub fn max_waiting(mut self, callers: usize) -> Self {
        self.max_waiting = callers;
        self
    }

    /// A flight that has gone on for so long takes nobody any more: who comes then begins another. Default: none, any flight
    /// will do. For values that must not be older than this, counted from when they were asked for.
    #[must_use]
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// Those who shared a flight that failed come anew, once, and share the next one, whatever it comes to. Default: its
    /// error is theirs.
    #[must_use]
    pub fn errors_are_not_shared(mut self) -> Self {
        self.share_errors = false;
        self
    }

    /// A flight goes on when all who waited have left, until it ends or has taken as long as it [may](Self::max_flight),
    /// and who comes meanwhile shares it. Default: the last to leave cancels it.
    #[must_use]
    pub fn detach(mut self) -> Self {
        self.detach = true;
        self
    }

    pub(super) fn rules(&self) -> Rules {
        let Self { max_waiting, max_age, max_flight, detach, .. } = *self;
        Rules { max_waiting, max_age, max_flight, detach }
    }

    pub(super) fn check(&self) -> Result<(), BadOptions> {
        let name = self.name;
        let why = if self.max_waiting == 0 {
            format!("`{name}` lets nobody wait, so that no flight is shared; say at least 1")
        } else if self.max_flight == Some(Duration::ZERO) {
            format!("`{name}` gives a flight no time at all; `None` gives it all the time there is")
        } else if self.max_age == Some(Duration::ZERO) {
            format!("`{name}` has flights that are too old at once, so that none is shared")
        } else if self.detach && self.max_flight.is_none() {
            format!("`{name}` goes on without anybody and without a limit; say `max_flight`")
        } else {
            return Ok(());
        };
        Err(BadOptions::new("singleflight::Group", why))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "singleflight",
            max_flight: Some(Duration::from_secs(30)),
            max_waiting: 1024,
            max_age: None,
            share_errors: true,
            detach: false,
        }
    }
}
