//! Operational webhooks: messages of Relay's own, to endpoints that belong to an application which no path names and no list
//! shows. So they are signed, tried again, held back and given up as all others.
//!
//! What is told is stored in the transaction of what it tells: there is neither without the other, whatever kills the process.
//! Who does not listen costs one look into memory. Nothing is told of those endpoints themselves, or one that fails would
//! have more sent to it with each failure.

use std::collections::HashMap;
use std::sync::Arc;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::sync::Mutex;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::Connection;

use super::page::Walk;
use super::{Refusal, Scope, Store, endpoint, message, target};
use crate::deliver::Queue;
use crate::ids::{AppId, EndpointId, MessageId, OrgId};
use crate::model::endpoint::Endpoint;
use crate::model::message::Message;
use crate::model::operational::{About, Operational};
use crate::model::page::Page;
use crate::vault::Owner;

/// The organisations that have an endpoint for operational webhooks which is not disabled, and the application that has it.
/// Clones share it.
///
/// It is asked and changed on the writer's thread, so in the order of commits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listening {
    apps: Arc<Mutex<HashMap<OrgId, AppId>>>,
}

const LISTENS: &str = "
    SELECT 1 FROM endpoint WHERE org = ?1 AND app = ?2 AND deleted = 0 AND disabled = 0";
const ALL_WHO_LISTEN: &str = "
    SELECT a.org, a.id FROM application a
    WHERE a.kind = 1 AND EXISTS (SELECT 1 FROM endpoint e
          WHERE e.org = a.org AND e.app = a.id AND e.deleted = 0 AND e.disabled = 0)";
const ABOUT: &str = "
    SELECT a.uid, e.uid, (SELECT event_id FROM message WHERE org = ?1 AND app = ?2 AND id = ?4)
    FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app
    WHERE e.org = ?1 AND e.app = ?2 AND e.id = ?3";

impl Store {
    /// One page of the organisation's endpoints for operational webhooks.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn list_operational(
        &self,
        ctx: &Context,
        org: OrgId,
        walk: Walk<EndpointId>,
    ) -> Result<Page<Endpoint>> {
        let list = move |conn: &Connection| match Scope::operational(org).resolve(conn) {
            Ok(app) => endpoint::list(conn, org, app, &walk),
            // Nobody has made one yet.
            Err(error) if error.is(&Refusal::NotFound) => {
                Ok(walk.page(Vec::new(), true, |endpoint: &Endpoint| endpoint.id))
            }
            Err(error) => Err(error),
        };
        self.reader.query(ctx, list).await
    }
}

/// Somebody has made an endpoint of `scope`: who listens is told, or is known to listen from now on.
pub(super) fn created(
    tx: &mut Tx<'_>,
    queue: &Queue,
    scope: &Scope,
    endpoint: Owner,
) -> Result<()> {
    emit(tx, queue, endpoint, Operational::EndpointCreated)?;
    look(tx, queue, scope, endpoint.1)
}

/// Somebody has changed an endpoint of `scope`, of which its deliveries and who listens are told.
pub(super) fn updated(
    tx: &mut Tx<'_>,
    queue: &Queue,
    scope: &Scope,
    endpoint: Owner,
) -> Result<()> {
    emit(tx, queue, endpoint, Operational::EndpointUpdated)?;
    look(tx, queue, scope, endpoint.1)?;
    queue.endpoint_changed(tx, endpoint)
}

/// Tells the organisation of an endpoint, if it listens. Of one to be deleted before it is, as it has its `uid` until then.
///
/// # Errors
///
/// Those of the database.
pub(crate) fn emit(
    tx: &mut Tx<'_>,
    queue: &Queue,
    endpoint: Owner,
    event: Operational,
) -> Result<()> {
    let (org, app, _) = endpoint;
    let Some(listening) = queue.listening().of(org).filter(|listening| *listening != app) else {
        return Ok(());
    };
    let (now, kind) = (Timestamp::now(), event.event_type());
    let payload = event.payload(&about(tx, endpoint, &event)?);
    let message = Message::bare(MessageId::at(now), kind, payload, now);
    let targets = target::targets(tx, queue.vault(), (org, listening), &message)?;
    if targets.is_empty() {
        return Ok(());
    }
    message::insert(tx, org, listening, &message)?;
    target::enqueue(tx, queue, (org, listening), &message, targets)
}

