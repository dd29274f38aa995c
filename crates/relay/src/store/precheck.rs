//! Whether anybody wants a message.

use linchpin::Result;
use linchpin::context::Context;
use linchpin_data::sqlite::Sql as _;
use rusqlite::Connection;

use super::{Scope, Store, column};
use crate::ids::{AppId, OrgId};
use crate::model::endpoint::Wants;
use crate::model::message::PrecheckIn;

const WANTS: &str = "
    SELECT event_types, channels FROM endpoint
    WHERE org = ?1 AND app = ?2 AND deleted = 0 AND disabled = 0";

impl Store {
    /// Whether a message like this would get a delivery if it were created now.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`](super::Refusal::NotFound) of the application, those of the database.
    pub async fn is_wanted(&self, ctx: &Context, scope: Scope, input: PrecheckIn) -> Result<bool> {
        self.reader
            .query(ctx, move |conn| is_wanted(conn, scope.org, scope.resolve(conn)?, &input))
            .await
    }
}

fn is_wanted(conn: &Connection, org: OrgId, app: AppId, input: &PrecheckIn) -> Result<bool> {
    let mut query = conn.prepare_cached(WANTS).sql("prepare the endpoints' query")?;
    let mut rows = query.query((org, app)).sql("query endpoints")?;
    while let Some(row) = rows.next().sql("read endpoints")? {
        let event_types = column(row, 0).sql("read what an endpoint wants")?;
        let channels = column(row, 1).sql("read what an endpoint wants")?;
        if (Wants { event_types, channels }).admits(&input.event_type, input.channels.as_ref()) {
            return Ok(true);
        }
    }
    Ok(false)
}
