//! A topic: where messages are published.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::feed::{Feed, Refused, Room};
use super::log::{Entry, Envelope};
use super::names::{Lease, Open};
use super::state::State;
use crate::context::{Context, Ended};
use crate::resilience::FailedKind;
use crate::shim::MutexGuard;
use crate::sync::channel::{SendError, TrySendError};
use crate::sync::waiters::Wait;

/// A topic of a [`Bus`](super::Bus), found once. Clones publish to the same.
///
/// To publish is one lock, and one place in the log of the topic, however many subscribe: nothing is allocated or copied
/// for each of them. A topic that matches patterns costs an allocation and one more such place for each pattern.
pub struct Topic<T> {
    open: Arc<Open<T>>,
    lease: Arc<Lease<T>>,
}

/// A publisher in line.
struct Queued<'a, T>(&'a Feed<T>);

impl<T> Topic<T> {
    pub(super) fn new(open: Arc<Open<T>>, lease: Lease<T>) -> Self {
        Self { open, lease: Arc::new(lease) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.feed().name
    }

    /// Publishes `message`, once there is room with all who are [waited](super::Policy::Wait) for.
    ///
    /// Who publishes to a topic while others wait to do so waits behind them. When it returns, all subscribers have the
    /// message in their buffers, or lost it by their own policy; with nobody subscribed it is gone.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message, if the bus is closed, or the context ends first, or had ended before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the message, which nobody has seen, and leaves the line.
    pub async fn publish(&self, ctx: &Context, message: T) -> Result<(), SendError<T>> {
        if let Err(ended) = ctx.check() {
            return Err(SendError::Ended(message, ended));
        }
        match self.push(message, false) {
            Ok(()) => Ok(()),
            Err(Refused::Closed(message)) => Err(SendError::Closed(message)),
            Err(Refused::Full(message, _)) => self.publish_in_line(ctx, message).await,
        }
    }

    /// Publishes `message`, if there is room with all who are waited for, and nobody is in line.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the message, if there is not, or the bus is closed.
    pub fn try_publish(&self, message: T) -> Result<(), TrySendError<T>> {
        self.push(message, false).map_err(|refused| match refused {
            Refused::Closed(message) => TrySendError::Closed(message),
            Refused::Full(message, _) => TrySendError::Full(message),
        })
    }

    /// How many subscribe to this very topic; those of patterns are not among them.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.feed().state().rows().count()
    }

    /// How many messages were published to it so far.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.feed().head()
    }

    /// How many publishers wait for a subscriber who is full.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.feed().state().waiting()
    }

    fn feed(&self) -> &Feed<T> {
        &self.lease.feed
    }

    /// Where one waits for room with the topic's own subscribers.
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn room(&self) -> Room<'_, T> {
        Room(self.feed())
    }

    async fn publish_in_line(&self, ctx: &Context, message: T) -> Result<(), SendError<T>> {
        let _queued = Queued::at(self.feed());
        let _turn = match self.feed().turns.acquire(ctx, 1).await {
            Ok(turn) => turn,
            Err(failed) => return Err(SendError::Ended(message, ended(failed.into_kind()))),
        };
        let mut message = message;
        loop {
            let full = match self.push(message, true) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed(back)) => return Err(SendError::Closed(back)),
                Err(Refused::Full(back, feed)) => {
                    message = back;
                    feed
                }
            };
            if let Err(ended) = ctx.run(Wait::at(Room(&*full))).await {
                return Err(SendError::Ended(message, ended));
            }
        }
    }

    #[inline]
    fn push(&self, message: T, in_line: bool) -> Result<(), Refused<T>> {
        let mut state = self.feed().state();
        match state.append_plain(self.feed(), message) {
            Ok(()) => Ok(()),
            Err(message) => self.push_well(state, message, in_line),
        }
    }

    /// The same, where there is more to look at than a place.
    #[inline(never)]
    fn push_well(
        &self,
        mut state: MutexGuard<'_, State<T>>,
        message: T,
        in_line: bool,
    ) -> Result<(), Refused<T>> {
        if state.is_closed() {
            drop(state);
            return Err(Refused::Closed(message));
        }
        if state.has_patterns() {
            return self.push_to_all(state, message, in_line);
        }
        if !state.has_room(in_line) {
            drop(state);
            return Err(Refused::Full(message, self.lease.feed.clone()));
        }
        let entry = if state.keeps() {
            Entry::Shared(Arc::new(self.envelope(message)))
        } else {
            Entry::Own(message)
        };
        let after = state.append(self.feed(), entry);
        drop(state);
        drop(after);
        Ok(())
    }

    /// Publishes to the topic and to all patterns that it matches, or to none of them.
    #[cold]
    fn push_to_all(
        &self,
        mut state: MutexGuard<'_, State<T>>,
        message: T,
        in_line: bool,
    ) -> Result<(), Refused<T>> {
        // Taken out while they are borrowed; nobody sees that, under the lock.
        let patterns = std::mem::take(state.patterns_mut());
        let mut others: SmallVec<[_; 4]> = patterns.iter().map(|feed| feed.state()).collect();
        let full = if state.has_room(in_line) {
            let full = others.iter_mut().position(|other| !other.has_room(true));
            full.map(|full| &patterns[full])
        } else {
            Some(&self.lease.feed)
        };
        let pushed = match full {
            Some(full) => Err(Refused::Full(message, full.clone())),
            None => {
                let envelope = Arc::new(self.envelope(message));
                let mut after: SmallVec<[_; 4]> = SmallVec::new();
                for (feed, other) in patterns.iter().zip(&mut others) {
                    after.push(other.append(feed, Entry::Shared(envelope.clone())));
                }
                after.push(state.append(self.feed(), Entry::Shared(envelope)));
                Ok(after)
            }
        };
        drop(others);
        *state.patterns_mut() = patterns;
        drop(state);
        pushed.map(drop)
    }

    fn envelope(&self, value: T) -> Envelope<T> {
        Envelope { topic: self.feed().name.clone(), order: self.lease.core.next_order(), value }
    }
}

/// Nobody closes a line of publishers, and each may wait.
fn ended(kind: FailedKind) -> Ended {
    match kind {
        FailedKind::Ended(ended) => ended,
        other => unreachable!("a line of publishers refuses nobody: {other:?}"),
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self { open: self.open.clone(), lease: self.lease.clone() }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("name", &self.name())
            .field("published", &self.published())
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}

// ===== impl Queued =====

impl<'a, T> Queued<'a, T> {
    fn at(feed: &'a Feed<T>) -> Self {
        feed.state().queue(true);
        Self(feed)
    }
}

impl<T> Drop for Queued<'_, T> {
    fn drop(&mut self) {
        self.0.state().queue(false);
    }
}
