//! Endpoints: the URLs that receive, and what they want.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use linchpin::time::Timestamp;
use linchpin_http::client::{AddressPolicy, validate_url};
use linchpin_security::secret::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::headers::Headers;
use super::patch::{nullable, present, set};
use super::rules::{self, Metadata};
use super::secret;
use super::time::Time;
use super::{Faults, Input};
use crate::ids::EndpointId;

/// The most channels of an endpoint.
const CHANNELS: usize = 10;
/// The most delays of a schedule of its own.
const DELAYS: usize = 20;
/// How long one may be, in seconds: at most a week.
const DELAY: RangeInclusive<u32> = 1..=604_800;

/// An endpoint as it is kept, but for its secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Ours.
    pub id: EndpointId,
    /// The tenant's own; unique among the live ones of the application.
    pub uid: Option<String>,
    /// Where to, normalised.
    pub url: String,
    /// For people.
    pub description: String,
    /// A number that old clients expect and nobody uses.
    pub version: u16,
    /// Gets nothing.
    pub disabled: bool,
    /// Wants these only; all of them if `None`.
    pub event_types: Option<BTreeSet<String>>,
    /// Wants messages on one of these only.
    pub channels: Option<BTreeSet<String>>,
    /// Messages a second that it may get.
    pub throttle_rate: Option<u16>,
    /// Free data.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Seconds between its attempts, in place of the service's.
    pub retry_schedule: Option<Vec<u32>>,
    /// Why the service has disabled it: `failing` or `gone`; `None` if it has not.
    pub disabled_reason: Option<String>,
}

/// What an endpoint wants to be sent; `None` is no limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wants {
    /// Of these types only.
    pub event_types: Option<BTreeSet<String>>,
    /// On one of these channels only.
    pub channels: Option<BTreeSet<String>>,
}

/// An endpoint to create, or to put in the place of another, whose secret then stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointIn {
    /// `http` or `https`, to a host that may be called.
    #[schema(max_length = 2048)]
    pub url: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Your own identifier for it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, pattern = r"^[a-zA-Z0-9\-_.]+$")]
    pub uid: Option<String>,
    /// Messages a second that it may get.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub throttle_rate: Option<u16>,
    /// The old name of `throttleRate`, which wins.
    #[serde(default)]
    #[schema(minimum = 1, deprecated)]
    pub rate_limit: Option<u16>,
    /// Kept for old clients; without meaning.
    #[serde(default)]
    #[schema(minimum = 1, deprecated)]
    pub version: Option<u16>,
    /// Gets nothing while true.
    #[serde(default)]
    pub disabled: bool,
    /// Wants these only; all of them if null. `filterTypes` is an older name.
    #[serde(default, alias = "filterTypes")]
    pub event_types: Option<BTreeSet<String>>,
    /// Wants messages on one of these only; 1 to 10.
    #[serde(default)]
    pub channels: Option<BTreeSet<String>>,
    /// Free data, at most 4096 bytes as JSON.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: Metadata,
    /// Seconds from a failed attempt to the next, in place of the service's schedule; none at all for a single attempt. At
    /// most 20, each from 1 to 604800.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub retry_schedule: Option<Vec<u32>>,
    /// `whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and that of an ed25519 key pair; made for you if absent. Ignored by PUT.
    #[serde(default, deserialize_with = "secret::secret")]
    #[schema(value_type = Option<String>)]
    pub secret: Option<SecretString>,
    /// What deliveries have besides our headers. If absent, PUT leaves those that are there.
    #[serde(default)]
    #[schema(value_type = Option<Metadata>)]
    pub headers: Option<Headers>,
}

