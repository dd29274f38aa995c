//! What is under the lock of a feed, and how a message gets in.
//!
//! Most messages go the short way: into the next place, with a look at one number. Whatever asks for another look, one
//! who parks, a line, a pattern, a subscriber who may be full, sets that number back, and the message that comes next
//! goes the long way and counts it anew.

use std::sync::Arc;
use std::task::Waker;

use super::feed::Feed;
use super::log::{Entry, Envelope, Gone, Log};
use super::options::Policy;
use super::row::{NOWHERE, Row};
use crate::shim::{Fault, planted};
use crate::sync::waiters::{Calls, Ticket, Waiters};
use crate::task::slab::Slab;

/// What is under the lock of a feed.
pub(super) struct State<T> {
    pub(super) log: Log<T>,
    pub(super) head: u64,
    /// Below it no subscriber that is strict is full.
    pub(super) limit: u64,
    /// Below it a message is published with nothing else to look at: there is room, somebody reads, nobody is parked or
    /// in line, it is kept for nobody and goes to no pattern. Nothing is, once one of these may have changed.
    plain: u64,
    pub(super) rows: Slab<Row>,
    /// Those who wait for a message.
    pub(super) parked: Waiters,
    /// Publishers who wait for room.
    pub(super) publishers: Waiters,
    /// The feeds of patterns that this topic matches, in the order of their ids.
    patterns: Vec<Arc<Feed<T>>>,
    pub(super) replay: u64,
    /// How many publishers are in line, first come first served.
    queued: usize,
    pub(super) closed: bool,
}

/// What is to be done when the lock is free, which it is when this is dropped.
pub(super) struct After<T> {
    _calls: Calls,
    _gone: Gone<T>,
    _unread: Option<Entry<T>>,
}

// ===== impl State =====

impl<T> State<T> {
    /// Nothing published, nobody there; the last `replay` messages are kept.
    pub(super) fn new(replay: u64) -> Self {
        Self {
            log: Log::new(),
            head: 0,
            limit: NOWHERE,
            plain: 0,
            rows: Slab::new(),
            parked: Waiters::default(),
            publishers: Waiters::default(),
            patterns: Vec::new(),
            replay,
            queued: 0,
            closed: false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// Has the next message go the long way: something has changed that it must look at.
    pub(super) fn look_anew(&mut self) {
        self.plain = 0;
    }

    /// Gets in line, or out of it.
    pub(super) fn queue(&mut self, more: bool) {
        self.queued = if more { self.queued + 1 } else { self.queued - 1 };
        // Who comes now must see the line.
        self.limit = self.limit.min(self.head);
        self.look_anew();
    }

    pub(super) fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// The patterns that this topic matches, to change them.
    pub(super) fn patterns_mut(&mut self) -> &mut Vec<Arc<Feed<T>>> {
        self.look_anew();
        &mut self.patterns
    }

    /// One more who waits for a message.
    pub(super) fn park(&mut self, waker: Waker) -> Ticket {
        if !planted(Fault::BusStaysPlain) {
            self.look_anew();
        }
        self.parked.enter(waker)
    }

    pub(super) fn keeps(&self) -> bool {
        self.replay > 0
    }

    pub(super) fn waiting(&self) -> usize {
        self.queued
    }

    /// Whether one more would be read or kept by nobody.
    pub(super) fn is_unread(&self) -> bool {
        self.rows.len() == 0 && self.replay == 0
    }

    /// Whether a message may be published: unless a subscriber who is waited for is full, or others are in line.
    #[inline]
    pub(super) fn has_room(&mut self, in_line: bool) -> bool {
        self.head < self.limit || self.looks_for_room(in_line)
    }

    fn looks_for_room(&self, in_line: bool) -> bool {
        if self.queued > 0 && !in_line {
            return false;
        }
        let head = self.head;
        let waits = |row: &Row| row.policy == Policy::Wait && row.room_or_want(head) == 0;
        !self.rows.iter().any(waits)
    }

    /// Has those who are full and not waited for miss the message that is about to be published; counts the room anew.
    #[cold]
    fn overflow(&mut self, feed: &Feed<T>) {
        let (head, mut room) = (self.head, NOWHERE);
        for row in self.rows.iter_mut().filter(|row| row.is_strict()) {
            let mut free = row.room(head);
            if free == 0 {
                match row.policy {
                    Policy::Disconnect => {
                        row.disconnect(head);
                        tracing::warn!(
                            feed = &*feed.name,
                            subscriber = row.name,
                            "too slow: disconnected"
                        );
                        continue;
                    }
                    _ => row.skip(head),
                }
                feed.lost.increment(1);
                free = 1;
            }
            room = room.min(free);
        }
        // While there is a line nobody goes before it: each who comes looks anew.
        let room = if self.queued > 0 { 1 } else { room };
        self.limit = head.saturating_add(room);
    }

    /// Publishes `message` if there is nothing to look at but the place where it is written; otherwise it comes back.
    #[inline]
    pub(super) fn append_plain(&mut self, feed: &Feed<T>, message: T) -> Result<(), T> {
        if self.head >= self.plain {
            return Err(message);
        }
        match self.log.place() {
            Some(place) => place.write(Entry::Own(message)),
            None => return Err(message),
        }
        self.told(feed, self.head + 1);
        Ok(())
    }

    /// Publishes what [has room](Self::has_room).
    pub(super) fn append(&mut self, feed: &Feed<T>, entry: Entry<T>) -> After<T> {
        if self.head >= self.limit {
            self.overflow(feed);
        }
        let at = self.head;
        if self.is_unread() {
            self.told(feed, at + 1);
            return After { _calls: Calls::default(), _gone: Gone::new(), _unread: Some(entry) };
        }
        let gone = match self.log.place() {
            Some(place) => {
                place.write(entry);
                Gone::new()
            }
            None => self.roll(at, entry),
        };
        self.told(feed, at + 1);
        let calls = self.parked.call();
        self.plain = if self.is_plain() { self.limit } else { 0 };
        After { _calls: calls, _gone: gone, _unread: None }
    }

    /// Whether one more message goes nowhere but to those who read this feed, of whom nobody is parked.
    fn is_plain(&self) -> bool {
        !self.closed
            && self.queued == 0
            && self.replay == 0
            && self.rows.len() > 0
            && self.patterns.is_empty()
            && self.parked.is_empty()
    }

    fn told(&mut self, feed: &Feed<T>, head: u64) {
        self.head = head;
        feed.shows(head);
    }

    /// Begins another segment with `entry`, and lets go of those that nobody needs.
    #[cold]
    fn roll(&mut self, at: u64, entry: Entry<T>) -> Gone<T> {
        self.log.grow(at).write(entry);
        let (head, kept) = (self.head, self.head.saturating_sub(self.replay));
        let rows = &self.rows;
        self.log.trim(|from, to| {
            (to > kept && self.replay > 0) || rows.iter().any(|row| row.needs(from, to, head))
        })
    }

    /// The last messages that are kept, for the feed of a pattern.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Arc<Envelope<T>>> {
        let from = self.head - self.head.min(self.replay);
        (from..self.head).filter_map(|at| match self.log.segment(at)?.get(at)? {
            Entry::Shared(envelope) => Some(envelope),
            Entry::Own(_) => None,
        })
    }
}
