//! Event types from the webhooks of an OpenAPI document.

mod document;
mod schema;
mod webhooks;

use std::collections::BTreeSet;

use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use self::document::Document;
use super::event_type::{EventType, EventTypePatch, Schemas};
use super::{Faults, Input};

/// Event types to take over from a document: `spec` or `specRaw`, and not both.
///
/// Each webhook is one, and its name that of the event type. What is called `x-svix-group-name`, `x-svix-feature-flag` and
/// `x-svix-feature-flags` in its operation is taken over, too; where they are left out, what was set otherwise stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeImportOpenApiIn {
    /// An OpenAPI document, version 3, with `webhooks` or `x-webhooks`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub spec: Option<Value>,
    /// The same as a text, which is JSON or YAML.
    #[serde(default)]
    pub spec_raw: Option<String>,
    /// Only say what would be changed.
    #[serde(default)]
    pub dry_run: bool,
    /// Archive the event types that the document does not have.
    #[serde(default)]
    pub replace_all: bool,
    /// What was read of the document.
    #[serde(skip)]
    #[schema(ignore)]
    webhooks: Option<Vec<Webhook>>,
}

/// What an import has done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventTypeImportOpenApiOut {
    /// What it has done.
    pub data: EventTypeImportOpenApiOutData,
}

/// What an import has done, or would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventTypeImportOpenApiOutData {
    /// The names of the event types that were changed, made or archived; in a dry run, of those that would be.
    pub modified: Vec<String>,
    /// In a dry run, what those of the document would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_modify: Option<Vec<EventTypeFromOpenApi>>,
}

/// An event type as an import would leave it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeFromOpenApi {
    /// Its key.
    pub name: String,
    /// For people.
    pub description: String,
    /// Version 1 is the JSON Schema of the payload.
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Schemas>,
    /// On its way out.
    pub deprecated: bool,
    /// Shown only to application tokens that hold this flag, or one of `featureFlags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_flag: Option<String>,
    /// Shown only to application tokens that hold one of these flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_flags: Option<BTreeSet<String>>,
    /// The group that it is shown in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
}

/// What to make of the event types.
#[derive(Clone, Debug)]
pub struct Import {
    /// One for each webhook, by name.
    pub webhooks: Vec<Webhook>,
    /// Whether all others are archived.
    pub replace_all: bool,
}

/// What a document says of an event type.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its key.
    pub name: String,
    /// What of it is said.
    pub patch: EventTypePatch,
}

/// The place of the whole.
const NOWHERE: [&str; 0] = [];

// ===== impl EventTypeImportOpenApiIn =====

impl EventTypeImportOpenApiIn {
    /// What was asked for; `None` if there was not one document.
    #[must_use]
    pub fn into_import(self) -> Option<Import> {
        Some(Import { webhooks: self.webhooks?, replace_all: self.replace_all })
    }
}

impl Input for EventTypeImportOpenApiIn {
    const TAKES_LONG: bool = true;

    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        let (field, document) = match (self.spec.take(), self.spec_raw.take()) {
            (Some(spec), None) => ("spec", Document::new(spec)),
            (None, Some(text)) => ("specRaw", Document::parse(&text)),
            // The route has an answer of its own for that.
            _ => return,
        };
        self.webhooks = faults.within(field, |faults| match document {
            Ok(document) => Some(webhooks::read(&document, faults)),
            Err(why) => {
                faults.add(NOWHERE, why);
                None
            }
        });
    }
}

impl From<EventType> for EventTypeFromOpenApi {
    fn from(EventType { name, definition, .. }: EventType) -> Self {
        Self {
            name,
            description: definition.description,
            schemas: definition.schemas,
            deprecated: definition.deprecated,
            feature_flag: definition.feature_flag,
            feature_flags: definition.feature_flags,
            group_name: definition.group_name,
        }
    }
}
