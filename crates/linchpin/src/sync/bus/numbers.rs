//! What a bus shows of itself: where messages are, who is behind, and by how much.

use std::sync::Arc;

use super::options::Policy;

/// How a subscriber is doing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Messages that it has received.
    pub delivered: u64,
    /// Messages that it has lost, by its [`Policy`].
    pub dropped: u64,
    /// Messages that wait in its buffer.
    pub lag: u64,
    /// For how many that has room.
    pub buffer: u64,
}

/// A topic or a pattern, and its subscribers: an item of [`Bus::topics`](super::Bus::topics).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Its name.
    pub name: Arc<str>,
    /// Messages that were published to it so far.
    pub published: u64,
    /// Publishers that wait for a subscriber who is full.
    pub waiting: usize,
    /// Its subscribers, each with its name, its policy and how it is doing. Those of patterns stand under the pattern.
    pub subscribers: Vec<(&'static str, Policy, Numbers)>,
}
