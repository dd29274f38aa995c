//! What was sent where, with what became of it.

use linchpin::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::attempt::status_text;
use super::endpoint::{Endpoint, EndpointOut};
use super::message::{Message, MessageOut};
use super::time::Time;

/// A message of an endpoint, or an endpoint of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempted<T> {
    /// The message, or the endpoint.
    pub what: T,
    /// What became of it so far.
    pub status: u8,
    /// When it is tried next, if it is.
    pub next: Option<Timestamp>,
}

/// A message as it is shown among those of an endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMessageOut {
    #[serde(flatten)]
    message: MessageOut,
    /// 0 if it was delivered, 3 if it is still to be, 2 if it failed for good, 4 if it was never sent.
    status: u8,
    /// The status as a word.
    #[schema(value_type = String)]
    status_text: &'static str,
    /// When it is tried next; left out if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt: Option<Time>,
}

/// An endpoint as it is shown among those of a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageEndpointOut {
    #[serde(flatten)]
    endpoint: EndpointOut,
    /// How the last attempt ended: 0 success, 2 fail, 4 not made; 3 if the first one is still to be made.
    status: u8,
    /// The status as a word.
    #[schema(value_type = String)]
    status_text: &'static str,
    /// When it is tried next; null if it is not.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt: Option<Time>,
}

// ===== impl EndpointMessageOut =====

impl EndpointMessageOut {
    /// What is shown of `message`, with its payload or without.
    #[must_use]
    pub fn new(message: Attempted<Message>, with_content: bool) -> Self {
        Self {
            message: MessageOut::new(message.what, with_content),
            status: message.status,
            status_text: status_text(message.status),
            next_attempt: message.next.map(Time),
        }
    }
}

impl From<Attempted<Endpoint>> for MessageEndpointOut {
    fn from(endpoint: Attempted<Endpoint>) -> Self {
        Self {
            endpoint: endpoint.what.into(),
            status: endpoint.status,
            status_text: status_text(endpoint.status),
            next_attempt: endpoint.next.map(Time),
        }
    }
}
