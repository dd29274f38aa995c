//! Tables and queries. Every write is a submission to the one writer, every read a query on a reader.
//!
//! The methods of [`Store`] stand with their aggregate. The SQL is in plain functions over a connection, so that one
//! submission can do several things in one transaction; every statement names the organisation.

mod application;
mod attempt;
mod attempted;
mod endpoint;
mod event_type;
mod expunge;
mod headers;
pub(crate) mod hours;
mod import;
mod inspect;
pub mod keys;
mod manual;
mod message;
mod once;
pub(crate) mod operational;
pub mod page;
mod precheck;
mod reference;
mod retention;
pub mod revocation;
pub mod schema;
mod secret;
mod sift;
mod stats;
mod target;
mod task;
mod wipe;
mod work;

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
#[cfg(feature = "planted-faults")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linchpin::context::Context;
use linchpin::error::ResultExt as _;
use linchpin::sync::event::Event;
use linchpin::task::fan;
use linchpin::task::pool::Priority;
use linchpin::{Error, Kind, Result};
use linchpin_data::migrate::Migrations;
use linchpin_data::sqlite::{Database, Options, Reader, Sql as _, Writer};
use serde::Serialize;

pub use self::attempt::{AttemptFilter, WithMessage};
pub(crate) use self::inspect::{is_ours, look, ours, pending, schema_of};
pub use self::message::{MessageFilter, NewMessage};
use self::once::once;
pub use self::once::{Answer, Once};
pub use self::reference::{Reference, Scope, Which};
pub use self::retention::Swept;
#[cfg(feature = "planted-faults")]
pub use self::retention::plant_hasty_sweep;
pub use self::task::{Asked, TaskFilter, prune as prune_tasks};
pub(crate) use self::work::{
    BulkReplay, Job, Purge, Recover, Replay, Section, Subscriptions, Usage, Work,
};
use crate::deliver::Queue;
use crate::model::Faults;
use crate::model::page::Page;
use crate::vault::Vault;

/// All that Relay keeps. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Writer,
    reader: Reader,
    /// The same, for what nobody waits for.
    patient: Reader,
    queue: Queue,
    log: wipe::Log,
    /// The most that an application may have.
    endpoints: usize,
    /// Rings when a background task has begun.
    begun: Event,
}

/// Whether a PUT made something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Put {
    /// It was not there.
    Created,
    /// It was there, and is replaced.
    Replaced,
}

/// Why the store would not do it, where a client can act on the reason. Found by `error.find::<Refusal>()`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// It exists already.
    Conflict {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: &'static str,
    },
    /// The body is at odds with what is stored.
    Invalid(Faults),
    /// The idempotency key came with another request before.
    KeyReused,
    /// The request is well formed, and what it is about has not what it takes.
    Unsuited {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: &'static str,
    },
    /// It is not there, or not for this caller: which of the two is not told.
    NotFound,
}

/// Opens the database of Relay, made or brought up to date if need be.
///
/// # Errors
///
/// A file of another program or of a newer Relay, one that is in use, and those of the database.
pub fn open(path: &Path) -> Result<Database> {
    make_folder(path)?;
    make_file(path)?;
    Database::open(path, options()?)
}

/// Makes the folder of the database, if it is not there: nobody else looks into it.
pub(crate) fn make_folder(database: &Path) -> Result<()> {
    let Some(folder) = database.parent() else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .recursive(true)
        .create(folder)
        .kind(Kind::Unavailable)
        .context(format!("make the folder {}", folder.display()))
}

/// Makes the file, if it is not there, for its owner alone: payloads are in clear in it. SQLite gives what it puts beside it the
/// same rights.
fn make_file(database: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(database) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => {
            Err(cause).kind(Kind::Unavailable).context(format!("make {}", database.display()))
        }
        _ => Ok(()),
    }
}

/// How Relay opens its database.
pub(crate) fn options() -> Result<Options> {
    let migrations = Migrations::new(schema::MIGRATIONS)?;
    let options = Options::default()
        .application_id(APPLICATION_ID)
        .migrations(migrations)
        .overwrite_deleted(true);
    #[cfg(feature = "planted-faults")]
    let options = options
        .acknowledge_before_commit(EARLY_ANSWERS.load(Ordering::Relaxed))
        .forget_commits(FORGOTTEN_COMMITS.load(Ordering::Relaxed))
        .swallow_syncs(SWALLOWED_SYNCS.load(Ordering::Relaxed));
    Ok(options)
}

/// Has every database opened from here on answer before it commits: the fault that the kill drill must find.
#[cfg(feature = "planted-faults")]
pub fn plant_early_answers() {
    EARLY_ANSWERS.store(true, Ordering::Relaxed);
}

/// Has every database opened from here on take some commits for failed: their deliveries are then leased and nobody has
/// them, which is what the drill of failing syncs must find.
#[cfg(feature = "planted-faults")]
pub fn plant_forgotten_commits() {
    FORGOTTEN_COMMITS.store(true, Ordering::Relaxed);
}

/// Has every database opened from here on take a commit whose sync failed for one that succeeded, which is what the drill of
/// a failing disk must find.
#[cfg(feature = "planted-faults")]
pub fn plant_swallowed_syncs() {
    SWALLOWED_SYNCS.store(true, Ordering::Relaxed);
}

