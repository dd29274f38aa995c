//! Which topics and patterns there are, who uses them, which of them belong together.
//!
//! Locks are taken in this order: that of the names, those of topics, those of patterns, the latter two by age.

use std::collections::HashMap;
use std::sync::Arc;

use super::feed::Feed;
use super::log::{Entry, Envelope};
use super::numbers::Listed;
use super::options::Options;
use super::pattern;
use crate::shim::atomic::{AtomicU64, Ordering};
use crate::shim::{Mutex, lock};

/// What a bus, its topics and its subscribers share.
pub(super) struct Core<T> {
    options: Options,
    names: Mutex<Names<T>>,
    /// How many messages were shared so far.
    order: AtomicU64,
}

struct Names<T> {
    topics: HashMap<Arc<str>, Held<T>>,
    patterns: HashMap<Arc<str>, Held<T>>,
    next_id: u64,
    closed: bool,
}

struct Held<T> {
    feed: Arc<Feed<T>>,
    leases: usize,
}

/// The use of a topic or of a pattern. With the last of them it is forgotten, unless messages are kept there.
pub(super) struct Lease<T> {
    pub(super) core: Arc<Core<T>>,
    pub(super) feed: Arc<Feed<T>>,
}

/// Those who can publish: when the last of them goes, the bus is closed.
pub(super) struct Open<T>(pub(super) Arc<Core<T>>);

// ===== impl Core =====

impl<T> Core<T> {
    pub(super) fn new(options: Options) -> Self {
        let (topics, patterns) = (HashMap::new(), HashMap::new());
        let names = Names { topics, patterns, next_id: 0, closed: false };
        Self { options, names: Mutex::new(names), order: AtomicU64::new(0) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.options.name
    }

    pub(super) fn next_order(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    /// The feed of a topic or a pattern whose name was checked.
    pub(super) fn lease(self: &Arc<Self>, name: &str) -> Lease<T> {
        let mut names = lock(&self.names);
        let names = &mut *names;
        let is_pattern = pattern::is_pattern(name);
        let held = if is_pattern { &mut names.patterns } else { &mut names.topics };
        if let Some(held) = held.get_mut(name) {
            held.leases += 1;
            return Lease { core: self.clone(), feed: held.feed.clone() };
        }
        let feed = Arc::new(Feed::new(Arc::from(name), names.next_id, &self.options));
        names.next_id += 1;
        if names.closed {
            feed.close();
        }
        let held = Held { feed: feed.clone(), leases: 1 };
        if is_pattern {
            names.join_pattern(&feed);
            names.patterns.insert(feed.name.clone(), held);
        } else {
            names.join_topic(&feed);
            names.topics.insert(feed.name.clone(), held);
        }
        Lease { core: self.clone(), feed }
    }

    pub(super) fn close(&self) {
        let mut names = lock(&self.names);
        names.closed = true;
        // Topics first: whoever publishes to a pattern holds the lock of a topic that is not closed.
        let mut feeds = names.feeds();
        drop(names);
        feeds.drain(..).for_each(|feed| feed.close());
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.names).closed
    }

    pub(super) fn listed(&self) -> Vec<Listed> {
        let feeds = lock(&self.names).feeds();
        let listed = |feed: Arc<Feed<T>>| {
            let state = feed.state();
            let row = |row: &super::row::Row| (row.name, row.policy, row.numbers(state.head()));
            Listed {
                name: feed.name.clone(),
                published: state.head(),
                waiting: state.waiting(),
                subscribers: state.rows().map(row).collect(),
            }
        };
        feeds.into_iter().map(listed).collect()
    }
}

impl<T> Names<T> {
    /// All topics, then all patterns, each by age.
    fn feeds(&self) -> Vec<Arc<Feed<T>>> {
        let by_age = |held: &HashMap<Arc<str>, Held<T>>| {
            let mut feeds: Vec<_> = held.values().map(|held| held.feed.clone()).collect();
            feeds.sort_unstable_by_key(|feed| feed.id);
            feeds
        };
        let mut feeds = by_age(&self.topics);
        feeds.extend(by_age(&self.patterns));
        feeds
    }

    /// Has a new topic publish to the patterns that it matches.
    fn join_topic(&self, topic: &Feed<T>) {
        let patterns = self.patterns.values().map(|held| &held.feed);
        let matching = patterns.filter(|feed| pattern::matches(&feed.name, &topic.name));
        let mut matching: Vec<_> = matching.cloned().collect();
        matching.sort_unstable_by_key(|feed| feed.id);
        *topic.state().patterns_mut() = matching;
    }

    /// Has those topics publish to a new pattern that match it, and gives it the last messages that they keep, as if
    /// it had always been there. Nothing is published in between.
    fn join_pattern(&self, feed: &Arc<Feed<T>>) {
        let topics = self.topics.values().map(|held| &held.feed);
        let mut matching: Vec<_> =
            topics.filter(|topic| pattern::matches(&feed.name, &topic.name)).collect();
        matching.sort_unstable_by_key(|topic| topic.id);
        let mut locked: Vec<_> = matching.iter().map(|topic| topic.state()).collect();
        let mut kept: Vec<Arc<Envelope<T>>> =
            locked.iter().flat_map(|topic| topic.kept().cloned()).collect();
        kept.sort_unstable_by_key(|envelope| envelope.order);
        for topic in &mut locked {
            topic.patterns_mut().push(feed.clone());
        }
        let mut state = feed.state();
        for envelope in kept {
            // Nobody reads it yet, so nothing is to be done afterwards but to drop what it does not keep.
            drop(state.append(feed, Entry::Shared(envelope)));
        }
    }
}

// ===== impl Lease, Open =====

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let mut names = lock(&self.core.names);
        let names = &mut *names;
        let is_pattern = pattern::is_pattern(&self.feed.name);
        let held = if is_pattern { &mut names.patterns } else { &mut names.topics };
        let Some(one) = held.get_mut(&*self.feed.name) else { return };
        one.leases -= 1;
        let keeps = !is_pattern && self.core.options.replay > 0 && self.feed.head() > 0;
        if one.leases > 0 || keeps {
            return;
        }
        // What is in it is dropped with the lease, under no lock.
        held.remove(&*self.feed.name);
        if is_pattern {
            for topic in names.topics.values() {
                topic.feed.state().patterns_mut().retain(|feed| !Arc::ptr_eq(feed, &self.feed));
            }
        }
    }
}

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
