//! What an attempt needs to know of its endpoint: as it is when the attempt begins, however long its delivery has waited.
//!
//! A delivery in memory has no copy of it but a [`Handle`]. What a submission has read or changed is told on the writer's
//! thread, after its commit and in the order of commits: so the last that was told is the newest. It is told before the
//! submission is answered: who was told that an endpoint is changed sees no attempt begin by what it was.
//!
//! So whatever changes a column of [`COLUMNS`](Target::COLUMNS) says so to the [queue](super::Queue), in its submission.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use linchpin::resilience::retry::Schedule;
use linchpin::sync::Mutex;
use linchpin_data::sqlite::{Sql as _, Tx};
use rusqlite::{OptionalExtension as _, Row};

use crate::config::retry_schedule;
use crate::ids::{AppId, EndpointId, OrgId};
use crate::store;
use crate::vault::{Drawer, Opened, Texts, Vault};

/// An endpoint, as an attempt needs it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) url: Arc<str>,
    /// What signs for it.
    pub(super) opened: Arc<Opened>,
    pub(super) rates: Rates,
    /// Its own, in place of the service's.
    pub(super) schedule: Option<Schedule>,
    /// Its last attempt failed.
    pub(super) is_failing: bool,
}

/// Deliveries a second, where there is a limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rates {
    /// To the endpoint.
    pub(super) endpoint: Option<u16>,
    /// To all endpoints of the application.
    pub(super) application: Option<u16>,
}

/// Why nothing is sent to an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Barred {
    /// Its application is deleted.
    Application,
    Deleted,
    Disabled,
    /// The content of the message is gone: its time was over, or somebody had it removed.
    Expired,
    /// Its secret cannot be read. That may pass, so its deliveries wait, where those of all others are dropped.
    Unreadable,
}

/// What there is to know of the endpoints of deliveries in memory. Clones share it.
#[derive(Clone)]
pub(super) struct Targets {
    vault: Vault,
    known: Arc<Mutex<HashMap<EndpointId, Known>>>,
}

struct Known {
    org: OrgId,
    app: AppId,
    /// So many handles are there; without any it is forgotten.
    held: usize,
    now: Result<Arc<Target>, Barred>,
}

/// Where a delivery goes, which can be asked at any time.
pub(super) struct Handle {
    id: EndpointId,
    targets: Targets,
}

// ===== impl Target =====

impl Target {
    /// What [`read`](Self::read) reads, of an `endpoint e` and its `application a`.
    pub(crate) const COLUMNS: &str =
        "a.deleted, e.deleted, e.disabled, e.url, e.secret, e.throttle_rate, a.throttle_rate,
         e.old_secrets, e.headers, e.retry_schedule, e.failing_since IS NOT NULL";

    /// Reads the columns of a row from `first` on; `drawer` is the endpoint's.
    pub(crate) fn read(
        row: &Row<'_>,
        first: usize,
        drawer: &Drawer<'_>,
    ) -> rusqlite::Result<Result<Arc<Self>, Barred>> {
        let bars = [Barred::Application, Barred::Deleted, Barred::Disabled];
        for (column, barred) in (first..).zip(bars) {
            if row.get(column)? {
                return Ok(Err(barred));
            }
        }
        let Ok(opened) = drawer.opened(Texts::read(row, first + 4, first + 7)?) else {
            return Ok(Err(Barred::Unreadable));
        };
        Ok(Ok(Arc::new(Self {
            url: row.get::<_, String>(first + 3)?.into(),
            opened,
            rates: Rates { endpoint: row.get(first + 5)?, application: row.get(first + 6)? },
            schedule: own_schedule(row, first + 9)?,
            is_failing: row.get(first + 10)?,
        })))
    }
}

