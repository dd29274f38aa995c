//! At most one in an interval.

use std::time::Duration;

use super::Edge;
use crate::sync::mailbox::Next;
use crate::time::Instant;

/// The machine of a throttle. It is open when nothing was handed on for `interval`.
pub(crate) struct Throttle<T> {
    interval: Duration,
    edge: Edge,
    held: Option<T>,
    /// When it opens again; `None` before the first value.
    opens: Option<Instant>,
}

impl<T> Throttle<T> {
    pub(crate) fn new(interval: Duration, edge: Edge) -> Self {
        Self { interval, edge, held: None, opens: None }
    }

    /// Gives back the value that is not to be handed on, if any.
    pub(super) fn push(&mut self, value: T, now: Instant) -> Option<T> {
        let open = self.opens.is_none_or(|opens| opens <= now);
        match (&self.held, self.edge.trails()) {
            // The first of a burst that has not been fetched yet is still the first.
            (Some(_), false) => return Some(value),
            (None, false) if !open => return Some(value),
            (None, _) if open && !self.edge.leads() => self.opens = Some(now + self.interval),
            _ => {}
        }
        self.held.replace(value)
    }

    pub(super) fn next(&mut self, now: Instant) -> Next<T> {
        match (&self.held, self.opens) {
            (None, _) => Next::Nothing,
            (Some(_), Some(opens)) if now < opens => Next::At(opens),
            (Some(_), _) => self.take(now).map_or(Next::Nothing, Next::Item),
        }
    }

    pub(super) fn held(&mut self) -> Option<&mut T> {
        self.held.as_mut()
    }

    /// Handed on: it is closed from now, whatever was planned.
    pub(super) fn take(&mut self, now: Instant) -> Option<T> {
        let value = self.held.take()?;
        self.opens = Some(now + self.interval);
        Some(value)
    }

    pub(super) fn clear(&mut self) -> Option<T> {
        self.held.take()
    }
}
