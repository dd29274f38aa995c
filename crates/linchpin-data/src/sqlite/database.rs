//! One open database: its lock, its threads, its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use linchpin::error::ResultExt;
use linchpin::sync::Mutex;
use linchpin::sync::event::{UnderWay, WaitGroup};
use linchpin::{Context, Error, Kind, Result, task};

use super::connection::{self, Guard};
use super::lock::{self, Lock};
use super::options::Options;
use super::reader::{Open, Reader};
use super::writer::{self, Writer};

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
    thread: Mutex<Option<JoinHandle<()>>>,
    open: WaitGroup,
}

/// What every open connection holds: the lock, and who waits for the end of it.
pub(super) struct Alive {
    _lock: Lock,
    _open: UnderWay,
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
        let open = WaitGroup::new();
        let alive = Arc::new(Alive { _lock: Lock::acquire(&path)?, _open: open.begin() });

        let mut conn = connection::create(&path, &options)?;
        if let Some(migrations) = options.migrations {
            migrations.apply(&mut conn).context(format!("migrate {}", path.display()))?;
        }
        if options.overwrite_deleted {
            writer::truncate_log(&conn);
        }
        let guard = Guard::default();
        guard.install(&mut conn)?;

        let read_only = |_| {
            let connection = connection::read_only(&path, &options)?;
            Ok(Open { connection, _alive: Arc::clone(&alive) })
        };
        let connections = (0..options.readers).map(read_only).collect::<Result<_>>()?;
        let reader = Reader::new(connections, options.reader_queue)?;
        let (writer, submissions) = writer::pair(path.clone(), options, guard)?;
        let work = move || {
            submissions.work(conn);
            drop(alive);
        };
        let thread = task::thread("sqlite-writer", work)
            .kind(Kind::ResourceExhausted)
            .context("start a database thread")?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { inner: Arc::new(Inner { path, writer, reader, thread, open }) })
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

    /// Runs what is queued, moves the log into the file and ends the threads: first those that read, then the one that
    /// writes.
    ///
    /// Queries and submissions that come later are refused as
    /// [`Unavailable`](linchpin::Kind::Unavailable). Calling it again waits for the same end.
    ///
    /// # Errors
    ///
    /// The context's cause, if it ends first. Queries that still ran were then told to stop.
    ///
    /// # Cancel safety
    ///
    /// A queue that has been told ends without anyone waiting; the writer's is told when all queries
    /// are done. Call it again to be sure.
    pub async fn close(&self, ctx: &Context) -> Result<()> {
        ctx.check()?;
        // Readers first, so that the writer's connection is the last: it leaves the file without a log beside it.
        self.inner.reader.close(ctx).await;
        self.inner.writer.close(ctx).await?;
        self.inner.open.wait(ctx).await?;
        let thread = self.inner.thread.lock().take();
        // It has nothing left to do but return.
        if let Some(Err(payload)) = thread.map(JoinHandle::join) {
            let error = Error::from(task::Fault::Panicked(payload));
            tracing::error!(error = %error.report(), "a thread of the database panicked");
        }
        Ok(())
    }
}