/// What to change; absent stays as it is, null clears.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPatch {
    /// `http` or `https`, to a host that may be called.
    #[serde(deserialize_with = "present")]
    pub url: Option<String>,
    /// For people.
    #[serde(deserialize_with = "present")]
    pub description: Option<String>,
    /// Your own identifier for it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub uid: Option<Option<String>>,
    /// Messages a second that it may get.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u16>)]
    pub throttle_rate: Option<Option<u16>>,
    /// The old name of `throttleRate`, which wins.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u16>, deprecated)]
    pub rate_limit: Option<Option<u16>>,
    /// Kept for old clients; without meaning.
    #[serde(deserialize_with = "present")]
    #[schema(deprecated)]
    pub version: Option<u16>,
    /// Gets nothing while true.
    #[serde(deserialize_with = "present")]
    pub disabled: Option<bool>,
    /// Wants these only; all of them if null. `filterTypes` is an older name.
    #[serde(alias = "filterTypes", deserialize_with = "present")]
    #[schema(value_type = Option<BTreeSet<String>>)]
    pub event_types: Option<Option<BTreeSet<String>>>,
    /// Wants messages on one of these only; 1 to 10.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<BTreeSet<String>>)]
    pub channels: Option<Option<BTreeSet<String>>>,
    /// Free data; replaces all of it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Option<Metadata>>,
    /// Seconds from a failed attempt to the next; the service's schedule if null.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Vec<u32>>, max_items = 20)]
    pub retry_schedule: Option<Option<Vec<u32>>>,
}

