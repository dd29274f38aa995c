//! Background tasks: work that a request begins and does not wait for.

use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_http::client::AddressPolicy;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;
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
    /// What it does.
    pub kind: TaskKind,
    /// Where it stands.
    pub status: TaskStatus,
    /// How many messages it has sent again so far.
    pub sent: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// When it last got on.
    pub updated_at: Timestamp,
}

/// What a task does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub enum TaskKind {
    /// Sends again what failed.
    #[serde(rename = "endpoint.recover")]
    Recover,
    /// Sends what never was.
    #[serde(rename = "endpoint.replay")]
    Replay,
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
    pub task: TaskKind,
    /// What it has done so far.
    pub data: TaskData,
    /// When it last got on.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// What a task has done.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskData {
    /// How many messages it has sent again; their deliveries may be under way still.
    pub messages_sent: u64,
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

    fn check(self, reach: Option<Duration>, faults: &mut Faults) {
        if self.since > self.until {
            faults.add(["since"], "must not be later than `until`, or than now");
        }
        if reach.is_some_and(|reach| self.until - reach - SLACK > self.since) {
            faults.add(["since"], "must be at most 14 days before `until`");
        }
    }
}

impl Input for RecoverIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        Stretch::new(self.since, self.until, Timestamp::now()).check(Some(REACH), faults);
    }
}

impl Input for ReplayIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        Stretch::new(self.since, self.until, Timestamp::now()).check(None, faults);
    }
}

// ===== impl BackgroundTaskOut =====

impl From<BackgroundTask> for BackgroundTaskOut {
    fn from(task: BackgroundTask) -> Self {
        Self {
            id: task.id,
            status: task.status,
            task: task.kind,
            data: TaskData { messages_sent: task.sent, error: task.error },
            updated_at: Time(task.updated_at),
        }
    }
}

// ===== in the database =====

impl TaskKind {
    const ALL: [Self; 2] = [Self::Recover, Self::Replay];

    /// Its name, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recover => "endpoint.recover",
            Self::Replay => "endpoint.replay",
        }
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

impl FromSql for TaskKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(FromSqlError::InvalidType)
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
