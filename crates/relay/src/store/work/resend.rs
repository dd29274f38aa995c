//! What tasks that send messages to one endpoint have in common.

use std::collections::BTreeSet;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Reader, Sql as _, Tx};
use rusqlite::Connection;

use super::super::{column, target};
use super::{Done, Job, Mark, SECTION};
use crate::deliver::Queue;
use crate::ids::{AppId, AttemptId, EndpointId, MessageId, OrgId};
use crate::model::task::Stretch;

/// Where messages are sent, and those of which stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Resend {
    pub(super) org: OrgId,
    pub(super) app: AppId,
    pub(super) endpoint: EndpointId,
    pub(super) stretch: Stretch,
    queue: Queue,
}

/// What is known of a message without its attempts.
pub(super) struct Candidate {
    pub(super) id: MessageId,
    pub(super) event_type: String,
    pub(super) channels: Option<BTreeSet<String>>,
    pub(super) tags: Option<BTreeSet<String>>,
}

/// A message, by its place in the list that is walked.
pub(super) type Placed = (Mark, MessageId);

/// Those that can be sent: the payload is there, and their time has come.
const MESSAGES: &str = "
    SELECT id, event_type, channels, tags FROM message
    WHERE app = ?1 AND id > ?2 AND id <= ?3 AND org = ?4 AND created_at BETWEEN ?5 AND ?6 AND content = 0
      AND (deliver_at IS NULL OR deliver_at <= ?7)
    ORDER BY id LIMIT ?8";

impl Resend {
    pub(super) fn of(job: &Job, queue: &Queue) -> Result<Self> {
        let (app, endpoint, queue) = (job.app()?, job.endpoint()?, queue.clone());
        Ok(Self { org: job.org, app, endpoint, stretch: job.stretch, queue })
    }

    /// Before everything of its stretch: an id of any kind.
    pub(super) fn low(&self) -> Mark {
        *AttemptId::min_at(self.stretch.since).as_bytes()
    }

    /// The last that can be of its stretch.
    pub(super) fn high(&self) -> Mark {
        *AttemptId::max_at(self.stretch.until).as_bytes()
    }

    /// A section of the application's messages.
    pub(super) fn messages(
        &self,
        conn: &Connection,
        mark: Option<&Mark>,
    ) -> Result<Vec<Candidate>> {
        let Self { org, app, stretch: Stretch { since, until }, .. } = self;
        let (since, until) = (since.as_micros(), until.as_micros());
        let (low, now) = (mark.copied().unwrap_or(self.low()), Timestamp::now().as_micros());
        let params = (app, low, self.high(), org, since, until, now, SECTION);
        conn.prepare_cached(MESSAGES)
            .and_then(|mut query| {
                let candidate = |row: &rusqlite::Row<'_>| {
                    Ok(Candidate {
                        id: row.get(0)?,
                        event_type: row.get(1)?,
                        channels: column(row, 2)?,
                        tags: column(row, 3)?,
                    })
                };
                query.query_map(params, candidate)?.collect()
            })
            .sql("walk through messages")
    }

    /// Those of `items` that `is_wanted`.
    pub(super) async fn those(
        ctx: &Context,
        reader: &Reader,
        items: Vec<Placed>,
        is_wanted: impl Fn(&Connection, &Placed) -> Result<bool> + Send + 'static,
    ) -> Result<Vec<Placed>> {
        reader
            .query(ctx, move |conn| {
                let mut wanted = Vec::new();
                for item in items {
                    if is_wanted(conn, &item)? {
                        wanted.push(item);
                    }
                }
                Ok(wanted)
            })
            .await
    }

    /// Has `insert` store a delivery of each message, due at once; it is told the message and when that is, and says how many
    /// there are now that were not, or would have waited.
    ///
    /// # Errors
    ///
    /// Those of [`target::receives`] if the endpoint does not any more, those of the database.
    pub(super) fn deliver(
        &self,
        tx: &mut Tx<'_>,
        items: &[Placed],
        mut insert: impl FnMut(&Connection, MessageId, Timestamp) -> Result<usize>,
    ) -> Result<Done> {
        let (now, mut count) = (self.queue.clock().now(), 0);
        target::receives(tx, self.org, self.app, self.endpoint)?;
        for (_, message) in items {
            count += insert(tx, *message, now)?;
        }
        self.queue.stored(tx, (self.app, self.endpoint), now);
        Ok(Done { items: items.len(), count, found: None })
    }

    /// Runs a statement that stores a delivery: of organisation, application, message, endpoint and when it is due.
    pub(super) fn insert(
        &self,
        conn: &Connection,
        sql: &str,
        message: MessageId,
        due: Timestamp,
    ) -> Result<usize> {
        let params = (self.org, self.app, message, self.endpoint, due.as_micros());
        conn.prepare_cached(sql)
            .and_then(|mut insert| insert.execute(params))
            .sql("store a delivery")
    }
}
