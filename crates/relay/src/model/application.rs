//! Applications: the customers of a tenant.

use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::patch::{nullable, present, set};
use super::rules::{self, Metadata};
use super::time::Time;
use super::{Faults, Input};
use crate::ids::AppId;

/// An application as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Application {
    /// Ours.
    pub id: AppId,
    /// The tenant's own; unique among the live ones.
    pub uid: Option<String>,
    /// For people.
    pub name: String,
    /// Messages a second that its endpoints may get.
    pub throttle_rate: Option<u16>,
    /// Free data.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An application to create, or to put in the place of another.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationIn {
    /// For people.
    #[schema(min_length = 1)]
    pub name: String,
    /// Your own identifier for it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, pattern = r"^[a-zA-Z0-9\-_.]+$")]
    pub uid: Option<String>,
    /// Messages a second that its endpoints may get.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub throttle_rate: Option<u16>,
    /// The old name of `throttleRate`, which wins.
    #[serde(default)]
    #[schema(minimum = 1, deprecated)]
    pub rate_limit: Option<u16>,
    /// Free data, at most 4096 bytes as JSON.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: Metadata,
}

/// What to change; absent stays as it is, null clears.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationPatch {
    /// For people.
    #[serde(deserialize_with = "present")]
    #[schema(min_length = 1)]
    pub name: Option<String>,
    /// Your own identifier for it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    pub uid: Option<Option<String>>,
    /// Messages a second that its endpoints may get.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u16>, minimum = 1)]
    pub throttle_rate: Option<Option<u16>>,
    /// The old name of `throttleRate`, which wins.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u16>, minimum = 1, deprecated)]
    pub rate_limit: Option<Option<u16>>,
    /// Free data; replaces all of it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Option<Metadata>>,
}

/// An application as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationOut {
    /// `app_` and 27 characters.
    #[schema(value_type = String)]
    pub id: AppId,
    /// Left out when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// For people.
    pub name: String,
    /// Messages a second that its endpoints may get.
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`; left out when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(deprecated)]
    pub rate_limit: Option<u16>,
    /// Free data.
    pub metadata: Metadata,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

// ===== impl Application =====

impl Application {
    /// A new one.
    #[must_use]
    pub fn new(id: AppId, input: &ApplicationIn, now: Timestamp) -> Self {
        Self {
            id,
            uid: input.uid.clone(),
            name: input.name.clone(),
            throttle_rate: input.throttle_rate.or(input.rate_limit),
            metadata: input.metadata.clone(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes over everything from `input`; what it has not is cleared.
    pub fn replace(&mut self, input: &ApplicationIn, now: Timestamp) {
        *self = Self { created_at: self.created_at, ..Self::new(self.id, input, now) };
    }

    /// Takes over what `patch` has.
    pub fn patch(&mut self, patch: &ApplicationPatch, now: Timestamp) {
        set(&mut self.name, patch.name.as_ref());
        set(&mut self.uid, patch.uid.as_ref());
        set(&mut self.throttle_rate, patch.throttle_rate.as_ref().or(patch.rate_limit.as_ref()));
        set(&mut self.metadata, patch.metadata.clone().map(Option::unwrap_or_default).as_ref());
        self.updated_at = now;
    }
}

impl Input for ApplicationIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        rules::title(faults, "name", &self.name);
        rules::identifier(faults, "uid", "app_", self.uid.as_deref());
        rules::positive(faults, "throttleRate", self.throttle_rate);
        rules::positive(faults, "rateLimit", self.rate_limit);
        rules::metadata(faults, Some(&self.metadata));
    }
}

impl Input for ApplicationPatch {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        if let Some(name) = &self.name {
            rules::title(faults, "name", name);
        }
        rules::identifier(faults, "uid", "app_", self.uid.as_ref().and_then(Option::as_deref));
        rules::positive(faults, "throttleRate", self.throttle_rate.flatten());
        rules::positive(faults, "rateLimit", self.rate_limit.flatten());
        rules::metadata(faults, self.metadata.as_ref().and_then(Option::as_ref));
    }
}

impl From<Application> for ApplicationOut {
    fn from(app: Application) -> Self {
        Self {
            id: app.id,
            uid: app.uid,
            name: app.name,
            throttle_rate: app.throttle_rate,
            rate_limit: app.throttle_rate,
            metadata: app.metadata,
            created_at: Time(app.created_at),
            updated_at: Time(app.updated_at),
        }
    }
}
