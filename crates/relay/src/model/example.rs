//! Messages that are sent to try an endpoint out.

use bytes::Bytes;
use linchpin_http::client::AddressPolicy;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::event_type::Schemas;
use super::rules;
use super::{Faults, Input};

/// The type of an example that needs no schema, and need not be registered.
pub const PING: &str = "svix.ping";
/// The version of the schema that has the examples.
const VERSION: &str = "1";

/// Which example to send.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExampleIn {
    /// A registered event type, or `svix.ping`.
    #[schema(min_length = 1, max_length = 256)]
    pub event_type: String,
    /// Which of the `examples` of version 1 of its schema; the first unless given.
    #[serde(default)]
    pub example_index: Option<u32>,
    /// A JSON object to send in the place of an example.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Box<RawValue>>,
}

impl Input for ExampleIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        rules::name(faults, "eventType", &self.event_type);
        if let Some(payload) = &self.payload {
            rules::payload(faults, payload.get());
        }
    }
}

impl ExampleIn {
    /// What is to be sent; `None` if the schemas of its type have no such example, or one that is no object.
    #[must_use]
    pub fn body(&self, schemas: Option<&Schemas>) -> Option<Bytes> {
        if let Some(payload) = &self.payload {
            return Some(Bytes::copy_from_slice(payload.get().as_bytes()));
        }
        if self.event_type == PING {
            return Some(Bytes::from_static(br#"{"success":true}"#));
        }
        let examples = schemas?.get(VERSION)?.get("examples")?;
        let example = examples.get(self.example_index.unwrap_or(0) as usize)?;
        example.is_object().then(|| example.to_string().into())
    }
}
