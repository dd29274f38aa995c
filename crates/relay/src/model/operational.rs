//! Operational webhooks: what an organisation is told of its endpoints and of deliveries to them.

use bytes::Bytes;
use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::endpoint::EndpointIn;
use super::time::Time;
use super::{Faults, Input};
use crate::ids::{AppId, AttemptId, EndpointId, MessageId};

/// What has happened to an endpoint, or to a delivery to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operational {
    /// Somebody has made it.
    EndpointCreated,
    /// Somebody has changed it, its headers or its secret.
    EndpointUpdated,
    /// Somebody has deleted it.
    EndpointDeleted,
    /// The service has disabled it.
    EndpointDisabled {
        /// When the first of its failures was.
        fail_since: Timestamp,
    },
    /// A delivery has failed so often that somebody should know, and is tried again.
    AttemptFailing(LastAttempt),
    /// A delivery has failed, and is not tried again.
    AttemptExhausted(LastAttempt),
    /// A delivery that was told to be failing has arrived.
    AttemptRecovered(LastAttempt),
}

/// The attempt that something is told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastAttempt {
    /// Of this message.
    pub message: MessageId,
    /// Its own id.
    pub id: AttemptId,
    /// 0 when no answer came.
    pub status_code: u16,
    /// When it began.
    pub at: Timestamp,
}

/// Whom something is told of, with the names that the organisation has for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct About {
    /// The endpoint's application.
    pub app: AppId,
    /// Its `uid`.
    pub app_uid: Option<String>,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its `uid`.
    pub endpoint_uid: Option<String>,
    /// The `eventId` of the message, if it is about one.
    pub event_id: Option<String>,
}

/// An endpoint for operational webhooks. It is like others but for its event types, which are those here; channels are ignored.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct OperationalEndpointIn(pub EndpointIn);

/// All there is to be told.
const TYPES: [&str; 7] = [
    "endpoint.created",
    "endpoint.deleted",
    "endpoint.disabled",
    "endpoint.updated",
    "message.attempt.exhausted",
    "message.attempt.failing",
    "message.attempt.recovered",
];

// ===== impl Operational =====

impl Operational {
    /// So many attempts of a delivery have failed when it is told that it is failing.
    pub const FAILING: u32 = 4;

    /// Its event type.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::EndpointCreated => "endpoint.created",
            Self::EndpointUpdated => "endpoint.updated",
            Self::EndpointDeleted => "endpoint.deleted",
            Self::EndpointDisabled { .. } => "endpoint.disabled",
            Self::AttemptFailing(_) => "message.attempt.failing",
            Self::AttemptExhausted(_) => "message.attempt.exhausted",
            Self::AttemptRecovered(_) => "message.attempt.recovered",
        }
    }

    /// The attempt it is about, if it is about one.
    #[must_use]
    pub fn attempt(&self) -> Option<&LastAttempt> {
        match self {
            Self::AttemptFailing(attempt)
            | Self::AttemptExhausted(attempt)
            | Self::AttemptRecovered(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// What is sent: `type` and `data`.
    #[must_use]
    pub fn payload(&self, about: &About) -> Bytes {
        let mut data = json!({
            "appId": about.app,
            "appUid": about.app_uid,
            "endpointId": about.endpoint,
            "endpointUid": about.endpoint_uid,
        });
        if let Self::EndpointDisabled { fail_since } = self {
            data["failSince"] = json!(Time(*fail_since));
        }
        if let Some(LastAttempt { message, id, status_code, at }) = self.attempt() {
            data["msgId"] = json!(message);
            data["msgEventId"] = json!(about.event_id);
            data["lastAttempt"] =
                json!({ "id": id, "responseStatusCode": status_code, "timestamp": Time(*at) });
        }
        json!({ "type": self.event_type(), "data": data }).to_string().into()
    }
}

impl Input for OperationalEndpointIn {
    fn check(&mut self, addresses: &AddressPolicy, faults: &mut Faults) {
        let Self(endpoint) = self;
        endpoint.channels = None;
        endpoint.check(addresses, faults);
        let is_unknown = |name: &&String| !TYPES.contains(&name.as_str());
        let unknown: Vec<_> =
            endpoint.event_types.iter().flatten().filter(is_unknown).cloned().collect();
        if !unknown.is_empty() {
            let (unknown, known) = (unknown.join(", "), TYPES.join(", "));
            faults.add(["eventTypes"], format!("there are only {known}; not {unknown}"));
        }
    }
}
