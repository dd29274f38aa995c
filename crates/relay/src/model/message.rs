//! Messages: the events that are delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
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
/// The most tags of a message.
const TAGS: usize = 10;
/// For how many days content may be kept, as the older field says it ...
const RETENTION_DAYS: RangeInclusive<i64> = 5..=90;
/// ... and for how many hours, as the newer one does.
const RETENTION_HOURS: RangeInclusive<i64> = 1..=90 * 24;
/// How far ahead a delivery may be asked for.
const AHEAD: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);
/// The longest media type, in bytes.
const MEDIA_TYPE_BYTES: usize = 256;

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
    /// What it is found by.
    pub tags: Option<BTreeSet<String>>,
    /// What is sent, byte for byte; empty if it is not there any more.
    pub payload: Bytes,
    /// Whether the payload is there.
    pub content: Content,
    /// When the payload is to go, if that is before the message does.
    pub content_until: Option<Timestamp>,
    /// The media type that it is sent as, if not JSON.
    pub raw_type: Option<String>,
    /// When it is first sent, if not at once.
    pub deliver_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// Whether a message's payload is there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Content {
    /// It is.
    #[default]
    There,
    /// Its time was over.
    Expired,
    /// Somebody had it removed.
    Expunged,
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
    /// What to find it by in lists; 1 to 10.
    #[serde(default)]
    pub tags: Option<BTreeSet<String>>,
    /// When to send it first, from a minute to a day ahead. Whom it goes to is settled when it is accepted.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deliver_at: Option<Time>,
    /// For how many days to keep the payload; as long as the message if not given.
    #[serde(default)]
    #[schema(minimum = 5, maximum = 90)]
    pub payload_retention_period: Option<i64>,
    /// The same in hours, in its place.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2160)]
    pub payload_retention_hours: Option<i64>,
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
    /// Headers of the deliveries. `content-type` goes in the place of `application/json`, others are ignored.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
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
    /// What is sent; `{}` if it was not asked for or is no JSON object, `{"expired":true}` if it is not there any more.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// Where it is to be heard.
    pub channels: Option<BTreeSet<String>>,
    /// What it is found by, if it has tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeSet<String>>,
    /// When it is first sent, if not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deliver_at: Option<Time>,
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
            tags: input.tags.clone(),
            payload,
            content: Content::There,
            content_until: input.kept_for().map(|time| now + time),
            raw_type: input.raw_type().map(str::to_owned),
            deliver_at: input.deliver_at.map(|time| time.0),
            created_at: now,
        }
    }

    /// One of ours: nothing but a payload of this type.
    #[must_use]
    pub fn bare(id: MessageId, event_type: &str, payload: Bytes, now: Timestamp) -> Self {
        Self {
            id,
            event_id: None,
            event_type: event_type.to_owned(),
            channels: None,
            tags: None,
            payload,
            content: Content::There,
            content_until: None,
            raw_type: None,
            deliver_at: None,
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

    fn kept_for(&self) -> Option<Duration> {
        let days = self.payload_retention_period.map(|days| days * 24);
        let hours = self.payload_retention_hours.or(days)?;
        Some(Duration::from_hours(hours.unsigned_abs()))
    }

    /// The media type that is asked for, if it is not that of JSON.
    fn raw_type(&self) -> Option<&str> {
        let headers = self.transformations_params.as_ref()?.headers.as_ref()?;
        headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(header::CONTENT_TYPE.as_str()))
            .map(|(_, value)| value.as_str())
            .filter(|value| *value != "application/json")
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
        if self.payload_retention_hours.is_some_and(|hours| !RETENTION_HOURS.contains(&hours)) {
            faults.add(["payloadRetentionHours"], "must be from 1 to 2160 hours");
        }
        if self.payload_retention_hours.is_some() && self.payload_retention_period.is_some() {
            faults
                .add(["payloadRetentionHours"], "must not be given with `payloadRetentionPeriod`");
        }
        rules::names(faults, "tags", TAGS, self.tags.as_ref());
        let now = Timestamp::now();
        let ahead = (now + *AHEAD.start())..=(now + *AHEAD.end());
        if self.deliver_at.is_some_and(|time| !ahead.contains(&time.0)) {
            faults.add(["deliverAt"], "must be from 1 minute to 24 hours ahead");
        }
        let fits =
            |value: &str| value.len() <= MEDIA_TYPE_BYTES && HeaderValue::from_str(value).is_ok();
        if self.raw_type().is_some_and(|value| value.is_empty() || !fits(value)) {
            let place = ["transformationsParams", "headers", "content-type"];
            faults.add(place, "must be a media type of at most 256 bytes");
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
        let payload = match message.content {
            _ if !with_content => None,
            Content::There => object(&message.payload),
            Content::Expired | Content::Expunged => Some(literal(r#"{"expired":true}"#)),
        };
        Self {
            id: message.id,
            event_id: message.event_id,
            event_type: message.event_type,
            payload: payload.unwrap_or_else(|| literal("{}")),
            channels: message.channels,
            tags: message.tags,
            deliver_at: message.deliver_at.map(Time),
            timestamp: Time(message.created_at),
        }
    }
}

/// The payload if it is an object that clients can parse: a raw one may be anything.
fn object(payload: &[u8]) -> Option<Box<RawValue>> {
    let raw: Box<RawValue> = serde_json::from_slice(payload).ok()?;
    (raw.get().starts_with('{') && rules::unreadable(raw.get()).is_none()).then_some(raw)
}

fn literal(json: &'static str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("a literal of ours is JSON")
}

impl ToSql for Content {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for Content {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::There),
            1 => Ok(Self::Expired),
            2 => Ok(Self::Expunged),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}
