//! The writer: a queue, and an owned thread behind it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use linchpin::sync::channel::{self, SendError, Sender};
use linchpin::{Context, Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connection::{self, Guard};
use super::error::{self, Sql as _};
use super::group::Runner;
use super::job::{Claim, Job, Submission, Tx, send};
use super::meter::{Meter, Stats, Trouble};
use super::options::Options;

/// Submits work to the one thread that writes. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    queue: Sender<Command>,
    /// How many the queue has room for.
    room: usize,
    /// The file.
    path: Arc<Path>,
    meter: Arc<Meter>,
}

impl Writer {
    /// Runs the closure in a savepoint and returns what it returned, once that is committed and
    /// synced.
    ///
    /// Submissions run in the order in which they were queued, each seeing what those before it did.
    /// An `Err` undoes the closure's effects and nobody else's; it too is returned only after the
    /// group's commit, since it may rest on what a neighbour in the group wrote. The closure may run
    /// more than once (see the [module](super)): it must not carry effects outside the database;
    /// those belong into [`Tx::after_commit`]. It runs on the writer's thread and everyone waits for
    /// it, so compute before, not inside.
    ///
    /// The context is looked at until the closure starts: if it ends earlier, the closure never runs
    /// and the context's cause is returned at once. A started closure is not interrupted.
    ///
    /// # Errors
    ///
    /// The closure's own; [`Kind::Internal`] if it panicked; the context's cause; storage errors as
    /// in [`error`](super::error), with [`CommitUnknown`](super::CommitUnknown) inside if it is open
    /// whether the disk holds the effects; [`Kind::Aborted`] if the closure ignored that its
    /// transaction was rolled back; [`Kind::Unavailable`] after
    /// [`Database::close`](super::Database::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the closure has started withdraws it. After that the closure's
    /// effects are committed and its hooks run, and only the answer is lost.
    pub async fn submit<T, F>(&self, ctx: &Context, closure: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit_sized(ctx, 0, closure).await
    }

    /// Like [`submit`](Self::submit), and counts `bytes` towards the group's cap
    /// ([`Options::group_bytes`]), so that a few large rows do not hold up many small ones.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Cancel safety
    ///
    /// As [`submit`](Self::submit).
    pub async fn submit_sized<T, F>(&self, ctx: &Context, bytes: usize, closure: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let place = self.queue.reserve(ctx).await.map_err(refused)?;
        let (submission, claim, mut answered) = Submission::new(ctx.clone(), bytes, closure);
        place.send(Command::Run(Box::new(submission)));

        let withdrawal = Withdrawal(claim);
        let answer = match ctx.run(&mut answered).await {
            Err(ended) if withdrawal.0.withdraw() => return Err(ended.into()),
            // It has started, or is over.
            Err(_) => answered.await,
            Ok(answer) => answer,
        };
        let answer = answer.map_err(|_| closed())?;
        answer.map_err(|error| error::naming(error, "write to", &self.path))
    }

    /// Moves all of the log into the file and empties it: what was there before lies in neither then. Returns whether it
    /// did.
    ///
    /// It has its turn in the queue, behind the commit of the group that it comes with, and waits for no reader: while one
    /// still reads an older state, the log stays, and the caller may ask again. Writers wait meanwhile as for a checkpoint,
    /// once a group, however many ask.
    ///
    /// # Errors
    ///
    /// The context's cause; storage errors as in [`error`](super::error); [`Kind::Unavailable`] after
    /// [`Database::close`](super::Database::close), which empties the log itself.
    ///
    /// # Cancel safety
    ///
    /// Once it has a place in the queue it is done, whether or not somebody waits for it.
    pub async fn empty_log(&self, ctx: &Context) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(ctx, Command::EmptyLog(answer)).await.map_err(refused)?;
        ctx.run(answered).await?.map_err(|_| closed())?
    }

    /// What the writer has done so far, and how much waits for it.
    pub fn stats(&self) -> Stats {
        self.meter.stats(self.room - self.queue.free())
    }

    /// Why writes fail, if the last that reached for the disk did. A submission that changes nothing tells nothing of
    /// the disk, and ends no trouble.
    pub fn trouble(&self) -> Option<Trouble> {
        self.meter.trouble()
    }

    /// Has the thread end once it has run all that was queued before, and refuses what comes after.
    pub(super) async fn close(&self, ctx: &Context) -> Result<()> {
        // A closed queue means that the thread is ending already.
        match self.queue.send(ctx, Command::Close).await {
            Err(SendError::Ended(_, ended)) => Err(ended.into()),
            Err(SendError::Closed(_)) | Ok(()) => Ok(()),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("stats", &self.stats()).finish()
    }
}