/// An endpoint as it is shown. Unset fields are null; the secret has a route of its own.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOut {
    /// `ep_` and 27 characters.
    #[schema(value_type = String)]
    pub id: EndpointId,
    /// Your own identifier for it.
    pub uid: Option<String>,
    /// Where to.
    pub url: String,
    /// For people.
    pub description: String,
    /// Whether it gets nothing.
    pub disabled: bool,
    /// Why the service has disabled it: `failing` for days without a success, `gone` by a 410; null if it has not.
    pub disabled_reason: Option<String>,
    /// What it wants; everything if null.
    pub event_types: Option<BTreeSet<String>>,
    /// The same as `eventTypes`, for old clients.
    #[schema(deprecated)]
    pub filter_types: Option<BTreeSet<String>>,
    /// The channels it listens on.
    pub channels: Option<BTreeSet<String>>,
    /// Messages a second that it may get.
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`, for old clients.
    #[schema(deprecated)]
    pub rate_limit: Option<u16>,
    /// For old clients; without meaning.
    #[schema(deprecated)]
    pub version: u16,
    /// Seconds from a failed attempt to the next; the service's schedule if null.
    pub retry_schedule: Option<Vec<u32>>,
    /// Free data.
    pub metadata: Metadata,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

// ===== impl Wants =====

impl Wants {
    /// Whether it gets a message of this type on these channels.
    ///
    /// A message without channels does not reach an endpoint with channels.
    #[must_use]
    pub fn admits(&self, event_type: &str, channels: Option<&BTreeSet<String>>) -> bool {
        let heard =
            |wanted: &BTreeSet<String>| channels.is_some_and(|sent| !sent.is_disjoint(wanted));
        self.event_types.as_ref().is_none_or(|wanted| wanted.contains(event_type))
            && self.channels.as_ref().is_none_or(heard)
    }
}

// ===== impl Endpoint =====

impl Endpoint {
    /// A new one.
    #[must_use]
    pub fn new(id: EndpointId, input: &EndpointIn, now: Timestamp) -> Self {
        Self {
            id,
            uid: input.uid.clone(),
            url: input.url.clone(),
            description: input.description.clone(),
            version: input.version.unwrap_or(1),
            disabled: input.disabled,
            event_types: input.event_types.clone(),
            channels: input.channels.clone(),
            throttle_rate: input.throttle_rate.or(input.rate_limit),
            metadata: input.metadata.clone(),
            created_at: now,
            updated_at: now,
            retry_schedule: input.retry_schedule.clone(),
            disabled_reason: None,
        }
    }

    /// Takes over everything from `input`; what it has not is cleared.
    pub fn replace(&mut self, input: &EndpointIn, now: Timestamp) {
        let disabled_reason = self.disabled_reason.take().filter(|_| input.disabled);
        let created_at = self.created_at;
        *self = Self { created_at, disabled_reason, ..Self::new(self.id, input, now) };
    }

    /// Takes over what `patch` has.
    pub fn patch(&mut self, patch: &EndpointPatch, now: Timestamp) {
        set(&mut self.uid, patch.uid.as_ref());
        set(&mut self.url, patch.url.as_ref());
        set(&mut self.description, patch.description.as_ref());
        set(&mut self.version, patch.version.as_ref());
        set(&mut self.disabled, patch.disabled.as_ref());
        set(&mut self.event_types, patch.event_types.as_ref());
        set(&mut self.channels, patch.channels.as_ref());
        set(&mut self.throttle_rate, patch.throttle_rate.as_ref().or(patch.rate_limit.as_ref()));
        set(&mut self.metadata, patch.metadata.clone().map(Option::unwrap_or_default).as_ref());
        set(&mut self.retry_schedule, patch.retry_schedule.as_ref());
        self.disabled_reason = self.disabled_reason.take().filter(|_| self.disabled);
        self.updated_at = now;
    }
}

impl Input for EndpointIn {
    fn check(&mut self, addresses: &AddressPolicy, faults: &mut Faults) {
        url(faults, addresses, &mut self.url);
        rules::identifier(faults, "uid", "ep_", self.uid.as_deref());
        rules::positive(faults, "throttleRate", self.throttle_rate);
        rules::positive(faults, "rateLimit", self.rate_limit);
        rules::positive(faults, "version", self.version);
        rules::names(faults, "eventTypes", usize::MAX, self.event_types.as_ref());
        rules::names(faults, "channels", CHANNELS, self.channels.as_ref());
        rules::metadata(faults, Some(&self.metadata));
        schedule(faults, self.retry_schedule.as_deref());
        secret::check(faults, "secret", self.secret.as_ref());
        if let Some(headers) = &mut self.headers {
            headers.check(faults);
        }
    }
}

impl Input for EndpointPatch {
    fn check(&mut self, addresses: &AddressPolicy, faults: &mut Faults) {
        if let Some(text) = &mut self.url {
            url(faults, addresses, text);
        }
        rules::identifier(faults, "uid", "ep_", self.uid.as_ref().and_then(Option::as_deref));
        rules::positive(faults, "throttleRate", self.throttle_rate.flatten());
        rules::positive(faults, "rateLimit", self.rate_limit.flatten());
        rules::positive(faults, "version", self.version);
        let inner = |names: &Option<Option<BTreeSet<String>>>| names.clone().flatten();
        rules::names(faults, "eventTypes", usize::MAX, inner(&self.event_types).as_ref());
        rules::names(faults, "channels", CHANNELS, inner(&self.channels).as_ref());
        rules::metadata(faults, self.metadata.as_ref().and_then(Option::as_ref));
        schedule(faults, self.retry_schedule.as_ref().and_then(Option::as_deref));
    }
}

/// Delays in seconds.
fn schedule(faults: &mut Faults, delays: Option<&[u32]>) {
    let Some(delays) = delays else { return };
    if delays.len() > DELAYS {
        faults.add(["retrySchedule"], format!("must have at most {DELAYS} items"));
    }
    for (index, delay) in delays.iter().enumerate() {
        if !DELAY.contains(delay) {
            let item: Cow<'static, str> = format!("[{index}]").into();
            let (least, most) = (DELAY.start(), DELAY.end());
            let msg = format!("must be from {least} to {most} seconds");
            faults.add(["retrySchedule".into(), item], msg);
        }
    }
}

/// Judges a URL and leaves its normal form behind.
fn url(faults: &mut Faults, addresses: &AddressPolicy, text: &mut String) {
    match validate_url(text, addresses) {
        Ok(url) => *text = url.into(),
        Err(fault) => faults.add(["url"], fault.to_string()),
    }
}

impl From<Endpoint> for EndpointOut {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            uid: endpoint.uid,
            url: endpoint.url,
            description: endpoint.description,
            disabled: endpoint.disabled,
            disabled_reason: endpoint.disabled_reason,
            retry_schedule: endpoint.retry_schedule,
            filter_types: endpoint.event_types.clone(),
            event_types: endpoint.event_types,
            channels: endpoint.channels,
            throttle_rate: endpoint.throttle_rate,
            rate_limit: endpoint.throttle_rate,
            version: endpoint.version,
            metadata: endpoint.metadata,
            created_at: Time(endpoint.created_at),
            updated_at: Time(endpoint.updated_at),
        }
    }
}
