//! What an operator does with the database beside the service, before the senders begin.
//!
//! Content that would be kept for an hour, the least that can be asked for, is kept for a second: the sweep at the next start
//! finds it. And rows of deliveries that are under way are deleted: SQLite gives their numbers to those that come next, and
//! what is recorded of the one must not settle the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use linchpin::task;
use relay::ids::AppId;
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
    let conn = Connection::open(database)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    // If the service is killed meanwhile, what it has left is its own to find at the next start.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.execute(AGE, ())?;
    conn.execute(ROB, [app])?;
    Ok(())
}
