//! Messages: the events that are delivered.

use std::collections::BTreeSet;

use bytes::Bytes;
use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::application::ApplicationIn;
use super::rules;
use super::time::Time;
use super::{Faults, Input};
use crate::ids::MessageId;

/// The most channels of a message.
const CHANNELS: usize = 5;
/// For how many days content may be kept.
const RETENTION_DAYS: std::ops::RangeInclusive<i64> = 5..=90;

/// A message as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Ours.
    pub id: MessageId,
    /// The sender's own; unique in the application for ever.
    pub event_id: Option<String>,
    /// What it is about.
    pub event_type: String,
    /// Where it is to be heard.
    pub channels: Option<BTreeSet<String>>,
    /// What is sent, byte for byte.
    pub payload: Bytes,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// A message to send.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageIn {
    /// What it is about; need not be registered.
    #[schema(min_length = 1, max_length = 256)]
    pub event_type: String,
    /// A JSON object, sent byte for byte as it stands here. `data` is another name for it.
    #[serde(alias = "data")]
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// Your own identifier: a second message with it is refused.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, pattern = r"^[a-zA-Z0-9\-_.]+$")]
    pub event_id: Option<String>,
    /// Where it is to be heard; 1 to 5.
    #[serde(default)]
    pub channels: Option<BTreeSet<String>>,
    /// For how many days to keep the payload.
    #[serde(default)]
    #[schema(minimum = 5, maximum = 90)]
    pub payload_retention_period: Option<i64>,
    /// How to change what is sent.
    #[serde(default)]
    pub transformations_params: Option<TransformationsParams>,
    /// The application to create if the path names none; its `uid` is that of the path.
    #[serde(default)]
    pub application: Option<ApplicationIn>,
}

/// How to change what is sent.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransformationsParams {
    /// Sent in the place of the payload.
    #[serde(default)]
    pub raw_payload: Option<String>,
}

/// A message that might be sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrecheckIn {
    /// What it would be about.
    #[schema(min_length = 1, max_length = 256)]
    pub event_type: String,
    /// Where it would be heard; 1 to 5.
    #[serde(default)]
    pub channels: Option<BTreeSet<String>>,
}

/// Whether a message would be sent to anybody.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PrecheckOut {
    /// Whether an endpoint that is not disabled wants it.
    pub active: bool,
}

/// A message as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageOut {
    /// `msg_` and 27 characters.
    #[schema(value_type = String)]
    pub id: MessageId,
    /// The sender's own.
    pub event_id: Option<String>,
    /// What it is about.
    pub event_type: String,
    /// What is sent; `{}` if it was not asked for or is no JSON object.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// Where it is to be heard.
    pub channels: Option<BTreeSet<String>>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
}

// ===== impl Message =====

impl Message {
    /// A new one.
    #[must_use]
    pub fn new(id: MessageId, input: &MessageIn, payload: Bytes, now: Timestamp) -> Self {
        Self {
            id,
            event_id: input.event_id.clone(),
            event_type: input.event_type.clone(),
            channels: input.channels.clone(),
            payload,
            created_at: now,
        }
    }
}

impl MessageIn {
    /// What is to be sent: the raw payload if there is one.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let raw =
            self.transformations_params.as_ref().and_then(|params| params.raw_payload.as_ref());
        Bytes::copy_from_slice(raw.map_or(self.payload.get(), String::as_str).as_bytes())
    }
}

impl Input for MessageIn {
    fn check(&mut self, addresses: &AddressPolicy, faults: &mut Faults) {
        rules::name(faults, "eventType", &self.event_type);
        rules::payload(faults, self.payload.get());
        rules::identifier(faults, "eventId", "msg_", self.event_id.as_deref());
        rules::names(faults, "channels", CHANNELS, self.channels.as_ref());
        if self.payload_retention_period.is_some_and(|days| !RETENTION_DAYS.contains(&days)) {
            faults.add(["payloadRetentionPeriod"], "must be from 5 to 90 days");
        }
        if let Some(app) = &mut self.application {
            faults.within("application", |faults| app.check(addresses, faults));
        }
    }
}

impl Input for PrecheckIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        rules::name(faults, "eventType", &self.event_type);
        rules::names(faults, "channels", CHANNELS, self.channels.as_ref());
    }
}

impl MessageOut {
    /// What is shown of `message`, with its payload or without.
    #[must_use]
    pub fn new(message: Message, with_content: bool) -> Self {
        let payload = if with_content { object(&message.payload) } else { None };
        Self {
            id: message.id,
            event_id: message.event_id,
            event_type: message.event_type,
            payload: payload.unwrap_or_else(empty),
            channels: message.channels,
            timestamp: Time(message.created_at),
        }
    }
}

/// The payload if it is an object: a raw one may be anything, and clients parse an object.
fn object(payload: &[u8]) -> Option<Box<RawValue>> {
    let raw: Box<RawValue> = serde_json::from_slice(payload).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
}
