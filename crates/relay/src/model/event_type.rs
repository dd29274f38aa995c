//! Event types: what can be subscribed to.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use linchpin::time::Timestamp;
use linchpin_data::record;
use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::{Object, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::patch::{present, set};
use super::rules;
use super::schema;
use super::time::Times;
use super::{Faults, Input};

/// The most feature flags of an event type.
pub(super) const FLAGS: usize = 10;

/// JSON Schemas by version.
pub type Schemas = BTreeMap<String, Value>;

/// An event type as it is kept and as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventType {
    /// Its key, such as `invoice.paid`.
    pub name: String,
    /// What a caller may put in its place.
    #[serde(flatten)]
    pub definition: EventTypeUpdate,
    /// When it was made and changed.
    #[serde(flatten)]
    pub times: Times,
}

record!(EventType { name, definition: flatten, times: flatten });

/// What to put in the place of an event type; the name is in the path.
// One struct all the way: a PUT brings it, a row keeps it, a reply shows it. Each field says how it is called in JSON,
// what the API's description promises of it, and, in the line below, how it is stored.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
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
    /// Shown only to application tokens that hold this flag, or one of `featureFlags`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_flag: Option<String>,
    /// Shown only to application tokens that hold one of these flags; 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_flags: Option<BTreeSet<String>>,
    /// The group that it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
}

record!(EventTypeUpdate {
    description,
    archived,
    deprecated,
    schemas: json,
    feature_flag,
    feature_flags: json,
    group_name
});

/// An event type to create.
// A name and an `EventTypeUpdate`, which is not flattened here: serde forgets the place of a fault in a flattened part,
// and a reply must name it.
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
    /// Shown only to application tokens that hold this flag, or one of `featureFlags`.
    #[serde(default)]
    pub feature_flag: Option<String>,
    /// Shown only to application tokens that hold one of these flags; 1 to 10.
    #[serde(default)]
    pub feature_flags: Option<BTreeSet<String>>,
    /// The group that it is shown in.
    #[serde(default)]
    pub group_name: Option<String>,
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
    /// Shown only to application tokens that hold this flag, or one of `featureFlags`.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub feature_flag: Option<Option<String>>,
    /// Shown only to application tokens that hold one of these flags; 1 to 10.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<BTreeSet<String>>)]
    pub feature_flags: Option<Option<BTreeSet<String>>>,
    /// The group that it is shown in.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub group_name: Option<Option<String>>,
}

// ===== impl EventType =====

impl EventType {
    /// A new one.
    #[must_use]
    pub fn new(name: &str, definition: EventTypeUpdate, now: Timestamp) -> Self {
        Self { name: name.to_owned(), definition, times: Times::new(now) }
    }

    /// Takes over everything from `definition`; what it has not is cleared.
    pub fn replace(&mut self, definition: EventTypeUpdate, now: Timestamp) {
        self.definition = definition;
        self.times.touch(now);
    }

    /// Takes over what `patch` has.
    pub fn patch(&mut self, patch: &EventTypePatch, now: Timestamp) {
        let Self { definition, times, .. } = self;
        set(&mut definition.description, patch.description.as_ref());
        set(&mut definition.archived, patch.archived.as_ref());
        set(&mut definition.deprecated, patch.deprecated.as_ref());
        set(&mut definition.schemas, patch.schemas.as_ref());
        set(&mut definition.feature_flag, patch.feature_flag.as_ref());
        set(&mut definition.feature_flags, patch.feature_flags.as_ref());
        set(&mut definition.group_name, patch.group_name.as_ref());
        times.touch(now);
    }
}

impl PartialSchema for EventType {
    fn schema() -> RefOr<Schema> {
        let key = Object::builder().schema_type(Type::String).description(Some("Its key."));
        let name = Object::builder().property("name", key).required("name");
        let parts = [name.into(), EventTypeUpdate::schema(), Times::schema()];
        schema::flattened("An event type as it is shown.", parts)
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        "EventTypeOut".into()
    }
}

impl EventTypeUpdate {
    /// Whether it is shown to whom holds these flags.
    #[must_use]
    pub fn is_shown_to(&self, held: &BTreeSet<String>) -> bool {
        let mut flags =
            self.feature_flag.iter().chain(self.feature_flags.iter().flatten()).peekable();
        flags.peek().is_none() || flags.any(|flag| held.contains(flag))
    }
}

impl EventTypeIn {
    /// The name, and the rest.
    #[must_use]
    pub fn split(self) -> (String, EventTypeUpdate) {
        let Self {
            name,
            description,
            archived,
            deprecated,
            schemas,
            feature_flag,
            feature_flags,
            group_name,
        } = self;
        let definition = EventTypeUpdate {
            description,
            archived,
            deprecated,
            schemas,
            feature_flag,
            feature_flags,
            group_name,
        };
        (name, definition)
    }
}

impl Input for EventTypeIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        rules::name(faults, "name", &self.name);
        check(faults, self.schemas.as_ref(), self.feature_flag.as_deref());
        check_new(faults, self.feature_flags.as_ref(), self.group_name.as_deref());
    }
}

impl Input for EventTypeUpdate {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        check(faults, self.schemas.as_ref(), self.feature_flag.as_deref());
        check_new(faults, self.feature_flags.as_ref(), self.group_name.as_deref());
    }
}

impl Input for EventTypePatch {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        let schemas = self.schemas.as_ref().and_then(Option::as_ref);
        check(faults, schemas, self.feature_flag.as_ref().and_then(Option::as_deref));
        let flags = self.feature_flags.as_ref().and_then(Option::as_ref);
        check_new(faults, flags, self.group_name.as_ref().and_then(Option::as_deref));
    }
}

/// What newer clients send.
fn check_new(faults: &mut Faults, flags: Option<&BTreeSet<String>>, group: Option<&str>) {
    rules::names(faults, "featureFlags", FLAGS, flags);
    if let Some(group) = group {
        rules::name(faults, "groupName", group);
    }
}

fn check(faults: &mut Faults, schemas: Option<&Schemas>, flag: Option<&str>) {
    if let Some(schemas) = schemas {
        let json = serde_json::to_string(schemas).expect("a map of JSON is JSON");
        rules::readable(faults, "schemas", &json);
    }
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
