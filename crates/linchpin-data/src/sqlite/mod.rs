//! SQLite behind one writer thread that groups its commits, and a few reader threads.
//!
//! SQLite takes one writer at a time and pays one `fsync` a commit. So a single owned thread writes:
//! each [`Writer::submit`] runs in a savepoint of its own, and all that queued up while the last
//! commit ran share the next `COMMIT`. No answer, a refusal or a duplicate included, leaves before
//! that commit has been synced (`synchronous=FULL`): what a caller was told is on the disk. There is
//! no lingering: a lone submission commits at once.
//!
//! Reads go to [`Reader::query`], on connections that cannot write and that the caller's context
//! interrupts. In WAL mode neither side waits for the other.
//!
//! ```text
//! submit ──▶ queue ──▶ writer thread:  BEGIN IMMEDIATE
//!                                        SAVEPOINT, closure, RELEASE   (Err or panic: ROLLBACK TO)
//!                                        SAVEPOINT, closure, RELEASE
//!                                      COMMIT ──▶ hooks, then answers, in order
//! query  ──▶ queue ──▶ reader threads: closure ──▶ answer
//! ```
//!
//! A statement that is kept is planned once, whatever is bound to it later: a partial index is used where the statement itself
//! says what the index asks for.
//!
//! SQLite calls `fsync` on Linux unless it is built to call `fdatasync`, which is as durable and up to twice as fast. This
//! workspace does so; a program elsewhere needs the same line in its `.cargo/config.toml`:
//!
//! ```toml
//! [env]
//! LIBSQLITE3_FLAGS = "-DHAVE_FDATASYNC=1 -DSQLITE_DEFAULT_MEMSTATUS=0"
//! ```
//!
//! # When a transaction dies
//!
//! Some failures end the whole transaction: a full disk, `ON CONFLICT ROLLBACK`. Nothing of the group
//! is kept then. The writer runs the submissions before the culprit again, then the culprit alone,
//! then the rest, in order, which is why closures are `FnMut`: a closure may run up to a few times,
//! and only the effects of the run that was committed exist. A closure cannot end the transaction
//! itself: its `COMMIT` or `ROLLBACK` is refused, and a commit while a closure runs is vetoed.
//!
//! # When the disk fails
//!
//! Errors of a full or failing disk are [`Kind::Unavailable`](linchpin::Kind::Unavailable): the
//! caller may try again. The writer replaces its connection when needed and goes on as soon as the
//! disk does. Until then [`Writer::trouble`] says since when and why, and the gauge `linchpin_sqlite_writes_failing` is 1.
//!
//! If a `COMMIT` itself fails in a way that leaves open whether a later start will find the group, the
//! error has a [`CommitUnknown`] inside. SQLite has then written the whole group to the log and could
//! not sync it. But it goes by the log's index, which is in shared memory and takes a group up only
//! after its sync: to the writer and to every reader the group is absent, and the next one that writes
//! is written over it. Only the first to open the file builds the index anew from the log, and keeps
//! what is whole in it. So the writer opens another connection before it closes the one that failed.
//! What was told as failed does not come back while the database is open, hooks that were dropped are
//! not missed, and only a start can find more than was acknowledged.

mod backup;
mod connection;
mod database;
mod error;
mod group;
mod job;
mod lock;
mod meter;
mod options;
mod reader;
pub mod record;
mod writer;

pub use backup::{Progress, backup, restore};
pub use database::Database;
pub use error::{CommitUnknown, Fault, Sql, error};
pub use job::Tx;
pub use meter::{Stats, Trouble};
pub use options::Options;
pub use reader::Reader;
pub use writer::Writer;
