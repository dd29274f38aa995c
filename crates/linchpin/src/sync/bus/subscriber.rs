//! A subscriber: where messages are received.

use std::fmt;
use std::sync::Arc;

use super::error::{RecvError, TryRecvError};
use super::feed::{Feed, Found, Parking, Seat};
use super::log::Segment;
use super::message::{Batch, Message};
use super::names::Lease;
use super::numbers::Numbers;
use super::options::{Policy, Subscription};
use super::recv::Recv;
use super::row::Reader;
use crate::context::Context;

/// One who receives what is published to a topic, or to all that match a pattern. Dropping it unsubscribes.
///
/// A message is read where it stands: it is lent until the next is received, and there is one of it, however many
/// subscribe. Clone it, or have the topic carry `Arc`s, to keep it. To receive what is there takes no lock, and no
/// atomic operation but loads and a store, except that under [`Policy::Wait`] it is one.
pub struct Subscriber<T> {
    lease: Lease<T>,
    key: u32,
    reader: Arc<Reader>,
    policy: Policy,
    buffer: u64,
    /// Where it reads ...
    segment: Arc<Segment<T>>,
    /// ... the next message, after so many that it misses.
    at: u64,
    missed: u64,
    /// Up to there it has seen that messages are written where it reads.
    seen: u64,
    /// Up to there it reads without asking whether others should run.
    turn: u64,
}

/// Every so many messages that are there count against the budget that tokio gives a task for one turn.
const TURN: u64 = 16;

// ===== impl Subscriber =====

impl<T> Subscriber<T> {
    pub(super) fn new(lease: Lease<T>, subscription: &Subscription) -> Self {
        let Seat { reader, key, at } = lease.feed.enter(subscription);
        let (policy, buffer) = (subscription.policy, subscription.buffer as u64);
        let (segment, turn) = (Segment::empty(), at + TURN);
        Self { lease, key, reader, policy, buffer, segment, at, missed: 0, seen: at, turn }
    }

    /// The name of its topic, or its pattern.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.feed().name
    }

    /// Receives the next message, in the order of publishing.
    ///
    /// # Errors
    ///
    /// [`RecvError`], if all was received and the bus is closed; if it was [disconnected](Policy::Disconnect); or the
    /// context ends first. Under a context that has ended nothing is received, whatever is there.
    ///
    /// # Cancel safety
    ///
    /// Safe: a message that was not returned is still to be received.
    #[inline]
    pub fn recv<'a>(
        &'a mut self,
        ctx: &Context,
    ) -> impl Future<Output = Result<Message<'a, T>, RecvError>> {
        Recv::new(self, ctx, Self::read)
    }

    /// Receives all that is there, up to a hundred and twenty-eight and no more than `most`, or waits for one.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned is still to be received.
    pub fn recv_many<'a>(
        &'a mut self,
        ctx: &Context,
        most: usize,
    ) -> impl Future<Output = Result<Batch<'a, T>, RecvError>> {
        Recv::new(self, ctx, move |subscriber: &'a mut Self| subscriber.read_many(most))
    }

    /// Receives the next message, if it is there now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`], if nothing is, or nothing more will be.
    pub fn try_recv(&mut self) -> Result<Message<'_, T>, TryRecvError> {
        self.find()?;
        Ok(self.read())
    }

    /// How it is doing.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        self.feed().numbers(self.key)
    }

    fn feed(&self) -> &Feed<T> {
        &self.lease.feed
    }

    /// Where it parks.
    #[inline]
    pub(crate) fn parking(&self) -> Parking<T> {
        Parking { feed: self.lease.feed.clone(), at: self.at }
    }

    /// Whether there is a message at hand, and it is still this task's turn.
    #[inline]
    pub(super) fn is_at_hand(&mut self) -> bool {
        self.at < self.turn && self.may_read() && self.is_written()
    }

    /// Whether the next message is written where it reads. Several are seen at one look.
    #[inline]
    fn is_written(&mut self) -> bool {
        if self.at >= self.seen {
            self.seen = self.at + self.segment.written(self.at) as u64;
        }
        self.at < self.seen
    }

    /// Whether something has happened since it received all there was.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        !self.feed().is_quiet_at(self.at)
    }

    /// Its task goes on receiving.
    pub(super) fn begin_turn(&mut self) {
        self.turn = self.at + TURN;
    }

    /// Finds the next message, so that it is at hand.
    #[inline]
    pub(super) fn find(&mut self) -> Result<(), TryRecvError> {
        if self.may_read() && self.is_written() {
            return Ok(());
        }
        self.seek()
    }

    /// Whether nothing has happened to what it reads.
    #[inline]
    fn may_read(&self) -> bool {
        match self.policy {
            Policy::Wait => true,
            Policy::DropOldest => self.feed().head().saturating_sub(self.at) <= self.buffer,
            Policy::DropNewest | Policy::Disconnect => self.reader.stop() != self.at,
        }
    }

    /// The same, where a segment ends, where it misses messages, or there is nothing.
    #[cold]
    fn seek(&mut self) -> Result<(), TryRecvError> {
        loop {
            if self.may_read() && self.feed().ends_at(self.at) {
                return Err(TryRecvError::Closed);
            }
            if self.may_read() && self.feed().head() == self.at {
                return Err(TryRecvError::Empty);
            }
            match self.feed().look(self.key, self.at) {
                Found::At(at, segment, missed) => {
                    self.at = at;
                    self.missed += missed;
                    // The one before may be dropped here, and what is in it: under no lock.
                    self.segment = segment;
                    self.seen = at;
                    if self.is_written() {
                        return Ok(());
                    }
                }
                Found::Nothing => return Err(TryRecvError::Empty),
                Found::Closed => return Err(TryRecvError::Closed),
                Found::Disconnected => return Err(TryRecvError::Disconnected),
            }
        }
    }

    /// Receives what is at hand.
    #[inline]
    fn read(&mut self) -> Message<'_, T> {
        let at = self.at;
        self.pass(1);
        let missed = std::mem::take(&mut self.missed);
        let entry = self.segment.get(at).expect("it was found there");
        Message::of(entry, &self.lease.feed.name, missed)
    }

    /// Receives what is at hand and what comes after it there, so many at the most.
    fn read_many(&mut self, most: usize) -> Batch<'_, T> {
        let next = self.at;
        let written = self.segment.written(next) as u64;
        // After the look at what is written: a message that it is not to see was marked before it was.
        let before_the_stop = self.reader.stop().saturating_sub(next).max(1);
        self.pass(written.min(before_the_stop).min(most.max(1) as u64));
        let missed = std::mem::take(&mut self.missed);
        Batch { feed: &self.lease.feed.name, segment: &self.segment, next, end: self.at, missed }
    }

    #[inline]
    fn pass(&mut self, many: u64) {
        self.at += many;
        if self.policy != Policy::Wait {
            self.reader.moved(self.at);
        } else if self.reader.advance(many) {
            self.lease.feed.made_room(&self.reader);
        }
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        self.feed().leave(self.key);
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("name", &self.name())
            .field("policy", &self.policy)
            .field("numbers", &self.numbers())
            .finish_non_exhaustive()
    }
}
