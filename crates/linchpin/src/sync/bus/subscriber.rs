//! A subscriber: where messages are received.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, ready};

use tokio::task::coop;

use super::error::{RecvError, TryRecvError};
use super::feed::{Feed, Found, Parking, Seat};
use super::log::{Entry, Segment};
use super::names::Lease;
use super::numbers::Numbers;
use super::options::{Policy, Subscription};
use super::row::Reader;
use crate::context::{Cancelled, Context, Ended};
use crate::sync::waiters::Wait;

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
    /// Up to there it reads without asking whether others should run.
    turn: u64,
}

/// A message, lent to a [`Subscriber`].
pub struct Message<'a, T> {
    topic: &'a str,
    value: &'a T,
    missed: u64,
}

/// Messages that were there, one after the other: the result of [`Subscriber::recv_many`].
///
/// They are all received, whether or not they are taken out of it.
pub struct Batch<'a, T> {
    topic: &'a str,
    segment: &'a Segment<T>,
    next: u64,
    end: u64,
    missed: u64,
}

/// A wait for something to look at again: written by hand, since it is small and most often over at once.
struct News<'a, T> {
    feed: &'a Feed<T>,
    at: u64,
    wait: Wait<Parking<'a, T>>,
    ended: Cancelled<'a>,
}

/// Every so many messages that are there count against the budget that tokio gives a task for one turn.
const TURN: u64 = 16;

// ===== impl Subscriber =====

impl<T> Subscriber<T> {
    pub(super) fn new(lease: Lease<T>, subscription: &Subscription) -> Self {
        let Seat { reader, key, at } = lease.feed.enter(subscription);
        let (policy, buffer) = (subscription.policy, subscription.buffer as u64);
        let (segment, turn) = (Segment::empty(), at + TURN);
        Self { lease, key, reader, policy, buffer, segment, at, missed: 0, turn }
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
    pub async fn recv(&mut self, ctx: &Context) -> Result<Message<'_, T>, RecvError> {
        while !self.is_at_hand(ctx)? {
            News::of(self, ctx).await?;
            self.turn = self.at + TURN;
        }
        Ok(self.read())
    }

    /// Receives all that is there, up to about sixty and no more than `most`, or waits for one.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned is still to be received.
    pub async fn recv_many(
        &mut self,
        ctx: &Context,
        most: usize,
    ) -> Result<Batch<'_, T>, RecvError> {
        while !self.is_at_hand(ctx)? {
            News::of(self, ctx).await?;
            self.turn = self.at + TURN;
        }
        let next = self.at;
        let before_the_stop = self.reader.stop().saturating_sub(next).max(1);
        let most = most.max(1).min(before_the_stop.try_into().unwrap_or(usize::MAX));
        let many = self.segment.written(next, most) as u64;
        self.pass(many);
        let missed = std::mem::take(&mut self.missed);
        let (topic, segment, end) = (&*self.lease.feed.name, &*self.segment, self.at);
        Ok(Batch { topic, segment, next, end, missed })
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
    pub(crate) fn parking(&self) -> Parking<'_, T> {
        Parking { feed: &*self.lease.feed, at: self.at }
    }

    /// Whether there is a message at hand, and it is still this task's turn.
    #[inline]
    fn is_at_hand(&mut self, ctx: &Context) -> Result<bool, RecvError> {
        ctx.check()?;
        if self.at >= self.turn {
            return Ok(false);
        }
        match self.find() {
            Ok(()) => Ok(true),
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Closed) => Err(RecvError::Closed),
            Err(TryRecvError::Disconnected) => Err(RecvError::Disconnected),
        }
    }

    /// Finds the next message, so that it is at hand.
    #[inline]
    fn find(&mut self) -> Result<(), TryRecvError> {
        if self.may_read() && self.segment.get(self.at).is_some() {
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
                    if self.segment.get(at).is_some() {
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

// ===== impl News =====

impl<'a, T> News<'a, T> {
    fn of(subscriber: &'a Subscriber<T>, ctx: &'a Context) -> Self {
        let wait = Wait::at(subscriber.parking());
        Self { feed: subscriber.feed(), at: subscriber.at, wait, ended: ctx.cancelled() }
    }
}

impl<T> Future for News<'_, T> {
    type Output = Result<(), Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let news = &mut *self;
        let turn = ready!(coop::poll_proceed(cx));
        if news.feed.head() != news.at {
            // Whoever told that calls all who are parked, in the same hold of the lock.
            news.wait.is_over();
            turn.made_progress();
            return Poll::Ready(Ok(()));
        }
        if news.wait.poll_over(cx.waker()).is_ready() {
            turn.made_progress();
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut news.ended).poll(cx).map(|cause| Err(cause.into()))
    }
}

// ===== impl Message =====

impl<'a, T> Message<'a, T> {
    #[inline]
    fn of(entry: &'a Entry<T>, feed: &'a str, missed: u64) -> Self {
        Self { topic: entry.topic().unwrap_or(feed), value: entry.value(), missed }
    }

    /// The topic that it was published to.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// How many messages this subscriber has lost between the one that it received before and this one.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The message, for as long as it is lent.
    #[must_use]
    pub fn into_inner(self) -> &'a T {
        self.value
    }
}

impl<T> Clone for Message<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Message<'_, T> {}

impl<T> Deref for Message<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Message<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, value, missed } = self;
        f.debug_struct("Message")
            .field("topic", topic)
            .field("value", value)
            .field("missed", missed)
            .finish()
    }
}

// ===== impl Batch =====

impl<'a, T> Iterator for Batch<'a, T> {
    type Item = Message<'a, T>;

    fn next(&mut self) -> Option<Message<'a, T>> {
        if self.next == self.end {
            return None;
        }
        let entry = self.segment.get(self.next)?;
        self.next += 1;
        Some(Message::of(entry, self.topic, std::mem::take(&mut self.missed)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.end - self.next) as usize;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Batch<'_, T> {}

impl<T> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}
