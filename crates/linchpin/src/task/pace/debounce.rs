//! When a burst is over.

use std::time::Duration;

use super::Edge;
use crate::sync::mailbox::Next;
use crate::time::Instant;

/// The machine of a debounce. A burst is over when nothing came for `quiet`.
pub(crate) struct Debounce<T> {
    quiet: Duration,
    max_wait: Option<Duration>,
    edge: Edge,
    held: Option<Held<T>>,
    /// When the last value came.
    last: Option<Instant>,
}

struct Held<T> {
    value: T,
    /// When the first came that was put together into this one.
    since: Instant,
    /// It is the first of its burst, and due at once.
    leading: bool,
}

impl<T> Debounce<T> {
    pub(crate) fn new(quiet: Duration, max_wait: Option<Duration>, edge: Edge) -> Self {
        Self { quiet, max_wait, edge, held: None, last: None }
    }

    /// Gives back the value that is not to be handed on, if any.
    pub(super) fn push(&mut self, value: T, now: Instant) -> Option<T> {
        let in_burst = self.last.is_some_and(|last| now < last + self.quiet);
        self.last = Some(now);
        match &mut self.held {
            Some(held) if self.edge.trails() => Some(std::mem::replace(&mut held.value, value)),
            Some(_) => Some(value),
            None if in_burst && !self.edge.trails() => Some(value),
            None => {
                let leading = !in_burst && self.edge.leads();
                self.held = Some(Held { value, since: now, leading });
                None
            }
        }
    }

    pub(super) fn next(&mut self, now: Instant, last: bool) -> Next<T> {
        match self.due() {
            Some(due) if due <= now || last => self.take().map_or(Next::Nothing, Next::Item),
            Some(due) => Next::At(due),
            None => Next::Nothing,
        }
    }

    pub(super) fn held(&mut self) -> Option<&mut T> {
        self.held.as_mut().map(|held| &mut held.value)
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.last = Some(now);
    }

    pub(super) fn take(&mut self) -> Option<T> {
        self.held.take().map(|held| held.value)
    }

    fn due(&self) -> Option<Instant> {
        let held = self.held.as_ref()?;
        if held.leading {
            return Some(held.since);
        }
        let quiet = self.last? + self.quiet;
        Some(self.max_wait.map_or(quiet, |most| quiet.min(held.since + most)))
    }
}
