//! SQLite behind one grouped writer and a few readers, migrations, sortable ids, idempotency
//! records, and the stores of what a fleet shares: limits, and counts of its breakers.
//!
//! A service that keeps its own state in one file gets four things here, and a fleet a fifth:
//!
//! * [`Id`]: 20 bytes that sort by time, with a prefix that says what they name.
//! * `sqlite` (feature `sqlite`): one owned thread writes, a few read. What queues up while a commit
//!   runs shares the next one, so that durable writes cost one `fsync` a group, not one each, and no
//!   answer leaves before the commit that it reports.
//! * `rate` and `counts` (features `redis`, `postgres`): where limits lie that a whole fleet shares, and what its
//!   breakers have counted.
//! * `migrate` (features `sqlite`, `postgres`): numbered schema changes, applied at start, refused when the file
//!   was written by a newer binary.
//! * `idempotency` (feature `sqlite`): the stored answer of a request, written in the same
//!   transaction as the request's effects.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # fn main() -> linchpin::Result<()> {
//! use linchpin::{Context, time::Timestamp};
//! use linchpin_data::migrate::{Migration, Migrations};
//! use linchpin_data::sqlite::{Database, Options, Sql};
//! use linchpin_data::{Id, id::Tag};
//!
//! struct Note;
//! impl Tag for Note {
//!     const PREFIX: &'static str = "note_";
//! }
//!
//! const SCHEMA: &[Migration] = &[Migration {
//!     version: 1,
//!     name: "notes",
//!     sql: "CREATE TABLE note (id BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;",
//! }];
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("notes.db");
//! # runtime.block_on(async {
//! let database = Database::open(path, Options::default().migrations(Migrations::new(SCHEMA)?))?;
//! let ctx = Context::root();
//! let id = Id::<Note>::at(Timestamp::now());
//!
//! // Durable once this returns: the group's COMMIT has been synced to the disk.
//! database
//!     .writer()
//!     .submit(&ctx, move |tx| {
//!         tx.execute("INSERT INTO note (id, text) VALUES (?1, ?2)", (id, "milk")).sql("add note")
//!     })
//!     .await?;
//!
//! let text: String = database
//!     .reader()
//!     .query(&ctx, move |conn| {
//!         conn.query_row("SELECT text FROM note WHERE id = ?1", [id], |row| row.get(0)).sql("load note")
//!     })
//!     .await?;
//! assert_eq!(text, "milk");
//! database.close(&ctx).await
//! # })
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```

#![forbid(unsafe_code)]

#[cfg(any(feature = "postgres", feature = "redis"))]
pub mod counts;
pub mod id;
#[cfg(feature = "sqlite")]
pub mod idempotency;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub mod rate;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use id::Id;