/// Delays that were checked when they were set.
fn own_schedule(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Schedule>> {
    let delays: Option<Vec<u32>> = store::column(row, column)?;
    let delays = delays.map(|delays| delays.into_iter().map(u64::from).map(Duration::from_secs));
    Ok(delays.and_then(|delays| retry_schedule(delays.collect()).ok()))
}

// ===== impl Barred =====

impl Barred {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Application => "the application is deleted",
            Self::Deleted => "the endpoint is deleted",
            Self::Disabled => "the endpoint is disabled",
            Self::Expired => "the content of the message is gone",
            Self::Unreadable => "the secret of the endpoint cannot be read",
        }
    }

    /// What the attempt list says of a delivery that was not sent. Nobody sees that of a deleted application.
    pub(super) fn shown(self) -> Option<&'static str> {
        match self {
            Self::Deleted => Some("not sent: the endpoint is deleted"),
            Self::Disabled => Some("not sent: the endpoint is disabled"),
            Self::Expired => Some("not sent: the content of the message is gone"),
            Self::Application | Self::Unreadable => None,
        }
    }
}

// ===== impl Targets =====

impl Targets {
    pub(super) fn new(vault: Vault) -> Self {
        Self { vault, known: Arc::default() }
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A handle for a delivery to `target`, which `tx` has read.
    pub(super) fn hold(
        &self,
        tx: &mut Tx<'_>,
        (org, app, id): (OrgId, AppId, EndpointId),
        target: Arc<Target>,
    ) -> Handle {
        // Known from here on, so that a change of the application in a later submission finds it.
        let now = Ok(target.clone());
        self.known.lock().entry(id).or_insert(Known { org, app, held: 0, now }).held += 1;
        self.tell(tx, id, Ok(target));
        Handle { id, targets: self.clone() }
    }

    /// An endpoint is, or may be, another from the commit of `tx` on.
    pub(super) fn changed(
        &self,
        tx: &mut Tx<'_>,
        (org, app, id): (OrgId, AppId, EndpointId),
    ) -> linchpin::Result<()> {
        let sql = format!(
            "SELECT {} FROM endpoint e JOIN application a ON a.org = e.org AND a.id = e.app
             WHERE e.org = ?1 AND e.app = ?2 AND e.id = ?3",
            Target::COLUMNS
        );
        let drawer = self.vault.drawer((org, app, id));
        let now = tx
            .prepare_cached(&sql)
            .and_then(|mut query| {
                query.query_row((org, app, id), |row| Target::read(row, 0, &drawer)).optional()
            })
            .sql("load where deliveries go")?;
        self.tell(tx, id, now.unwrap_or(Err(Barred::Deleted)));
        Ok(())
    }

    /// All endpoints of an application are, or may be, others from the commit of `tx` on.
    pub(super) fn application_changed(&self, tx: &mut Tx<'_>, app: AppId) -> linchpin::Result<()> {
        let of_app: Vec<_> = {
            let known = self.known.lock();
            let of_app = known.iter().filter(|(_, known)| known.app == app);
            of_app.map(|(id, known)| (known.org, app, *id)).collect()
        };
        of_app.into_iter().try_for_each(|endpoint| self.changed(tx, endpoint))
    }

    fn tell(&self, tx: &mut Tx<'_>, id: EndpointId, now: Result<Arc<Target>, Barred>) {
        let targets = self.clone();
        tx.after_commit(move || {
            if let Some(known) = targets.known.lock().get_mut(&id) {
                known.now = now;
            }
        });
    }
}

// ===== impl Handle =====

impl Handle {
    /// Where the delivery goes if it goes now.
    pub(super) fn now(&self) -> Result<Arc<Target>, Barred> {
        self.targets.known.lock().get(&self.id).expect("it is known while it is held").now.clone()
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        let mut known = self.targets.known.lock();
        known.get_mut(&self.id).expect("it is known while it is held").held += 1;
        Self { id: self.id, targets: self.targets.clone() }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Entry::Occupied(mut known) = self.targets.known.lock().entry(self.id) {
            known.get_mut().held -= 1;
            if known.get().held == 0 {
                known.remove();
            }
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}
