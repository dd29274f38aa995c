//! The answer of a request, kept under its idempotency key, so that a repeat gets the same answer.
//!
//! All functions run on a connection, inside the caller's transaction: look with [`find`], do the
//! work, [`store`] its answer, all in one [`submit`](crate::sqlite::Writer::submit). Then there is no
//! moment at which the effect stands and its record does not. The table is [`SQL`], for the caller's
//! own migrations.
//!
//! A [`Key`] says which request, a [`Fingerprint`] what was in it. The same key with another
//! fingerprint is a client's mistake: [`Found::Mismatch`].
//!
//! ```
//! # use linchpin::{Result, time::Timestamp};
//! # use linchpin_data::{idempotency::{self, *}, sqlite::Sql};
//! # fn create(conn: &rusqlite::Connection) -> Result<Vec<u8>> { Ok(b"{}".to_vec()) }
//! fn answer(conn: &rusqlite::Connection, body: &[u8], now: Timestamp) -> Result<Option<Stored>> {
//!     let key = Key::new(["POST /notes", "tenant-7", "client-chosen-key"]);
//!     let fingerprint = Fingerprint::new([body]);
//!     match idempotency::find(conn, &key, &fingerprint, now, TTL)? {
//!         Found::Replay(stored) => Ok(Some(stored)),
//!         Found::Mismatch => Ok(None), // 422: this key was used for another request
//!         Found::New => {
//!             let stored = Stored { status: 201, body: create(conn)? };
//!             idempotency::store(conn, &key, &fingerprint, &stored, now)?;
//!             Ok(Some(stored))
//!         }
//!     }
//! }
//! # let conn = rusqlite::Connection::open_in_memory().unwrap();
//! # conn.execute_batch(idempotency::SQL).unwrap();
//! # let now = Timestamp::from_micros(0);
//! # assert_eq!(answer(&conn, b"a", now).unwrap(), answer(&conn, b"a", now).unwrap());
//! # assert_eq!(answer(&conn, b"b", now).unwrap(), None);
//! ```

use std::time::Duration;

use aws_lc_rs::digest;
use linchpin::Result;
use linchpin::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::sqlite::Sql;

/// How long records are kept unless the caller says otherwise: 24 hours.
pub const TTL: Duration = Duration::from_hours(24);

/// The table, for a migration of the caller's.
///
/// Rows stand in the order in which they were stored, which is what lets [`prune`] remove old ones
/// from the front in small batches without an index on time.
pub const SQL: &str = "CREATE TABLE idempotency (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_key ON idempotency (key);
";

/// Which request: a SHA-256 over what names it, such as route, tenant and the client's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Hashes the parts, each with its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn new<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        Self(hash(parts))
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What was in the request: a SHA-256 over what must be the same in a repeat, such as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Hashes the parts, each with its length, as [`Key::new`] does.
    pub fn new<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        Self(hash(parts))
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An answer as it was given the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The status, such as HTTP's.
    pub status: u16,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key was used for a request with another content.
    Mismatch,
    /// Not seen before, or so long ago that its record has expired: do the work.
    New,
    /// Seen before: give this answer.
    Replay(Stored),
}

/// Looks a request up. A record older than `ttl` counts as absent, pruned or not.
///
/// # Errors
///
/// Storage errors, as in [`sqlite::error`](crate::sqlite::error).
pub fn find(
    conn: &Connection,
    key: &Key,
    fingerprint: &Fingerprint,
    now: Timestamp,
    ttl: Duration,
) -> Result<Found> {
    let found = conn
        .prepare_cached(
            "SELECT fingerprint, status, body FROM idempotency WHERE key = ?1 AND created_at > ?2",
        )
        .and_then(|mut query| {
            query
                .query_row((key.0, (now - ttl).as_micros()), |row| {
                    let same = row.get_ref(0)?.as_blob()? == fingerprint.0;
                    let stored = || Ok(Stored { status: row.get(1)?, body: row.get(2)? });
                    if same { stored().map(Found::Replay) } else { Ok(Found::Mismatch) }
                })
                .optional()
        })
        .sql("find idempotency record")?;
    Ok(found.unwrap_or(Found::New))
}

/// Records the answer of a request for which [`find`] said [`Found::New`] in this transaction.
///
/// Replaces an expired record of the same key, which moves to the end of the order.
///
/// # Errors
///
/// Storage errors, as in [`sqlite::error`](crate::sqlite::error).
pub fn store(
    conn: &Connection,
    key: &Key,
    fingerprint: &Fingerprint,
    answer: &Stored,
    now: Timestamp,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (key, fingerprint, status, body, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .and_then(|mut insert| {
        insert.execute((key.0, fingerprint.0, answer.status, &answer.body, now.as_micros()))
    })
    .sql("store idempotency record")?;
    Ok(())
}

/// Removes, of the `limit` oldest records, those stored before `older_than`; returns how many.
///
/// The cost is bounded by `limit`, whatever the size of the table: call it now and then from the
/// writer with some hundreds, again at once while it returns `limit`.
///
/// # Errors
///
/// Storage errors, as in [`sqlite::error`](crate::sqlite::error).
pub fn prune(conn: &Connection, older_than: Timestamp, limit: u32) -> Result<usize> {
    conn.prepare_cached(
        "DELETE FROM idempotency WHERE created_at < ?1 \
         AND id IN (SELECT id FROM idempotency ORDER BY id LIMIT ?2)",
    )
    .and_then(|mut delete| delete.execute((older_than.as_micros(), limit)))
    .sql("prune idempotency records")
}

fn hash<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        let part = part.as_ref();
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}
