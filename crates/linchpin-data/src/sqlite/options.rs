//! Settings of a database, checked when it is opened.

use std::time::Duration;

use linchpin::{Error, Kind, Result};

use crate::migrate::Migrations;

/// Settings of a [`Database`](super::Database). The defaults suit a service with one busy table.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "planted-faults",
    expect(clippy::struct_excessive_bools, reason = "all but one are planted faults")
)]
pub struct Options {
    pub(super) readers: usize,
    pub(super) queue: usize,
    pub(super) reader_queue: usize,
    pub(super) group_count: usize,
    pub(super) group_bytes: usize,
    pub(super) busy_timeout: Duration,
    pub(super) cache_bytes: usize,
    pub(super) wal_autocheckpoint: u32,
    pub(super) overwrite_deleted: bool,
    pub(super) application_id: Option<i32>,
    pub(super) migrations: Option<Migrations>,
    #[cfg(feature = "planted-faults")]
    pub(super) acknowledge_before_commit: bool,
    #[cfg(feature = "planted-faults")]
    pub(super) forget_commits: bool,
    #[cfg(feature = "planted-faults")]
    pub(super) swallow_syncs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 2,
            queue: 4096,
            reader_queue: 1024,
            group_count: 512,
            group_bytes: 8 << 20,
            busy_timeout: Duration::from_secs(5),
            cache_bytes: 16 << 20,
            wal_autocheckpoint: 1000,
            overwrite_deleted: false,
            application_id: None,
            migrations: None,
            #[cfg(feature = "planted-faults")]
            acknowledge_before_commit: false,
            #[cfg(feature = "planted-faults")]
            forget_commits: false,
            #[cfg(feature = "planted-faults")]
            swallow_syncs: false,
        }
    }
}

impl Options {
    /// Reader threads, each with a connection. Default 2.
    #[must_use]
    pub fn readers(mut self, threads: usize) -> Self {
        self.readers = threads;
        self
    }

    /// Submissions that may wait for the writer; more wait at the door, under their context. Default
    /// 4096.
    #[must_use]
    pub fn queue(mut self, submissions: usize) -> Self {
        self.queue = submissions;
        self
    }

    /// Queries that may wait for a reader; more wait at the door, under their context. Default 1024.
    #[must_use]
    pub fn reader_queue(mut self, queries: usize) -> Self {
        self.reader_queue = queries;
        self
    }

    /// Submissions that share one commit at most. Default 512. More saves syncs under load; each
    /// answer then waits for more neighbours.
    #[must_use]
    pub fn group_count(mut self, submissions: usize) -> Self {
        self.group_count = submissions;
        self
    }

    /// Bytes that share one commit at most, as declared to
    /// [`submit_sized`](super::Writer::submit_sized). Default 8 MiB. A single submission above it
    /// commits alone.
    #[must_use]
    pub fn group_bytes(mut self, bytes: usize) -> Self {
        self.group_bytes = bytes;
        self
    }

    /// How long to wait for a lock held by another program, such as a backup. Default 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The page cache of each connection. Default 16 MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Pages in the log after which a commit also moves them into the database file; 0 never does.
    /// Default 1000, about 4 MiB.
    #[must_use]
    pub fn wal_autocheckpoint(mut self, pages: u32) -> Self {
        self.wal_autocheckpoint = pages;
        self
    }

    /// Overwrites what is deleted or moved with zeros where its page is written anyway, which costs next to nothing:
    /// `secure_delete = FAST` on the writer's connection. Default off. Pages that become free keep what they had; a
    /// submission that wants those overwritten, too, sets the pragma to `ON` and back. What a process that was killed has left
    /// in the log is moved into the file at the open.
    #[must_use]
    pub fn overwrite_deleted(mut self, overwrite: bool) -> Self {
        self.overwrite_deleted = overwrite;
        self
    }

    /// Marks the file as this application's; a file with another mark is refused. Default: no mark,
    /// no check. Not 0, which is SQLite's "none".
    #[must_use]
    pub fn application_id(mut self, id: i32) -> Self {
        self.application_id = Some(id);
        self
    }

    /// Schema changes to apply before anything else runs. Default none.
    #[must_use]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations = Some(migrations);
        self
    }

    /// Answers before the commit: a planted fault, for drills that must notice it. Default off.
    #[cfg(feature = "planted-faults")]
    #[must_use]
    pub fn acknowledge_before_commit(mut self, planted: bool) -> Self {
        self.acknowledge_before_commit = planted;
        self
    }

    /// Takes every fifth commit that succeeds for one of unknown outcome, and drops its hooks: a
    /// planted fault, for drills that must notice it. Default off.
    #[cfg(feature = "planted-faults")]
    #[must_use]
    pub fn forget_commits(mut self, planted: bool) -> Self {
        self.forget_commits = planted;
        self
    }

    /// Takes a commit whose sync failed for one that succeeded: a planted fault, for drills that must
    /// notice it. Default off.
    #[cfg(feature = "planted-faults")]
    #[must_use]
    pub fn swallow_syncs(mut self, planted: bool) -> Self {
        self.swallow_syncs = planted;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let positive = [
            (self.readers, "at least one reader, or no query would ever run"),
            (self.queue, "a queue of at least one submission"),
            (self.reader_queue, "a reader queue of at least one query"),
            (self.group_count, "groups of at least one submission"),
            (self.group_bytes, "groups of at least one byte"),
            (self.cache_bytes / 1024, "a page cache of at least 1 KiB"),
        ];
        let timeout_fits = i32::try_from(self.busy_timeout.as_millis()).is_ok();
        let wrong = match positive.iter().find(|(value, _)| *value == 0) {
            Some((_, needed)) => needed,
            None if self.queue > tokio::sync::Semaphore::MAX_PERMITS => {
                "a queue that fits in memory"
            }
            None if !timeout_fits => "a busy timeout below 25 days",
            None if i32::try_from(self.wal_autocheckpoint).is_err() => {
                "fewer pages between checkpoints"
            }
            None if self.application_id == Some(0) => "an application id other than 0",
            None => return Ok(()),
        };
        Err(Error::new(Kind::InvalidArgument, format!("database options: need {wrong}")))
    }
}
