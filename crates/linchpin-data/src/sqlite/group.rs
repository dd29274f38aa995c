//! A group of submissions: one transaction, and what to do when it dies.

use std::thread;
use std::time::Duration;

use linchpin::Result;
use linchpin::time::Instant;
use rusqlite::{Connection, Statement};

use super::connection::{Guard, SAVEPOINT};
use super::error::{Failure, Sql, is_busy};
use super::job::Job;
use super::meter::Meter;
use super::options::Options;

/// Deaths of one transaction after which its submissions run one by one.
const REPLAYS: usize = 3;

/// Runs groups on one connection, with the statements around them prepared once.
pub(super) struct Runner<'a> {
    conn: &'a Connection,
    guard: &'a Guard,
    meter: &'a Meter,
    busy_timeout: Duration,
    begin: Statement<'a>,
    savepoint: Statement<'a>,
    release: Statement<'a>,
    undo: Statement<'a>,
    commit: Statement<'a>,
    #[cfg(feature = "planted-faults")]
    acknowledge_before_commit: bool,
    #[cfg(feature = "planted-faults")]
    forget_commits: bool,
    #[cfg(feature = "planted-faults")]
    swallow_syncs: bool,
}

/// How one transaction ended.
enum Attempt {
    Committed {
        took: Duration,
        /// Whether there was anything to be committed.
        wrote: bool,
    },
    /// The transaction is gone, and with it all effects; the submission at this index was running.
    Died { at: usize, cause: Option<Failure> },
    /// `BEGIN` or `COMMIT` failed; nothing is kept, or it is unknown.
    Failed(Failure),
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        guard: &'a Guard,
        meter: &'a Meter,
        options: &Options,
    ) -> Result<Self> {
        let prepare = |sql: &str| conn.prepare(sql).sql("prepare transaction control");
        Ok(Self {
            conn,
            guard,
            meter,
            busy_timeout: options.busy_timeout,
            begin: prepare("BEGIN IMMEDIATE")?,
            savepoint: prepare(&format!("SAVEPOINT {SAVEPOINT}"))?,
            release: prepare(&format!("RELEASE {SAVEPOINT}"))?,
            undo: prepare(&format!("ROLLBACK TO {SAVEPOINT}"))?,
            commit: prepare("COMMIT")?,
            #[cfg(feature = "planted-faults")]
            acknowledge_before_commit: options.acknowledge_before_commit,
            #[cfg(feature = "planted-faults")]
            forget_commits: options.forget_commits,
            #[cfg(feature = "planted-faults")]
            swallow_syncs: options.swallow_syncs,
        })
    }

    /// Runs the group and answers all of it. Returns `false` if the connection should be replaced.
    ///
    /// When the transaction dies under one submission, those before it are run again, then it alone,
    /// then the rest: the order of the queue holds, and a culprit spoils nobody's result.
    pub(super) fn run(&mut self, group: &mut [Box<dyn Job>]) -> bool {
        let mut healthy = true;
        let mut done = 0;
        let mut limit = usize::MAX;
        let mut deaths = 0;
        // Submissions that must each have a transaction of their own.
        let mut singles = 0;
        while done < group.len() {
            let limit_now = if singles > 0 { 1 } else { limit };
            let end = done.saturating_add(limit_now).min(group.len());
            let batch = &mut group[done..end];
            match self.attempt(batch) {
                Attempt::Committed { took, wrote } => {
                    self.meter.committed(batch.len(), took);
                    if wrote {
                        self.meter.wrote();
                    }
                }
                Attempt::Died { at, .. } if batch.len() > 1 => {
                    deaths += 1;
                    limit = if deaths < REPLAYS { at.max(1) } else { 1 };
                    singles = if deaths < REPLAYS { singles } else { batch.len() };
                    continue;
                }
                Attempt::Died { cause, .. } => match cause {
                    Some(failure) => {
                        healthy &= !failure.needs_reopen();
                        batch[0].fail(failure.error);
                    }
                    None => batch[0].destroyed(),
                },
                Attempt::Failed(failure) if failure.is_constraint() && batch.len() > 1 => {
                    singles = batch.len();
                    continue;
                }
                Attempt::Failed(failure) => {
                    tracing::error!(
                        path = self.conn.path(),
                        error = %failure.error.report(),
                        submissions = batch.len(),
                        "a group of writes failed",
                    );
                    healthy &= !failure.needs_reopen();
                    for job in &mut *batch {
                        job.fail(failure.error.clone());
                    }
                }
            }
            for job in &mut *batch {
                self.meter.answering(job.as_ref());
                job.answer();
            }
            done = end;
            limit = usize::MAX;
            deaths = 0;
            singles = singles.saturating_sub(1);
        }
        // A rollback that failed leaves a transaction open in which nothing new can begin.
        healthy && self.conn.is_autocommit()
    }

    fn attempt(&mut self, batch: &mut [Box<dyn Job>]) -> Attempt {
        if let Err(cause) = self.begin.execute([]) {
            return Attempt::Failed(Failure::undone(cause));
        }
        let mut wrote = false;
        for (at, job) in batch.iter_mut().enumerate() {
            if !job.start() {
                continue;
            }
            match self.step(job.as_mut()) {
                Ok(changed) => wrote |= changed,
                Err(cause) => {
                    self.roll_back();
                    return Attempt::Died { at, cause: cause.map(Failure::undone) };
                }
            }
        }
        #[cfg(feature = "planted-faults")]
        if self.acknowledge_before_commit {
            for job in &mut *batch {
                job.answer();
            }
            // As a disk would that is slow: a kill is to fall between an answer and its commit, and not only by chance.
            std::thread::sleep(Duration::from_millis(5));
        }
        match self.commit() {
            // One submission alone may be of a start; what changes nothing only reads what is there already.
            #[cfg(feature = "planted-faults")]
            Ok(_) if self.forget_commits && wrote && batch.len() > 1 => {
                let cause = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
                Attempt::Failed(Failure::of_commit(rusqlite::Error::SqliteFailure(cause, None)))
            }
            Ok(took) => Attempt::Committed { took, wrote },
            #[cfg(feature = "planted-faults")]
            Err(cause) if self.swallow_syncs && is_sync(&cause) => {
                self.roll_back();
                Attempt::Committed { took: Duration::ZERO, wrote }
            }
            Err(cause) => {
                self.roll_back();
                Attempt::Failed(Failure::of_commit(cause))
            }
        }
    }

    /// One submission in its savepoint; whether it changed rows. `Err` if the transaction is not whole any more: with a cause
    /// if the savepoint failed, without one if the submission ended it.
    fn step(&mut self, job: &mut dyn Job) -> std::result::Result<bool, Option<rusqlite::Error>> {
        self.savepoint.execute([]).map_err(Some)?;
        let conn = self.conn;
        let before = conn.total_changes();
        let keep = self.guard.over(|| job.run(conn));
        // Before anything else: in autocommit mode a statement would be kept on its own.
        if conn.is_autocommit() {
            return Err(None);
        }
        if !keep {
            self.undo.execute([]).map_err(Some)?;
        }
        self.release.execute([]).map_err(Some)?;
        Ok(keep && conn.total_changes() != before)
    }

    /// `COMMIT`. A busy one leaves the transaction open and is repeated, at growing distances, until
    /// the busy timeout is used up. Returns how long it took.
    fn commit(&mut self) -> rusqlite::Result<Duration> {
        let started = Instant::now();
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(1);
        loop {
            match self.commit.execute([]) {
                Ok(_) => return Ok(started.elapsed()),
                Err(cause)
                    if is_busy(&cause)
                        && !self.conn.is_autocommit()
                        && waited < self.busy_timeout =>
                {
                    thread::sleep(pause);
                    waited += pause;
                    pause *= 2;
                }
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Ends what is left of a transaction, if anything is.
    fn roll_back(&self) {
        if !self.conn.is_autocommit()
            && let Err(cause) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %cause, "rollback failed");
        }
    }
}

#[cfg(feature = "planted-faults")]
fn is_sync(cause: &rusqlite::Error) -> bool {
    cause
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_FSYNC)
}
