//! Which endpoints get what.

use std::sync::Arc;

use linchpin::error::ResultExt as _;
use linchpin::{Kind, Result};
use linchpin_data::sqlite::Sql as _;
use linchpin_security::webhook::{Secret, Signer};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{Refusal, column};
use crate::deliver::Rates;
use crate::ids::{AppId, EndpointId, OrgId};
use crate::model::endpoint::Wants;
use crate::model::message::Message;

/// An endpoint that wants a message, with what a delivery needs of it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: EndpointId,
    pub(super) url: Arc<str>,
    pub(super) signer: Arc<Signer>,
    pub(super) rates: Rates,
}

const WANTS: &str = "
    SELECT event_types, channels FROM endpoint
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";
const DISABLED: &str = "
    SELECT e.disabled FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app AND a.deleted = 0
    WHERE e.org = ?1 AND e.app = ?2 AND e.id = ?3 AND e.deleted = 0";
const TARGETS: &str = "
    SELECT e.id, e.url, e.secret, e.event_types, e.channels, e.throttle_rate, a.throttle_rate
    FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app AND a.deleted = 0
    WHERE e.org = ?1 AND e.app = ?2 AND e.deleted = 0 AND e.disabled = 0";

/// The live endpoints of `app` that want `message`.
pub(super) fn targets(
    conn: &Connection,
    org: OrgId,
    app: AppId,
    message: &Message,
) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    let mut query = conn.prepare_cached(TARGETS).sql("prepare the endpoints' query")?;
    let mut rows = query.query((org, app)).sql("query endpoints")?;
    while let Some(row) = rows.next().sql("read endpoints")? {
        let wants = wants_of(row, 3).sql("read what an endpoint wants")?;
        if !wants.admits(&message.event_type, message.channels.as_ref()) {
            continue;
        }
        let url = row.get(1).sql("read a URL")?;
        let secret = row.get_ref(2).sql("read a secret")?.as_str().kind(Kind::Internal)?;
        let secret: Secret = secret.parse().kind(Kind::Internal)?;
        let id = row.get(0).sql("read an endpoint's id")?;
        let rate = |column: usize| row.get(column).sql("read a rate");
        let rates = Rates { endpoint: rate(5)?, application: rate(6)? };
        targets.push(Target { id, url, signer: Arc::new(Signer::new(&secret)), rates });
    }
    Ok(targets)
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
