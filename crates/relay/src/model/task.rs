//! Background tasks: work that a request begins and does not wait for.

use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::time::Time;
use super::usage::{AppEventTypes, AppStats};
use super::{Faults, Input};
use crate::ids::TaskId;

/// How far a recovery may reach back from its end.
const REACH: Duration = Duration::from_hours(14 * 24);
/// By how much clocks may differ.
pub(super) const SLACK: Duration = Duration::from_mins(5);

/// A task as it is kept, as far as it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BackgroundTask {
    /// Ours.
    pub id: TaskId,
    /// What it does: the name of a [`TaskKind`], or one that a newer Relay has.
    pub kind: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// How much it has done so far.
    pub done: u64,
    /// What it has found out so far: JSON, with commas between.
    pub found: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it last got on.
    pub updated_at: Timestamp,
}

/// What a task does, by the names that client libraries know. Two of theirs are not here: what nobody can ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub enum TaskKind {
    /// Sends again what failed.
    #[serde(rename = "endpoint.recover")]
    Recover,
    /// Sends what never was.
    #[serde(rename = "endpoint.replay")]
    Replay,
    /// Sends again what was sent, whatever became of it.
    #[serde(rename = "endpoint.bulk-replay")]
    BulkReplay,
    /// Removes payloads and what receivers answered.
    #[serde(rename = "application.purge_content")]
    PurgeContent,
    /// Counts what was sent for applications.
    #[serde(rename = "application.stats")]
    AppStats,
    /// Lists which event types applications listen to.
    #[serde(rename = "event-type.aggregate")]
    EventTypes,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// It is under way, or waits for its turn.
    Running,
    /// It has done all there was to do.
    Finished,
    /// It cannot go on.
    Failed,
}

/// Which messages to send again: those that failed in a stretch of time.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct RecoverIn {
    /// From this moment on, at most 14 days before `until`.
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    /// Up to this moment, and up to now at most.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Time>,
}

/// Which messages to send: those of a stretch of time that were never sent to the endpoint.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct ReplayIn {
    /// From this moment on.
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    /// Up to this moment, and up to now at most.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Time>,
}

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stretch {
    /// Its beginning.
    pub since: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// A task as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackgroundTaskOut {
    /// `qtask_` and 27 characters.
    #[schema(value_type = String)]
    pub id: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// What it does.
    #[schema(value_type = TaskKind)]
    pub task: String,
    /// What it has done so far.
    pub data: TaskData,
    /// When it last got on.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// What a task has done: of the first four, that which is its kind's.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskData {
    /// How many messages it has sent again; their deliveries may be under way still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_sent: Option<u64>,
    /// How many messages had a payload that is gone now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_purged: Option<u64>,
    /// How much was sent for each application, oldest application first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<AppStats>>)]
    pub app_stats: Option<Box<RawValue>>,
    /// What each application listens to, oldest application first.
    #[serde(rename = "event_types", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<AppEventTypes>>)]
    pub event_types: Option<Box<RawValue>>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

// ===== impl Stretch =====

impl Stretch {
    /// What is asked for, as seen at `now`.
    #[must_use]
    pub fn new(since: Time, until: Option<Time>, now: Timestamp) -> Self {
        Self { since: since.0, until: until.map_or(now, |until| until.0.min(now)) }
    }

    /// All the time there was before `now`.
    #[must_use]
    pub fn up_to(now: Timestamp) -> Self {
        Self { since: Timestamp::from_micros(0), until: now }
    }

    pub(super) fn check(self, reach: Option<Duration>, faults: &mut Faults) {
        if self.since > self.until {
            faults.add(["since"], "must not be later than `until`, or than now");
        }
        if reach.is_some_and(|reach| self.until - reach - SLACK > self.since) {
            faults.add(["since"], "must be at most 14 days before `until`");
        }
    }
}

impl RecoverIn {
    /// Of which stretch of time, as seen at `now`.
    #[must_use]
    pub fn stretch(&self, now: Timestamp) -> Stretch {
        Stretch::new(self.since, self.until, now)
    }
}

impl Input for RecoverIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        self.stretch(Timestamp::now()).check(Some(REACH), faults);
    }
}

impl ReplayIn {
    /// Of which stretch of time, as seen at `now`.
    #[must_use]
    pub fn stretch(&self, now: Timestamp) -> Stretch {
        Stretch::new(self.since, self.until, now)
    }
}

impl Input for ReplayIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        self.stretch(Timestamp::now()).check(None, faults);
    }
}

// ===== impl BackgroundTaskOut =====

impl From<BackgroundTask> for BackgroundTaskOut {
    fn from(task: BackgroundTask) -> Self {
        Self {
            id: task.id,
            status: task.status,
            data: TaskData::new(&task),
            task: task.kind,
            updated_at: Time(task.updated_at),
        }
    }
}

impl TaskData {
    fn new(task: &BackgroundTask) -> Self {
        let mut data = Self { error: task.error.clone(), ..Self::default() };
        match TaskKind::of(&task.kind) {
            Some(TaskKind::Recover | TaskKind::Replay | TaskKind::BulkReplay) => {
                data.messages_sent = Some(task.done);
            }
            Some(TaskKind::PurgeContent) => data.messages_purged = Some(task.done),
            Some(TaskKind::AppStats) => data.app_stats = list(task.found.as_deref()),
            Some(TaskKind::EventTypes) => data.event_types = list(task.found.as_deref()),
            // What a newer Relay's task tells is not known here.
            None => {}
        }
        data
    }
}

/// What was found, as one list; `None` if it is no JSON.
fn list(found: Option<&str>) -> Option<Box<RawValue>> {
    RawValue::from_string(format!("[{}]", found.unwrap_or_default())).ok()
}

// ===== in the database =====

impl TaskKind {
    const ALL: [Self; 6] = [
        Self::Recover,
        Self::Replay,
        Self::BulkReplay,
        Self::PurgeContent,
        Self::AppStats,
        Self::EventTypes,
    ];

    /// Its name, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recover => "endpoint.recover",
            Self::Replay => "endpoint.replay",
            Self::BulkReplay => "endpoint.bulk-replay",
            Self::PurgeContent => "application.purge_content",
            Self::AppStats => "application.stats",
            Self::EventTypes => "event-type.aggregate",
        }
    }

    /// The kind of this name; `None` if this Relay has none such.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl TaskStatus {
    const ALL: [Self; 3] = [Self::Running, Self::Finished, Self::Failed];

    /// Its name, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

impl ToSql for TaskKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl ToSql for TaskStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for TaskStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL.into_iter().find(|at| at.as_str() == text).ok_or(FromSqlError::InvalidType)
    }
}