/// Takes a submission back, if that is still possible, when its future goes away.
struct Withdrawal(Arc<Claim>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

pub(super) fn closed() -> Error {
    Error::new(Kind::Unavailable, "the database is closed")
}

fn refused<T>(error: SendError<T>) -> Error {
    match error {
        SendError::Closed(_) => closed(),
        SendError::Ended(_, ended) => ended.into(),
    }
}

enum Command {
    Close,
    EmptyLog(Answer),
    Run(Box<dyn Job>),
}

/// Who waits for the log to be emptied.
type Answer = oneshot::Sender<Result<bool>>;

/// The thread's side of the queue.
pub(super) struct Worker {
    path: PathBuf,
    options: Options,
    guard: Guard,
    /// Tokio's own, because it can block its thread.
    queue: mpsc::Receiver<Command>,
    meter: Arc<Meter>,
    /// Taken from the queue, but too large for the group it came to.
    held: Option<Box<dyn Job>>,
    /// Whose turn comes behind the group that was taken.
    emptying: Vec<Answer>,
}

/// A writer and the worker to be run, with its connection, on a thread of its own.
pub(super) fn pair(path: PathBuf, options: Options, guard: Guard) -> Result<(Writer, Worker)> {
    let room = options.queue;
    let (sender, queue) = channel::bounded(room)?;
    let meter = Arc::new(Meter::new());
    let writer =
        Writer { queue: sender, room, path: path.as_path().into(), meter: Arc::clone(&meter) };
    let queue = queue.into_inner();
    Ok((writer, Worker { path, options, guard, queue, meter, held: None, emptying: Vec::new() }))
}

impl Worker {
    /// Runs groups until the queue is closed and empty, or nobody is left to fill it.
    pub(super) fn work(mut self, mut conn: Connection) {
        let mut healthy = true;
        let mut group = Vec::new();
        while self.take(&mut group) {
            if !healthy {
                match self.reopen() {
                    // The old one is closed only now. If it was the last one open, SQLite would read
                    // the log anew and might find in it what a failed commit has left.
                    Ok(reopened) => conn = reopened,
                    Err(cause) => {
                        self.fail(&mut group, &cause);
                        continue;
                    }
                }
            }
            healthy = self.serve(&conn, &mut group);
        }
        truncate_log(&conn);
    }

    /// Runs this group and those that follow. `false` if the connection should be replaced.
    fn serve(&mut self, conn: &Connection, group: &mut Vec<Box<dyn Job>>) -> bool {
        let (guard, meter) = (self.guard.clone(), Arc::clone(&self.meter));
        let mut runner = match Runner::new(conn, &guard, &meter, &self.options) {
            Ok(runner) => runner,
            Err(cause) => {
                self.fail(group, &cause);
                return false;
            }
        };
        loop {
            let healthy = runner.run(group);
            group.clear();
            if !self.emptying.is_empty() {
                let emptied = if healthy { try_empty_log(conn, &self.options) } else { Ok(false) };
                self.emptying.drain(..).for_each(|answer| send(answer, emptied.clone()));
            }
            if !healthy {
                return false;
            }
            if !self.take(group) {
                return true;
            }
        }
    }

    /// Fills the group with what is queued now, waiting only for the first. It is empty if all that came is that the log is to be
    /// emptied, which is done once for all who ask. `false` at the end.
    fn take(&mut self, group: &mut Vec<Box<dyn Job>>) -> bool {
        let mut bytes: usize = 0;
        let mut next = self.held.take().map(Command::Run).or_else(|| self.queue.blocking_recv());
        loop {
            match next {
                Some(Command::Run(job)) => {
                    bytes = bytes.saturating_add(job.bytes());
                    if !group.is_empty() && bytes > self.options.group_bytes {
                        self.held = Some(job);
                        break;
                    }
                    group.push(job);
                }
                Some(Command::EmptyLog(answer)) => self.emptying.push(answer),
                // What was queued before has been taken; what holds a place already still comes.
                Some(Command::Close) => self.queue.close(),
                None if group.is_empty() && self.emptying.is_empty() => return false,
                None => break,
            }
            let taken = group.len() + self.emptying.len();
            if taken == self.options.group_count {
                break;
            }
            next = if taken == 0 { self.queue.blocking_recv() } else { self.queue.try_recv().ok() };
        }
        self.meter.queued(self.queue.len());
        true
    }

    fn reopen(&self) -> Result<Connection> {
        let mut conn = connection::reopen(&self.path, &self.options)?;
        self.guard.install(&mut conn)?;
        tracing::info!(path = %self.path.display(), "database reopened for writing");
        Ok(conn)
    }

    fn fail(&mut self, group: &mut Vec<Box<dyn Job>>, cause: &Error) {
        let path = self.path.display();
        tracing::error!(%path, error = %cause.report(), "no connection to write to");
        for mut job in group.drain(..) {
            job.fail(cause.clone());
            self.meter.answering(job.as_ref());
            job.answer();
        }
        for answer in self.emptying.drain(..) {
            send(answer, Err(cause.clone()));
        }
    }
}

/// Empties the log, so that a copy of the one file is whole.
pub(super) fn truncate_log(conn: &Connection) {
    match empty_log(conn) {
        Ok(true) => {}
        Ok(false) => tracing::warn!("another program reads the database, its log stays"),
        Err(cause) => tracing::warn!(error = %cause.report(), "checkpoint failed, the log stays"),
    }
}

/// The same, without waiting for those who read.
fn try_empty_log(conn: &Connection, options: &Options) -> Result<bool> {
    let wait = |timeout| conn.busy_timeout(timeout).sql("set the busy timeout");
    wait(Duration::ZERO)?;
    let emptied = empty_log(conn);
    wait(options.busy_timeout)?;
    emptied
}

/// Moves the log into the database file and empties it. `false` if it is being read.
fn empty_log(conn: &Connection) -> Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map(|is_busy: bool| !is_busy)
        .sql("empty the log")
}
