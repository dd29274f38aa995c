//! One open database: its lock, its threads, its end.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use linchpin::error::ResultExt;
use linchpin::{Context, Error, Kind, Result, task};
use rusqlite::Connection;
use tokio::sync::watch;

use super::connection::{self, Guard};
use super::lock::{self, Lock};
use super::options::Options;
use super::{Reader, Writer, reader, writer};

/// An open database: one writer thread, a few reader threads, and a lock that keeps other processes
/// out. Cheap to clone.
///
/// The threads end when [`close`](Self::close) says so, or when the last of all clones, this type's
/// and those of [`Writer`] and [`Reader`], is dropped. Only `close` tells when they have ended, and
/// with them the lock.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Writer,
    reader: Reader,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ended: watch::Receiver<()>,
}

impl Database {
    /// Opens the file, or makes it, applies the migrations and starts the threads.
    ///
    /// Blocks on the disk, as long as the migrations take: call it at start. The path must name a
    /// file, since WAL mode needs one, on a local disk, since WAL mode needs shared memory.
    ///
    /// # Errors
    ///
    /// [`Kind::InvalidArgument`] for options that cannot work; [`Kind::FailedPrecondition`] if
    /// another process (or this one) has it open, with that process's id, if it is another
    /// application's file, or for what [`Migrations::apply`](crate::migrate::Migrations::apply)
    /// refuses; storage errors as in [`error`](super::error).
    pub fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self> {
        options.check()?;
        let path = path.into();
        // Each thread keeps this until its connection is closed.
        let (end, ended) = watch::channel(());
        let alive = Arc::new((Lock::acquire(&path)?, end));

        let mut conn = connection::create(&path, &options)?;
        if let Some(migrations) = options.migrations {
            migrations.apply(&mut conn).context(format!("migrate {}", path.display()))?;
        }
        let guard = Guard::default();
        guard.install(&mut conn)?;

        let (reader, queries) = reader::pair(options.reader_queue);
        let mut threads = Vec::with_capacity(options.readers + 1);
        for _ in 0..options.readers {
            let stop = Arc::new(AtomicBool::new(false));
            let conn = connection::read_only(&path, &options, Arc::clone(&stop))?;
            let (alive, queries) = (Arc::clone(&alive), queries.clone());
            threads.push(thread("sqlite-reader", alive, conn, move |conn| {
                queries.work(&conn, &stop);
            })?);
        }
        let (writer, submissions) = writer::pair(path.clone(), options, guard);
        threads.push(thread("sqlite-writer", alive, conn, move |conn| submissions.work(conn))?);

        let threads = Mutex::new(threads);
        Ok(Self { inner: Arc::new(Inner { path, writer, reader, threads, ended }) })
    }

    /// The one who writes.
    pub fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    /// Those who read.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The size of the log beside the file, 0 if there is none. A few MiB are usual; one that keeps
    /// growing has a reader that never ends.
    ///
    /// # Errors
    ///
    /// [`Kind::Unavailable`] if the disk does not tell.
    pub fn wal_bytes(&self) -> Result<u64> {
        match lock::beside(&self.inner.path, "-wal").metadata() {
            Ok(log) => Ok(log.len()),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(cause) => Err(cause).kind(Kind::Unavailable).context("size of the log"),
        }
    }

    /// Runs what is queued, moves the log into the file and ends the threads.
    ///
    /// Queries and submissions that come later are refused as
    /// [`Unavailable`](linchpin::Kind::Unavailable). Calling it again waits for the same end.
    ///
    /// # Errors
    ///
    /// The context's cause, if it ends first.
    ///
    /// # Cancel safety
    ///
    /// Once the queues have been told, the threads end without anyone waiting; before that nothing
    /// has happened. Call it again to be sure.
    pub async fn close(&self, ctx: &Context) -> Result<()> {
        self.inner.reader.close(ctx).await?;
        self.inner.writer.close(ctx).await?;
        let mut ended = self.inner.ended.clone();
        // Nothing is ever sent: the error says that the last thread has let go.
        while ctx.run(ended.changed()).await?.is_ok() {}
        let threads = {
            let mut threads = self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        for thread in threads {
            // They have nothing left to do but return.
            if let Err(payload) = thread.join() {
                let error = Error::from(task::Fault::Panicked(payload));
                tracing::error!(error = %error.report(), "a thread of the database panicked");
            }
        }
        Ok(())
    }
}

/// A thread that keeps the database locked until it is done with its connection.
fn thread(
    name: &'static str,
    alive: Arc<(Lock, watch::Sender<()>)>,
    conn: Connection,
    work: impl FnOnce(Connection) + Send + 'static,
) -> Result<JoinHandle<()>> {
    let run = move || {
        work(conn);
        drop(alive);
    };
    task::thread(name, run).kind(Kind::ResourceExhausted).context("start a database thread")
}
