//! Which endpoints get what.

use std::sync::Arc;

use linchpin::Result;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{Refusal, column};
use crate::deliver::{Barred, New, Queue, Target};
use crate::ids::{AppId, EndpointId, OrgId};
use crate::model::endpoint::Wants;
use crate::model::message::Message;
use crate::vault::Vault;

/// An endpoint that wants a message.
pub(super) type Wanting = (EndpointId, std::result::Result<Arc<Target>, Barred>);

const WANTS: &str = "
    SELECT event_types, channels FROM endpoint
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";
const DISABLED: &str = "
    SELECT e.disabled FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app AND a.deleted = 0
    WHERE e.org = ?1 AND e.app = ?2 AND e.id = ?3 AND e.deleted = 0";

/// The live endpoints of `app` that want `message`, also those that nothing can be sent to as they are.
pub(super) fn targets(
    conn: &Connection,
    vault: &Vault,
    (org, app): (OrgId, AppId),
    message: &Message,
) -> Result<Vec<Wanting>> {
    let sql = format!(
        "SELECT e.id, e.event_types, e.channels, {}
         FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app AND a.deleted = 0
         WHERE e.org = ?1 AND e.app = ?2 AND e.deleted = 0 AND e.disabled = 0",
        Target::COLUMNS
    );
    let mut targets = Vec::new();
    let mut query = conn.prepare_cached(&sql).sql("prepare the endpoints' query")?;
    let mut rows = query.query((org, app)).sql("query endpoints")?;
    while let Some(row) = rows.next().sql("read endpoints")? {
        let wants = wants_of(row, 1).sql("read what an endpoint wants")?;
        if !wants.admits(&message.event_type, message.channels.as_ref()) {
            continue;
        }
        let id = row.get(0).sql("read an endpoint's id")?;
        let drawer = vault.drawer((org, app, id));
        targets.push((id, Target::read(row, 3, &drawer).sql("read an endpoint")?));
    }
    Ok(targets)
}

/// A delivery for each of these endpoints.
pub(super) fn enqueue(
    tx: &mut Tx<'_>,
    queue: &Queue,
    (org, app): (OrgId, AppId),
    message: &Message,
    targets: Vec<Wanting>,
) -> Result<()> {
    let raw_type: Option<Arc<str>> = message.raw_type.as_deref().map(Into::into);
    for (endpoint, target) in targets {
        let (at, payload, raw_type) =
            (message.deliver_at, message.payload.clone(), raw_type.clone());
        let message = message.id;
        queue.enqueue(tx, New { org, app, message, endpoint, target, payload, raw_type, at })?;
    }
    Ok(())
}

/// What a live endpoint wants.
pub(super) fn wants(conn: &Connection, org: OrgId, app: AppId, id: EndpointId) -> Result<Wants> {
    let wants = conn
        .prepare_cached(WANTS)
        .and_then(|mut query| query.query_row((org, app, id), |row| wants_of(row, 0)).optional())
        .sql("load what an endpoint wants")?;
    Ok(wants.ok_or(Refusal::NotFound)?)
}

fn wants_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Wants> {
    Ok(Wants { event_types: column(row, first)?, channels: column(row, first + 1)? })
}

/// Refuses an endpoint that gets nothing, since a delivery to it would be dropped.
pub(super) fn receives(conn: &Connection, org: OrgId, app: AppId, id: EndpointId) -> Result<()> {
    let disabled: Option<bool> = conn
        .prepare_cached(DISABLED)
        .and_then(|mut query| query.query_row((org, app, id), |row| row.get(0)).optional())
        .sql("look whether an endpoint receives")?;
    match disabled {
        Some(false) => Ok(()),
        Some(true) => {
            let detail = "The endpoint is disabled and gets nothing; enable it first";
            Err(Refusal::Conflict { code: "endpoint_disabled", detail }.into())
        }
        None => Err(Refusal::NotFound.into()),
    }
}
