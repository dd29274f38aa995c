//! Event types: what can be subscribed to.

use std::collections::BTreeMap;

use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::patch::{present, set};
use super::rules;
use super::time::Time;
use super::{Faults, Input};

/// JSON Schemas by version.
pub type Schemas = BTreeMap<String, Value>;

/// An event type as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct EventType {
    /// Its key, such as `invoice.paid`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Hidden from lists, and not to be subscribed to any more.
    pub archived: bool,
    /// On its way out.
    pub deprecated: bool,
    /// What its payloads look like.
    pub schemas: Option<Schemas>,
    /// Shown only to application tokens that hold this flag.
    pub feature_flag: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An event type to create.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeIn {
    /// Its key, such as `invoice.paid`; full stops group.
    #[schema(min_length = 1, max_length = 256, pattern = r"^[a-zA-Z0-9_.][a-zA-Z0-9\-_.]*$")]
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// Hidden from lists, and not to be subscribed to any more.
    #[serde(default)]
    pub archived: bool,
    /// On its way out.
    #[serde(default)]
    pub deprecated: bool,
    /// JSON Schemas of its payloads, by version.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Schemas>,
    /// Shown only to application tokens that hold this flag.
    #[serde(default)]
    pub feature_flag: Option<String>,
}

/// What to put in the place of an event type; the name is in the path.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeUpdate {
    /// For people; may be empty.
    pub description: String,
    /// Hidden from lists, and not to be subscribed to any more.
    #[serde(default)]
    pub archived: bool,
    /// On its way out.
    #[serde(default)]
    pub deprecated: bool,
    /// JSON Schemas of its payloads, by version.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Schemas>,
    /// Shown only to application tokens that hold this flag.
    #[serde(default)]
    pub feature_flag: Option<String>,
}

/// What to change; absent stays as it is, null clears.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventTypePatch {
    /// For people.
    #[serde(deserialize_with = "present")]
    pub description: Option<String>,
    /// Hidden from lists, and not to be subscribed to any more.
    #[serde(deserialize_with = "present")]
    pub archived: Option<bool>,
    /// On its way out.
    #[serde(deserialize_with = "present")]
    pub deprecated: Option<bool>,
    /// JSON Schemas of its payloads, by version.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Option<Schemas>>,
    /// Shown only to application tokens that hold this flag.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub feature_flag: Option<Option<String>>,
}

/// An event type as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeOut {
    /// Its key.
    pub name: String,
    /// For people.
    pub description: String,
    /// Whether it is hidden from lists.
    pub archived: bool,
    /// Whether it is on its way out.
    pub deprecated: bool,
    /// JSON Schemas of its payloads, by version.
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Schemas>,
    /// Left out when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_flag: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

// ===== impl EventType =====

impl EventType {
    /// A new one.
    #[must_use]
    pub fn new(name: &str, input: &EventTypeUpdate, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            description: input.description.clone(),
            archived: input.archived,
            deprecated: input.deprecated,
            schemas: input.schemas.clone(),
            feature_flag: input.feature_flag.clone(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes over everything from `input`; what it has not is cleared.
    pub fn replace(&mut self, input: &EventTypeUpdate, now: Timestamp) {
        *self = Self { created_at: self.created_at, ..Self::new(&self.name, input, now) };
    }

    /// Takes over what `patch` has.
    pub fn patch(&mut self, patch: &EventTypePatch, now: Timestamp) {
        set(&mut self.description, patch.description.as_ref());
        set(&mut self.archived, patch.archived.as_ref());
        set(&mut self.deprecated, patch.deprecated.as_ref());
        set(&mut self.schemas, patch.schemas.as_ref());
        set(&mut self.feature_flag, patch.feature_flag.as_ref());
        self.updated_at = now;
    }
}

impl EventTypeIn {
    /// The name, and the rest.
    #[must_use]
    pub fn split(self) -> (String, EventTypeUpdate) {
        let Self { name, description, archived, deprecated, schemas, feature_flag } = self;
        (name, EventTypeUpdate { description, archived, deprecated, schemas, feature_flag })
    }
}

impl Input for EventTypeIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        rules::name(faults, "name", &self.name);
        check(faults, self.schemas.as_ref(), self.feature_flag.as_deref());
    }
}

impl Input for EventTypeUpdate {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        check(faults, self.schemas.as_ref(), self.feature_flag.as_deref());
    }
}

impl Input for EventTypePatch {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        let schemas = self.schemas.as_ref().and_then(Option::as_ref);
        check(faults, schemas, self.feature_flag.as_ref().and_then(Option::as_deref));
    }
}

fn check(faults: &mut Faults, schemas: Option<&Schemas>, flag: Option<&str>) {
    for (version, schema) in schemas.into_iter().flatten() {
        // Kept and shown, not used to judge payloads; a reference to another document cannot be followed from here.
        if let Err(fault) = jsonschema::draft7::new(schema) {
            let why = format!("must be a JSON Schema, draft 7: {fault}");
            faults.add(["schemas".to_owned(), version.clone()], why);
        }
    }
    if let Some(flag) = flag {
        rules::name(faults, "featureFlag", flag);
    }
}

impl From<EventType> for EventTypeOut {
    fn from(kind: EventType) -> Self {
        Self {
            name: kind.name,
            description: kind.description,
            archived: kind.archived,
            deprecated: kind.deprecated,
            schemas: kind.schemas,
            feature_flag: kind.feature_flag,
            created_at: Time(kind.created_at),
            updated_at: Time(kind.updated_at),
        }
    }
}
