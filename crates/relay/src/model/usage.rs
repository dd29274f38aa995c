//! How much is sent for applications, and what they listen to.

use std::collections::BTreeSet;

use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::task::{BackgroundTaskOut, Stretch};
use super::time::Time;
use super::{Faults, Input};
use crate::ids::AppId;

/// The most applications that one request names.
const APPS: usize = 1000;

/// Of which applications, and of which stretch of time, to count what was sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppUsageStatsIn {
    /// From this moment on.
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    /// Up to this moment, and up to now at most.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// Only these, by id or uid; 1 to 1000. All of them if it is left out.
    #[serde(default)]
    pub app_ids: Option<BTreeSet<String>>,
}

/// The task that counts, and what it will not.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppUsageStatsOut {
    /// What was begun.
    #[serde(flatten)]
    pub task: BackgroundTaskOut,
    /// What was asked for and is no application.
    pub unresolved_app_ids: BTreeSet<String>,
}

/// How much was sent for an application.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppStats {
    /// How many attempts were made to deliver its messages.
    pub message_destinations: u64,
    /// Which application.
    #[schema(value_type = String)]
    pub app_id: AppId,
    /// Its `uid`; null if it has none.
    pub app_uid: Option<String>,
}

/// What an application listens to, by its endpoints: those that are disabled, too.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppEventTypes {
    /// Which application.
    #[schema(value_type = String)]
    pub app_id: AppId,
    /// What its endpoints name.
    pub explicitly_subscribed_event_types: BTreeSet<String>,
    /// Whether an endpoint names none, and so gets all.
    pub has_catch_all_endpoint: bool,
}

// ===== impl AppUsageStatsIn =====

impl AppUsageStatsIn {
    /// Of which stretch of time, as seen at `now`.
    #[must_use]
    pub fn stretch(&self, now: Timestamp) -> Stretch {
        Stretch::new(self.since, Some(self.until), now)
    }
}

impl Input for AppUsageStatsIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        self.stretch(Timestamp::now()).check(None, faults);
        match self.app_ids.as_ref().map(BTreeSet::len) {
            Some(0) => faults.add(["appIds"], "must have at least one item, or be left out"),
            Some(many) if many > APPS => {
                faults.add(["appIds"], format!("must have at most {APPS} items"));
            }
            _ => {}
        }
    }
}
