//! A database in a folder of its own, and ways to hold its writer still.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use linchpin::{Context, Result};
use linchpin_data::migrate::{Migration, Migrations};
use linchpin_data::sqlite::{Database, Options, Sql, Tx};
use rusqlite::Connection;
use tokio::sync::oneshot;

const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "entries",
    sql: "CREATE TABLE entry (key INTEGER NOT NULL, part INTEGER NOT NULL, filler BLOB,
              PRIMARY KEY (key, part)) STRICT;
          CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
          CREATE TABLE child (id INTEGER PRIMARY KEY,
              parent INTEGER NOT NULL REFERENCES parent DEFERRABLE INITIALLY DEFERRED) STRICT;",
}];

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) ctx: Context,
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) fn fixture() -> Fixture {
    fixture_with(Options::default())
}

pub(crate) fn fixture_with(options: Options) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let database = open(&path, options);
    Fixture { database, ctx: Context::root(), path, _folder: folder }
}

/// The database at a path of the caller's choice, with the tables of a fixture.
pub(crate) fn open(path: &Path, options: Options) -> Database {
    Database::open(path, options.migrations(Migrations::new(SCHEMA).unwrap())).unwrap()
}

/// The keys that a new connection sees now, in order, with how many parts each has.
pub(crate) fn keys(path: &Path) -> Vec<(i64, i64)> {
    let conn = Connection::open(path).unwrap();
    let mut rows = conn.prepare("SELECT key, count(*) FROM entry GROUP BY key").unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    rows.query_map([], read).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

impl Fixture {
    /// The keys that another connection sees now, in order, with how many parts each has.
    pub(crate) fn keys(&self) -> Vec<(i64, i64)> {
        keys(&self.path)
    }

    pub(crate) fn submit<T: Send + 'static>(
        &self,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Started<T> {
        self.submit_in(&self.ctx, closure)
    }

    /// A submission that is queued once [`queued`] has polled it.
    pub(crate) fn submit_in<T: Send + 'static>(
        &self,
        ctx: &Context,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Started<T> {
        self.submit_sized(ctx, 0, closure)
    }

    pub(crate) fn submit_sized<T: Send + 'static>(
        &self,
        ctx: &Context,
        bytes: usize,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Started<T> {
        let (writer, ctx) = (self.database.writer().clone(), ctx.clone());
        Box::pin(async move { writer.submit_sized(&ctx, bytes, closure).await })
    }

    /// Holds the writer inside a closure until released.
    pub(crate) async fn block(&self) -> Blocker {
        let (release, released) = mpsc::channel::<()>();
        let (started, start) = oneshot::channel();
        let mut started = Some(started);
        let mut answer = self.submit(move |_| {
            if let Some(started) = started.take() {
                started.send(()).unwrap();
                assert!(released.recv().is_err()); // until the sender is dropped
            }
            Ok(())
        });
        queued(&mut answer).await;
        start.await.unwrap();
        Blocker { release, answer }
    }
}

pub(crate) type Started<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Polls once: the submission is in the queue, its answer is not here.
pub(crate) async fn queued<T>(started: &mut Started<T>) {
    let pending = poll_fn(|cx| Poll::Ready(started.as_mut().poll(cx).is_pending())).await;
    assert!(pending, "answered before it could be");
}

pub(crate) struct Blocker {
    release: mpsc::Sender<()>,
    answer: Started<()>,
}

impl Blocker {
    pub(crate) async fn release(self) {
        drop(self.release);
        self.answer.await.unwrap();
    }
}

pub(crate) fn insert(conn: &Connection, key: i64) -> Result<usize> {
    insert_part(conn, key, 0)
}

pub(crate) fn insert_part(conn: &Connection, key: i64, part: i64) -> Result<usize> {
    conn.prepare_cached("INSERT INTO entry (key, part) VALUES (?1, ?2)")
        .and_then(|mut insert| insert.execute((key, part)))
        .sql("insert entry")
}

/// A conflict that ends the whole transaction.
pub(crate) fn conflict(conn: &Connection, key: i64) -> Result<usize> {
    insert(conn, key)?;
    conn.execute("INSERT OR ROLLBACK INTO entry (key, part) VALUES (?1, 0)", [key]).sql("conflict")
}

/// A panic that does not print.
pub(crate) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("planned"))
}

/// A value whose drop panics, unless it happens in a panic already.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}
