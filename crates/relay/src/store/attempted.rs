//! What was sent where: the messages of an endpoint and the endpoints of a message, with what became of them.

use std::collections::BTreeMap;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use rusqlite::{Connection, OptionalExtension as _};

use super::page::{Walk, Window};
use super::sift::{Looks, sift};
use super::{MessageFilter, Reference, Refusal, Scope, Store, endpoint, json, message};
use crate::ids::{AppId, EndpointId, EndpointTag, MessageId, MessageTag, OrgId};
use crate::model::attempt::{SENDING, SUCCESS};
use crate::model::attempted::Attempted;
use crate::model::endpoint::Endpoint;
use crate::model::message::Message;
use crate::model::page::Page;

impl Store {
    /// One page of the messages that were sent to an endpoint or are to be, newest first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application or endpoint, those of the database.
    pub async fn list_attempted_messages(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        mut walk: Walk<MessageId>,
        status: Option<u8>,
        filter: MessageFilter,
    ) -> Result<Page<Attempted<Message>>> {
        let window = walk.within(filter.before, filter.after, Timestamp::now());
        let page = self
            .reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                let endpoint = endpoint::id_of(conn, scope.org, app, &endpoint)?;
                let of = Of { org: scope.org, app, endpoint: endpoint.ok_or(Refusal::NotFound)? };
                messages(conn, of, &walk, window, status, &filter)
            })
            .await?;
        Ok(self.by_the_wall(page))
    }

    /// One page of the endpoints that a message was sent to or is to be, oldest first and with those that are deleted.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application or message, those of the database.
    pub async fn list_attempted_destinations(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
        walk: Walk<EndpointId>,
    ) -> Result<Page<Attempted<Endpoint>>> {
        let page = self
            .reader
            .query(ctx, move |conn| {
                let app = scope.resolve(conn)?;
                let message = message::id_of(conn, scope.org, app, &message)?;
                destinations(conn, scope.org, app, message.ok_or(Refusal::NotFound)?, &walk)
            })
            .await?;
        Ok(self.by_the_wall(page))
    }

    /// The same page, on which the next attempts are by the clock that everybody else has.
    fn by_the_wall<T>(&self, mut page: Page<Attempted<T>>) -> Page<Attempted<T>> {
        for attempted in &mut page.data {
            attempted.next = attempted.next.map(|due| self.queue.clock().shown(due));
        }
        page
    }
}

/// Whose messages.
#[derive(Clone, Copy, Debug)]
struct Of {
    org: OrgId,
    app: AppId,
    endpoint: EndpointId,
}

// The index of a message's attempts, since an endpoint has many.
const OUTCOMES: &str = "
    SELECT endpoint, status FROM attempt WHERE message = ?1 AND org = ?2 AND app = ?3 ORDER BY id";
const DUE: &str = "
    SELECT due FROM delivery WHERE endpoint = ?1 AND message = ?2 AND org = ?3 AND app = ?4";

fn messages(
    conn: &Connection,
    of: Of,
    walk: &Walk<MessageId>,
    window: Window,
    status: Option<u8>,
    filter: &MessageFilter,
) -> Result<Page<Attempted<Message>>> {
    let sql = message::list_sql(walk.direction());
    let event_types = filter.event_types.as_ref().map(json).transpose()?;
    let params = message::list_params(of.org, of.app, walk, window, filter, event_types.as_ref());
    sift(conn, walk, &sql, params, |row, looks| {
        if !row.get::<_, bool>(1).sql("look at a message")? {
            return Ok(None);
        }
        let id = row.get(0).sql("look at a message")?;
        let Some((found, next)) = outcome(conn, of, id, looks)? else { return Ok(None) };
        if status.is_some_and(|status| status != found) {
            return Ok(None);
        }
        let message = message::at(conn, row.get(2).sql("look at a message")?)?;
        let weight = message.payload.len();
        Ok(Some((Attempted { what: message, status: found, next }, weight)))
    })
}

/// Whether a message was delivered, is to be, or neither, and when it is tried next; `None` if it never was nor will be.
fn outcome(
    conn: &Connection,
    of: Of,
    message: MessageId,
    looks: &mut Looks,
) -> Result<Option<(u8, Option<Timestamp>)>> {
    let mut query = conn.prepare_cached(OUTCOMES).sql("look at attempts")?;
    let mut rows = query.query((message, of.org, of.app)).sql("look at attempts")?;
    let mut best: Option<u8> = None;
    while let Some(row) = rows.next().sql("look at attempts")? {
        looks.spend(1);
        if row.get::<_, EndpointId>(0).sql("read an attempt")? == of.endpoint {
            let status = row.get(1).sql("read an attempt")?;
            best = Some(best.map_or(status, |best| best.min(status)));
        }
    }
    let next = due(conn, of, message)?;
    Ok(match (best, next) {
        (Some(SUCCESS), _) => Some((SUCCESS, next)),
        (_, Some(_)) => Some((SENDING, next)),
        (best, None) => best.map(|status| (status, None)),
    })
}

fn destinations(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    message: MessageId,
    walk: &Walk<EndpointId>,
) -> Result<Page<Attempted<Endpoint>>> {
    // Read once: a message that goes to a thousand endpoints has thousands of attempts.
    let last: BTreeMap<EndpointId, u8> = conn
        .prepare_cached(OUTCOMES)
        .and_then(|mut query| {
            query.query_map((message, org, app), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .sql("look at attempts")?;
    let (columns, direction) = (endpoint::COLUMNS, walk.direction());
    let sql = format!(
        "SELECT {columns} FROM endpoint WHERE org = ?1 AND app = ?2 AND id > ?3 AND id < ?4
         ORDER BY id {direction}"
    );
    sift(conn, walk, &sql, (org, app, walk.low(), walk.high()), |row, _| {
        let endpoint = row.get(0).sql("look at an endpoint")?;
        let next = due(conn, Of { org, app, endpoint }, message)?;
        let status = last.get(&endpoint).copied().or_else(|| next.map(|_| SENDING));
        let Some(status) = status else { return Ok(None) };
        let what = endpoint::endpoint(row).sql("read an endpoint")?;
        Ok(Some((Attempted { what, status, next }, 0)))
    })
}

/// When a delivery is made next, if one waits.
fn due(conn: &Connection, of: Of, message: MessageId) -> Result<Option<Timestamp>> {
    let micros = conn
        .prepare_cached(DUE)
        .and_then(|mut query| {
            let params = (of.endpoint, message, of.org, of.app);
            query.query_row(params, |row| row.get(0)).optional()
        })
        .sql("look whether a delivery waits")?;
    Ok(micros.map(Timestamp::from_micros))
}