/// The service has disabled an endpoint, which may have been one that listens.
///
/// # Errors
///
/// Those of the database.
pub(crate) fn disabled(
    tx: &mut Tx<'_>,
    queue: &Queue,
    endpoint: Owner,
    fail_since: Timestamp,
) -> Result<()> {
    let (org, app, _) = endpoint;
    if queue.listening().of(org) == Some(app) {
        return look(tx, queue, &Scope::operational(org), app);
    }
    emit(tx, queue, endpoint, Operational::EndpointDisabled { fail_since })
}

/// Finds all who listen.
///
/// # Errors
///
/// Those of the database.
pub(crate) fn load(conn: &Connection, queue: &Queue) -> Result<()> {
    let apps = conn
        .prepare(ALL_WHO_LISTEN)
        .and_then(|mut query| query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .sql("look who listens to operational webhooks")?;
    *queue.listening().apps.lock() = apps;
    Ok(())
}

/// Looks whether an organisation listens, if `scope` has what listens. It is known once `tx` is committed.
pub(super) fn look(tx: &mut Tx<'_>, queue: &Queue, scope: &Scope, app: AppId) -> Result<()> {
    if !scope.is_operational() {
        return Ok(());
    }
    let org = scope.org;
    let listens = tx
        .prepare_cached(LISTENS)
        .and_then(|mut query| query.exists((org, app)))
        .sql("look who listens to operational webhooks")?;
    let listening = queue.listening().clone();
    tx.after_commit(move || listening.set(org, listens.then_some(app)));
    Ok(())
}

fn about(conn: &Connection, (org, app, endpoint): Owner, event: &Operational) -> Result<About> {
    let message = event.attempt().map(|attempt| attempt.message);
    let about = |row: &rusqlite::Row<'_>| {
        let (app_uid, endpoint_uid, event_id) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(About { app, app_uid, endpoint, endpoint_uid, event_id })
    };
    conn.prepare_cached(ABOUT)
        .and_then(|mut query| query.query_row((org, app, endpoint, message), about))
        .sql("load what an operational webhook is about")
}

// ===== impl Listening =====

impl Listening {
    fn of(&self, org: OrgId) -> Option<AppId> {
        self.apps.lock().get(&org).copied()
    }

    fn set(&self, org: OrgId, app: Option<AppId>) {
        let mut apps = self.apps.lock();
        match app {
            Some(app) => drop(apps.insert(org, app)),
            None => drop(apps.remove(&org)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use linchpin::resilience::retry::Schedule;
    use linchpin_data::sqlite::{Database, Options};

    use super::*;
    use crate::config::DEVELOPMENT_KEY;
    use crate::deliver::{Clock, HealthSettings, Patience, PolicySettings, Seed, Settings};
    use crate::vault::Vault;

    fn seed() -> Seed {
        let policies = PolicySettings {
            request_timeout: Duration::from_secs(15),
            open_for: Duration::from_secs(10),
            max_open_for: Duration::from_mins(5),
        };
        let health = HealthSettings { disable_after: None, gone_disables: true };
        let settings = Settings {
            concurrency: 1,
            per_host: 1,
            queue: 8,
            schedule: Schedule::new([]).unwrap(),
            health,
            policies,
            patience: Patience::default(),
            vault: Vault::parse(DEVELOPMENT_KEY).unwrap(),
            clock: Clock::default(),
        };
        Seed::new(settings).unwrap()
    }

    #[linchpin_testing::test]
    async fn who_does_not_listen_costs_no_statement() {
        let folder = tempfile::tempdir().unwrap();
        // Without a table in it, so that every statement fails.
        let database = Database::open(folder.path().join("empty.db"), Options::default()).unwrap();
        let (seed, now) = (seed(), Timestamp::now());
        let (org, app) = (OrgId::at(now), AppId::at(now));
        let endpoint = (org, app, EndpointId::at(now));
        let emitted = async || {
            let queue = seed.queue().clone();
            let emit =
                move |tx: &mut Tx<'_>| emit(tx, &queue, endpoint, Operational::EndpointCreated);
            database.writer().submit(&Context::root(), emit).await.is_ok()
        };
        assert!(emitted().await, "nobody listens");
        seed.queue().listening().set(org, Some(app));
        assert!(emitted().await, "it is one of those that listen");
        seed.queue().listening().set(org, Some(AppId::at(now)));
        assert!(!emitted().await, "one listens, and is told");
        seed.queue().listening().set(org, None);
        assert!(emitted().await, "nobody listens any more");
    }
}
