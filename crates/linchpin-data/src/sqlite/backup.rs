//! Copies of a database, made while it is in use.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read as _;
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
/// gets its name. What a process that was killed has left there is taken over.
///
/// Blocks on the disk: call it where a thread may block. `progress` is told after every 256 pages.
///
/// # Errors
///
/// [`Kind::AlreadyExists`] if `to` is there, or another copy to it is under way, or a file that is none
/// has the name with `.part`; [`Kind::DataLoss`] if `from` is damaged or
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
/// The backup itself is not changed. What root restores belongs to whom the folder of `to` belongs.
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
    let lock = Lock::acquire(to)?;
    // A log of a database that is gone would be played into the one that takes its place.
    for path in [to.to_owned(), lock::beside(to, "-wal"), lock::beside(to, "-journal")] {
        absent(&path)?;
    }
    let part = Part::create(to)?;
    copy(ctx, from, &part.path, progress)?;
    let mut conn = connection::create_with(&part.path, NO_LINK, options)?;
    if let Some(migrations) = options.migrations {
        migrations.apply(&mut conn).context(format!("migrate {}", from.display()))?;
    }
    single_file(conn)?;
    lock::hand_over(&part.file, &part.path)
        .and_then(|()| lock.hand_over(to))
        .kind(Kind::Unavailable)
        .context("give the database to whom its folder belongs")?;
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
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE | NO_LINK)
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
///
/// It is locked while it is made, so that one whose process was killed is told from one that is under way. SQLite's own
/// locks are of another kind.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn create(of: &Path) -> Result<Self> {
        let folder = lock::folder_of(of).canonicalize().kind(Kind::Unavailable);
        let folder = folder.context(format!("find the folder of {}", of.display()))?;
        // What has no name is no file, which the system says below.
        let path = lock::beside(&folder.join(of.file_name().unwrap_or_default()), ".part");
        let made = || format!("make {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let (file, is_new) =
            lock::open_or_make(&path, &mut options).kind(Kind::Unavailable).context(made())?;
        let mut busy = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(cause)) => {
                return Err(cause).kind(Kind::Unavailable).context(made());
            }
        };
        // Between the two, whoever had it may have come to its end.
        busy |= !lock::is_at(&file, &path).kind(Kind::Unavailable).context(made())?;
        if busy {
            let why = format!("another copy to {} is under way", of.display());
            return Err(Error::new(Kind::AlreadyExists, why));
        }
        if !is_new && !is_copy(&file).kind(Kind::Unavailable).context(made())? {
            return Err(exists(&path).context("the name under which the copy would be made"));
        }
        let part = Self { path, file };
        part.file
            .set_len(0)
            .kind(Kind::Unavailable)
            .context("take over what was left of a copy")?;
        part.remove(&BESIDE);
        Ok(part)
    }

    /// Has the disk keep it, and then its name.
    fn finish(self, to: &Path) -> Result<()> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, to))
            .and_then(|()| File::open(lock::folder_of(to))?.sync_all())
            .kind(Kind::Unavailable)
            .context(format!("keep {}", to.display()))
    }
}

impl Part {
    fn remove(&self, suffixes: &[&str]) {
        for suffix in suffixes {
            // Most of them are not there; a finished one has another name.
            drop(fs::remove_file(lock::beside(&self.path, suffix)));
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.remove(&[""]);
        self.remove(&BESIDE);
    }
}

/// Whether the file may be what is left of a copy: nothing, a database, or one whose first page was still to be written, as
/// the last of all.
fn is_copy(file: &File) -> std::io::Result<bool> {
    let mut begin = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == MAGIC || begin.iter().all(|&byte| byte == 0))
}

/// What SQLite puts beside a file while it writes to it.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];
/// How each SQLite database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Who owns the folder may put a link in the place of a file that root makes there: SQLite then refuses to open it. It does so
/// for links on the way to it, too.
const NO_LINK: OpenFlags = OpenFlags::SQLITE_OPEN_NOFOLLOW;
/// Pages between two looks at the context: 1 MiB.
const STEP: i32 = 256;
/// Steps of SQLite's machine between two looks, while the copy is checked.
const LOOK: i32 = 1_000;
