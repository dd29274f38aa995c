//! Copies of a database, made while it is in use.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use linchpin::error::ResultExt;
use linchpin::{Context, Error, Kind, Result};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connection;
use super::error::Sql;
use super::lock::{self, Lock};
use super::options::Options;

/// How far a copy has come, in pages of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Pages that are copied.
    pub done: u64,
    /// Pages in all. It stays the same for the whole copy.
    pub pages: u64,
}

/// Copies the database at `from` to the new file `to`, as it is when the copy begins.
///
/// All that was acknowledged before the call is in the copy. Whoever has the database open, in this
/// process or another, reads and writes on meanwhile; its log is not shortened until the copy is
/// done, so it grows by what is written. The copy is one file, with no log beside it, which only its
/// owner may read. It is made as `to` with `.part` behind it, checked whole, synced, and only then
/// gets its name.
///
/// Blocks on the disk: call it where a thread may block. `progress` is told after every 256 pages.
///
/// # Errors
///
/// [`Kind::AlreadyExists`] if `to` or its `.part` is there, [`Kind::DataLoss`] if `from` is damaged or
/// no database, the context's cause, or storage errors as in [`error`](super::error()). Nothing is left
/// of the copy then.
pub fn backup(ctx: &Context, from: &Path, to: &Path, progress: impl FnMut(Progress)) -> Result<()> {
    absent(to)?;
    let part = Part::create(to)?;
    copy(ctx, from, &part.path, progress)?;
    part.finish(to)
}

/// Makes a database at `to` from the [backup](backup()) at `from`, ready for
/// [`Database::open`](super::Database::open) with the same options.
///
/// Of the options, the application id and the migrations count: what is older is brought up to date.
/// The backup itself is not changed.
///
/// # Errors
///
/// Those of [`backup()`]. [`Kind::FailedPrecondition`] if `to` is in use, or the backup is another
/// application's or of a newer schema. Nothing is left at `to` then but a lock file.
pub fn restore(
    ctx: &Context,
    from: &Path,
    to: &Path,
    options: &Options,
    progress: impl FnMut(Progress),
) -> Result<()> {
    options.check()?;
    let _lock = Lock::acquire(to)?;
    // A log of a database that is gone would be played into the one that takes its place.
    for path in [to.to_owned(), lock::beside(to, "-wal"), lock::beside(to, "-journal")] {
        absent(&path)?;
    }
    let part = Part::create(to)?;
    copy(ctx, from, &part.path, progress)?;
    let mut conn = connection::create(&part.path, options)?;
    if let Some(migrations) = options.migrations {
        migrations.apply(&mut conn).context(format!("migrate {}", from.display()))?;
    }
    single_file(conn)?;
    part.finish(to)
}

/// Copies all pages as of now into an empty file, and checks them.
fn copy(ctx: &Context, from: &Path, to: &Path, mut progress: impl FnMut(Progress)) -> Result<()> {
    let source = connection::read_only(from, &Options::default())?;
    // Holds the state of now. Without it, every commit would make the copy begin anew.
    let source = source.unchecked_transaction().sql("begin to read")?;
    source
        .query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))
        .sql(format!("read {}", from.display()))?;
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .sql(format!("open {}", to.display()))?;
    let steps = Backup::new(&source, &mut target).sql("begin to copy")?;
    loop {
        ctx.check()?;
        let step = steps.step(STEP).sql("copy pages")?;
        let rusqlite::backup::Progress { remaining, pagecount, .. } = steps.progress();
        let count = |pages: i32| u64::try_from(pages).unwrap_or(0);
        progress(Progress { done: count(pagecount - remaining), pages: count(pagecount) });
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            // Nobody writes to a snapshot, and nobody else knows the copy.
            _ => return Err(Error::new(Kind::Aborted, "the copy is locked by somebody else")),
        }
    }
    drop(steps);
    let watched = ctx.clone();
    target
        .progress_handler(LOOK, Some(move || watched.check().is_err()))
        .sql("watch the context")?;
    let found = target.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0));
    // Rather than that the check was interrupted.
    ctx.check()?;
    let found: String = found.sql("check the copy")?;
    if found != "ok" {
        return Err(
            Error::new(Kind::DataLoss, found).context(format!("{} is damaged", from.display()))
        );
    }
    single_file(target)
}

/// Leaves nothing beside the file: no log, and no mode that makes one when it is read.
fn single_file(conn: Connection) -> Result<()> {
    conn.pragma_update(None, "journal_mode", "DELETE").sql("leave WAL mode")?;
    conn.close().map_err(|(_, cause)| cause).sql("close the copy")
}

fn absent(path: &Path) -> Result<()> {
    if path.try_exists().kind(Kind::Unavailable)? { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Error {
    Error::new(Kind::AlreadyExists, format!("{} is there already", path.display()))
}

/// A file that is not whole yet. Dropped, it is removed.
struct Part {
    path: PathBuf,
}

impl Part {
    fn create(of: &Path) -> Result<Self> {
        let path = lock::beside(of, ".part");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(_) => Ok(Self { path }),
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&path)
                .context("another copy is under way, or one was killed; then remove it")),
            Err(cause) => {
                Err(cause).kind(Kind::Unavailable).context(format!("make {}", path.display()))
            }
        }
    }

    /// Has the disk keep it, and then its name.
    fn finish(self, to: &Path) -> Result<()> {
        let folder = match to.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.path, to))
            .and_then(|()| File::open(folder)?.sync_all())
            .kind(Kind::Unavailable)
            .context(format!("keep {}", to.display()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            // Most of them are not there; a finished one has another name.
            drop(fs::remove_file(lock::beside(&self.path, suffix)));
        }
    }
}

/// Pages between two looks at the context: 1 MiB.
const STEP: i32 = 256;
/// Steps of SQLite's machine between two looks, while the copy is checked.
const LOOK: i32 = 1_000;
