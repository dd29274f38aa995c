//! Replays of what was sent before, chosen by what it was and what became of it.

use std::collections::BTreeSet;

use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::attempt::{CANCELED, PENDING, SENDING, SUCCESS, StatusClass};
use super::task::Stretch;
use super::time::Time;
use super::{Faults, Input, rules};

/// The most event types of one replay.
const EVENT_TYPES: usize = 1000;

/// Which messages to send again: those of a stretch of time that were sent to the endpoint and are all that is named.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkReplayIn {
    /// Those created from this moment on.
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    /// Up to this moment, and up to now at most.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Time>,
    /// Of one of these types; 1 to 1000.
    pub event_types: Option<BTreeSet<String>>,
    /// On this channel.
    pub channel: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// 0 if they were delivered, 2 if they failed for good, 4 if they were never sent for want of where to; 3 if they wait for
    /// an attempt, 1 if that is their first.
    #[schema(minimum = 0, maximum = 4)]
    pub status: Option<u8>,
    /// Whose last attempt was answered with such a code: 0, 100, 200, 300, 400 or 500; 0 is that there was no answer.
    #[schema(value_type = Option<u16>)]
    pub status_code_class: Option<StatusClass>,
}

/// What messages are: all that is set. As a [`BulkReplayIn`] says, and as it is kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Which {
    /// Of one of these types.
    pub event_types: Option<BTreeSet<String>>,
    /// On this channel.
    pub channel: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// What became of them.
    pub status: Option<u8>,
    /// What their last attempt was answered.
    pub status_code_class: Option<StatusClass>,
}

/// What has become of a message at an endpoint.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fate {
    /// The lowest status that an attempt had, which is the best.
    pub best: Option<u8>,
    /// What the last attempt was answered; 0 if it was not.
    pub last_code: u16,
    /// Whether a delivery waits for its time, or is under way.
    pub is_open: bool,
}

// ===== impl BulkReplayIn =====

impl BulkReplayIn {
    /// Of which stretch of time, as seen at `now`.
    #[must_use]
    pub fn stretch(&self, now: Timestamp) -> Stretch {
        Stretch::new(self.since, self.until, now)
    }

    /// What they are.
    #[must_use]
    pub fn which(self) -> Which {
        let Self { event_types, channel, tag, status, status_code_class, .. } = self;
        Which { event_types, channel, tag, status, status_code_class }
    }
}

impl Input for BulkReplayIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        self.stretch(Timestamp::now()).check(None, faults);
        rules::names(faults, "eventTypes", EVENT_TYPES, self.event_types.as_ref());
        rules::label(faults, "channel", self.channel.as_deref());
        rules::label(faults, "tag", self.tag.as_deref());
        if self.status.is_some_and(|status| status > CANCELED) {
            faults.add(["status"], "must be from 0 to 4");
        }
    }
}

// ===== impl Which =====

impl Which {
    /// Whether a message like this is one of them, as far as that is known without its attempts.
    #[must_use]
    pub fn admits(
        &self,
        event_type: &str,
        channels: Option<&BTreeSet<String>>,
        tags: Option<&BTreeSet<String>>,
    ) -> bool {
        let has = |all: Option<&BTreeSet<String>>, one: &Option<String>| {
            one.as_ref().is_none_or(|one| all.is_some_and(|all| all.contains(one)))
        };
        self.event_types.as_ref().is_none_or(|types| types.contains(event_type))
            && has(channels, &self.channel)
            && has(tags, &self.tag)
    }

    /// Whether a message of which this became is one of them. One that nobody asked for by its status was sent at least once.
    #[must_use]
    pub fn admits_fate(&self, fate: Fate) -> bool {
        let status = match self.status {
            None => fate.best.is_some(),
            Some(PENDING) => fate.is_open && fate.best.is_none(),
            Some(status) => fate.status() == Some(status),
        };
        let class = self.status_code_class.is_none_or(|class| {
            let (least, most) = class.codes();
            fate.best.is_some() && (least..=most).contains(&fate.last_code)
        });
        status && class
    }
}

// ===== impl Fate =====

impl Fate {
    /// As the list of the endpoint's messages shows it; `None` if nothing was sent nor will be.
    fn status(self) -> Option<u8> {
        match self.best {
            Some(SUCCESS) => self.best,
            _ if self.is_open => Some(SENDING),
            best => best,
        }
    }
}