/// Switches and not the feature alone, so that `--all-features` leaves the tests what they are.
#[cfg(feature = "planted-faults")]
static EARLY_ANSWERS: AtomicBool = AtomicBool::new(false);
#[cfg(feature = "planted-faults")]
static FORGOTTEN_COMMITS: AtomicBool = AtomicBool::new(false);
#[cfg(feature = "planted-faults")]
static SWALLOWED_SYNCS: AtomicBool = AtomicBool::new(false);

/// The version of the schema that this binary works with.
#[must_use]
pub fn schema_version() -> u32 {
    schema::MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Marks a SQLite file as Relay's: "Rely" in ASCII.
const APPLICATION_ID: i32 = 0x5265_6c79;

// ===== impl Store =====

impl Store {
    /// A store over a database with the [schema](schema::MIGRATIONS); what is to be delivered goes to `queue`.
    #[must_use]
    pub fn new(database: &Database, queue: Queue) -> Self {
        let reader = database.reader();
        Self {
            writer: database.writer().clone(),
            reader: reader.clone(),
            patient: reader.at(Priority::Low),
            queue,
            log: wipe::Log::new(),
            endpoints: ENDPOINTS,
            begun: Event::new(),
        }
    }

    /// How many endpoints an application may have. Default 500. Those that there are stay, if there are more.
    #[must_use]
    pub fn endpoints_per_application(mut self, most: usize) -> Self {
        self.endpoints = most;
        self
    }

    /// Where secrets are sealed and opened.
    fn vault(&self) -> &Vault {
        self.queue.vault()
    }

    /// Asks each part of the service whether it answers, all at once, and gives it a second: one that hangs hides
    /// nobody else's answer.
    pub async fn probe(&self, ctx: &Context) -> Vec<(&'static str, Result<()>)> {
        let ctx = ctx.with_timeout(PROBE);
        let answers = fan::gather(&ctx, PARTS.map(|(_, part)| self.ask(&ctx, part))).await;
        PARTS.into_iter().map(|(name, _)| name).zip(answers).collect()
    }

    async fn ask(&self, ctx: &Context, part: Part) -> Result<()> {
        let read = |sql: &'static str| {
            self.reader.query(ctx, move |conn| {
                conn.prepare_cached(sql)
                    .and_then(|mut query| query.exists(()))
                    .sql("probe the database")
            })
        };
        match part {
            Part::Database => read("SELECT 1 FROM application").await.map(drop),
            Part::Queue => self.writer.submit(ctx, |_| Ok(())).await,
            Part::Cache => read("SELECT 1 FROM idempotency").await.map(drop),
        }
    }
}

/// The most endpoints of an application, unless that is set.
const ENDPOINTS: usize = 500;

/// How long a part may take to answer a probe.
const PROBE: Duration = Duration::from_secs(1);
/// The parts, by the names that the API has for them.
const PARTS: [(&str, Part); 3] =
    [("database", Part::Database), ("queue", Part::Queue), ("cache", Part::Cache)];

/// What can be asked whether it answers.
#[derive(Clone, Copy)]
enum Part {
    /// The readers.
    Database,
    /// The writer: the queue of deliveries is a table.
    Queue,
    /// The idempotency records.
    Cache,
}

/// A JSON column, or a reply.
fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|fault| Error::new(Kind::Internal, fault))
}

/// A unique index said no: to the client that is a conflict.
fn conflict<T>(result: Result<T>, code: &'static str, detail: &'static str) -> Result<T> {
    result.map_err(|error| match error.kind() {
        Kind::AlreadyExists => Refusal::Conflict { code, detail }.into(),
        _ => error,
    })
}

/// Reads a JSON column.
pub(crate) fn column<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?;
    // A NULL reads as JSON's null, which only an `Option` accepts.
    let text = text.as_str_or_null()?.unwrap_or("null");
    serde_json::from_str(text).map_err(|fault| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, fault.into())
    })
}

/// The most that one page has of what may be large, in bytes, but for its last item. A page that would have more is
/// shorter, and says that it is not the last.
const PAGE_BYTES: usize = 8 << 20;

/// Reads all rows of a page. Long lists are [sifted](sift::sift).
fn read<K: page::Key, T>(
    conn: &rusqlite::Connection,
    walk: &page::Walk<K>,
    sql: &str,
    params: impl rusqlite::Params,
    map: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    key: impl Fn(&T) -> K,
) -> Result<Page<T>> {
    let mut query = conn.prepare_cached(sql).sql("read a page")?;
    let (mut rows, mut is_last) = (Vec::new(), true);
    for row in query.query_map(params, map).sql("read a page")? {
        let row = row.sql("read a page")?;
        if rows.len() == walk.limit() {
            is_last = false;
            break;
        }
        rows.push(row);
    }
    Ok(walk.page(rows, is_last, key))
}

// ===== impl Refusal =====

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { detail, .. } | Self::Unsuited { detail, .. } => f.write_str(detail),
            Self::Invalid(faults) => write!(f, "{faults}"),
            Self::KeyReused => f.write_str("this idempotency key came with another request before"),
            Self::NotFound => f.write_str("Entity not found"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Conflict { .. } => Kind::AlreadyExists,
            Refusal::Invalid(_) | Refusal::KeyReused | Refusal::Unsuited { .. } => {
                Kind::InvalidArgument
            }
            Refusal::NotFound => Kind::NotFound,
        };
        Self::new(kind, refusal)
    }
}
