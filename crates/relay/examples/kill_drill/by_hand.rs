//! What an operator does with the database beside the service, before the senders begin.
//!
//! Content that would be kept for an hour, the least that can be asked for, is kept for a second: the sweep at the next start
//! finds it. Some messages are old from their first moment on: the same sweep finds them, most of them delivered and some of
//! them not. And rows of deliveries that are under way are deleted: SQLite gives their numbers to those that come next, and
//! what is recorded of the one must not settle the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use linchpin::task;
use relay::ids::{AppId, MessageId};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::json;

use crate::Failure;
use crate::service::Service;
use crate::world::{ROBBED, World, created};

/// So many deliveries are taken away at a time.
const TAKEN: u32 = 8;

pub(crate) const AGE: &str = "
    UPDATE message SET content_until = created_at + 1000000 WHERE content_until > created_at + 1000000";
const ROB: &str = "DELETE FROM delivery WHERE app = ?1";
/// The type of the messages that are old.
pub(crate) const OLD: &str = "drill.old";
/// Which they are is noted in the transaction that stores them, since nobody may live to be told. Their rows come before those
/// of all others, since a sweep goes by the order of rows and ends where none is old.
const LET_AGE: &str = "
    UPDATE message SET rowid = rowid + 1000000000;
    CREATE TABLE drill_old (number INTEGER PRIMARY KEY, id BLOB);
    CREATE TRIGGER drill_age AFTER INSERT ON message WHEN new.event_type = 'drill.old' BEGIN
        INSERT INTO drill_old (id) VALUES (new.id);
        UPDATE message SET created_at = 0, rowid = (SELECT max(number) FROM drill_old) WHERE rowid = new.rowid;
    END";

/// From here on messages of the type [`OLD`] are.
pub(crate) fn let_age(database: &Path) -> Result<(), Failure> {
    Ok(open(database)?.execute_batch(LET_AGE)?)
}

/// The messages that were old, whether or not they are there.
pub(crate) fn old(database: &Path) -> Result<BTreeSet<MessageId>, Failure> {
    let conn = open(database)?;
    let mut query = conn.prepare("SELECT id FROM drill_old")?;
    let all = query.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(all)
}

/// Has the content of brief messages go, and deliveries that have begun.
pub(crate) async fn act(
    service: &Arc<Service>,
    world: &World,
    database: &Path,
) -> Result<(), Failure> {
    let app = world.place(ROBBED).app;
    let send = |number| {
        let (service, path) = (service.clone(), format!("/app/{app}/msg"));
        let body = json!({ "eventType": "drill.robbed", "payload": { "number": number } });
        task::spawn("robbed", async move { created(&service, &path, &body).await })
    };
    for sending in (0..TAKEN).map(send).collect::<Vec<_>>() {
        sending.join().await?;
    }
    let app: AppId = app.parse()?;
    let conn = open(database)?;
    conn.execute(AGE, ())?;
    conn.execute(ROB, [app])?;
    Ok(())
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(database)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    // If the service is killed meanwhile, what it has left is its own to find at the next start.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}
