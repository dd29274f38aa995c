//! How a bus keeps messages, and how a subscriber takes them.

/// How a [`Bus`](super::Bus) keeps messages. The default keeps none: who subscribes sees what is published from then on.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) name: &'static str,
    pub(super) replay: usize,
}

/// How a subscriber takes messages. The default has room for 64, and loses the oldest when that is full.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub(super) name: &'static str,
    pub(super) buffer: usize,
    pub(super) policy: Policy,
    pub(super) replay: usize,
}

/// What happens when a subscriber's buffer is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// Publishers wait, all of the topic, until it has read: for what must not be lost.
    Wait,
    /// It loses the message that waits longest: for states and readings, of which the latest counts.
    DropOldest,
    /// It does not see the message that comes: for samples, and where what came first has a right.
    DropNewest,
    /// It sees what is in its buffer, and then that it was disconnected: for who must see all or start anew.
    Disconnect,
}

// ===== impl Options =====

impl Options {
    /// The name that tells it apart in logs and metrics. Default: `bus`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many of the last messages of each topic are kept for those who subscribe later. Default: 0.
    ///
    /// Kept messages are an allocation each, and a topic that has some stays when nobody uses it any more.
    #[must_use]
    pub fn replay(mut self, messages: usize) -> Self {
        self.replay = messages;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { name: "bus", replay: 0 }
    }
}

// ===== impl Subscription =====

impl Subscription {
    /// The name that tells it apart in [`Bus::topics`](super::Bus::topics) and logs. Default: `subscriber`.
    #[must_use]
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How many messages that it has not read it has room for. Default: 64.
    #[must_use]
    pub fn buffer(mut self, messages: usize) -> Self {
        self.buffer = messages;
        self
    }

    /// What happens when that is full. Default: [`Policy::DropOldest`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How many of the messages that the bus [keeps](Options::replay) it sees first. Default: 0.
    ///
    /// The last ones, and no more than its buffer has room for.
    #[must_use]
    pub fn replay(mut self, messages: usize) -> Self {
        self.replay = messages;
        self
    }
}

impl Default for Subscription {
    fn default() -> Self {
        Self { name: "subscriber", buffer: 64, policy: Policy::DropOldest, replay: 0 }
    }
}
