//! What becomes of deliveries, told while it happens to whoever listens.
//!
//! A bus of the toolkit: the dispatcher tells it of each attempt once that is on record, and knows nobody who listens.
//! Nobody is waited for and nothing is kept: who reads too slowly loses the oldest, and the record is the row.

mod live;

use linchpin::resilience::BadOptions;
use linchpin::sync::bus::{Bus, Options, Subscriber, Subscription, Topic};
use serde::Serialize;

pub(crate) use self::live::live;
use crate::ids::{AppId, EndpointId, MessageId};
use crate::model::time::Time;

/// The bus of the service. Clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    bus: Bus<Attempted>,
    /// In the order of [`Outcome`].
    topics: [Topic<Attempted>; 3],
}

/// How an attempt ended. Each has its topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// `attempt.delivered`: the receiver took it.
    Delivered,
    /// `attempt.failed`: it will be tried again.
    Failed,
    /// `attempt.exhausted`: it failed, and was the last.
    Exhausted,
}

/// An attempt that was made and is on record: who, when and how long. No payload, no URL and no answer.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempted {
    /// Whose message it is.
    pub app_id: AppId,
    /// What was sent.
    pub msg_id: MessageId,
    /// To whom.
    pub endpoint_id: EndpointId,
    /// The number of the attempt, from 1 on.
    pub attempt: u32,
    /// What the receiver answered; 0 if it did not.
    pub response_status_code: u16,
    /// From the connection to the last byte.
    pub response_duration_ms: u64,
    /// When it began.
    pub timestamp: Time,
    /// When it will be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Time>,
}

/// How many events one who listens may be behind.
const BUFFER: usize = 1024;

// ===== impl Events =====

impl Events {
    /// A bus that nobody listens to yet.
    ///
    /// # Errors
    ///
    /// If a topic had a name that makes no sense.
    pub fn new() -> Result<Self, BadOptions> {
        let bus = Bus::with(Options::default().name("events"));
        let topic = |outcome: Outcome| bus.topic(outcome.topic());
        let topics =
            [topic(Outcome::Delivered)?, topic(Outcome::Failed)?, topic(Outcome::Exhausted)?];
        Ok(Self { bus, topics })
    }

    /// Tells whoever listens.
    pub fn tell(&self, outcome: Outcome, attempted: Attempted) {
        // Nobody is waited for, so it is refused only once the bus is closed.
        if self.topics[outcome as usize].try_publish(attempted).is_err() {
            tracing::debug!("an attempt was made after the last event");
        }
    }

    /// One who listens from now on to the events of `topic`, which may be a pattern: `attempt.*`.
    ///
    /// # Errors
    ///
    /// For a topic that makes no sense.
    pub fn subscribe(&self, topic: &str) -> Result<Subscriber<Attempted>, BadOptions> {
        self.bus.subscribe(topic, Subscription::default().name("operator").buffer(BUFFER))
    }

    /// How many listen now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.bus.topics().iter().map(|topic| topic.subscribers.len()).sum()
    }

    /// Nothing more will happen: those who listen read what there is, and are done.
    pub fn close(&self) {
        self.bus.close();
    }
}

// ===== impl Outcome =====

impl Outcome {
    fn topic(self) -> &'static str {
        match self {
            Self::Delivered => "attempt.delivered",
            Self::Failed => "attempt.failed",
            Self::Exhausted => "attempt.exhausted",
        }
    }
}
