//! What SQLite's errors mean to a caller.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use linchpin::{Error, Kind};
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// What a client reads when the disk is the cause.
const TEMPORARY: &str = "storage is temporarily unavailable, try again later";

/// Turns a SQLite error into one with a [`Kind`].
///
/// | SQLite | kind |
/// |---|---|
/// | unique, primary key or rowid constraint | `AlreadyExists` |
/// | no row where one was asked for | `NotFound` |
/// | full, I/O error, cannot open, read-only, lock protocol | `Unavailable`, with a public text that says it passes |
/// | busy, locked | `Aborted` |
/// | interrupted | `Cancelled` |
/// | corrupt, not a database | `DataLoss` |
/// | all else | `Internal` |
///
/// What SQLite itself said is in it as a [`Fault`]. In a closure prefer [`Sql::sql`], which also says what was tried.
pub fn error(cause: rusqlite::Error) -> Error {
    let kind = kind(&cause);
    if !matches!(cause, rusqlite::Error::SqliteFailure(..)) {
        return Error::new(kind, cause);
    }
    let fault = Fault(cause);
    let is_of_the_disk = fault.is_of_the_disk();
    let error = Error::new(kind, fault);
    if is_of_the_disk { error.with_public(TEMPORARY) } else { error }
}

/// A failure of SQLite, said once: its words and its extended code. Found by `error.find::<Fault>()`.
///
/// `rusqlite` says the same again as the error's source, in words of its own.
#[derive(Debug)]
pub struct Fault(rusqlite::Error);

impl Fault {
    /// As `rusqlite` has it.
    pub fn cause(&self) -> &rusqlite::Error {
        &self.0
    }

    /// Whether the disk and not the request is the cause.
    fn is_of_the_disk(&self) -> bool {
        matches!(
            self.0.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::FileLockingProtocolFailed
            )
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            rusqlite::Error::SqliteFailure(code, Some(said)) => {
                write!(f, "{said} (SQLite error {})", code.extended_code)
            }
            other => fmt::Display::fmt(other, f),
        }
    }
}

impl std::error::Error for Fault {}

/// Adds [`sql`](Sql::sql) to SQLite's results.
pub trait Sql<T> {
    /// Maps the error as [`error`] does, under a text that says what was tried: `"load message"`.
    ///
    /// # Errors
    ///
    /// The same, mapped.
    fn sql(self, doing: impl Into<Cow<'static, str>>) -> linchpin::Result<T>;
}

impl<T> Sql<T> for rusqlite::Result<T> {
    fn sql(self, doing: impl Into<Cow<'static, str>>) -> linchpin::Result<T> {
        self.map_err(|cause| error(cause).context(doing))
    }
}

/// A `COMMIT` failed and it is not known whether the disk holds the group.
///
/// While the database stays open the group is absent, and the next one that writes replaces it for
/// good. If the process dies before that, the next start may find the group whole in the log and keep
/// it. So a caller tries again under an idempotency key or a unique id, and what memory and rows must
/// agree on, such as leases, is made to agree at every start, and needs no care in between. Found by
/// `error.find::<CommitUnknown>()`. Why this is so stands in the [module](super).
#[derive(Debug)]
pub struct CommitUnknown {
    cause: Fault,
}

impl fmt::Display for CommitUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outcome of the commit is unknown")
    }
}

impl std::error::Error for CommitUnknown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Why a whole group failed: one cause, a copy of the error for each of its submitters.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    code: Option<ErrorCode>,
}

impl Failure {
    /// The group was rolled back, or never began.
    pub(super) fn undone(cause: rusqlite::Error) -> Self {
        Self { code: cause.sqlite_error_code(), error: error(cause) }
    }

    /// The `COMMIT` failed. A few codes come before the log's last frame is written; after any other
    /// the frames may be there whole.
    pub(super) fn of_commit(cause: rusqlite::Error) -> Self {
        let code = cause.sqlite_error_code();
        let before_the_write = matches!(
            code,
            Some(
                ErrorCode::ConstraintViolation
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
            )
        );
        if before_the_write {
            return Self::undone(cause);
        }
        let unknown = CommitUnknown { cause: Fault(cause) };
        let error = Error::new(Kind::Unavailable, unknown).with_public(TEMPORARY);
        Self { error, code }
    }

    /// One submission broke a constraint that is checked only at `COMMIT`; the others are sound.
    pub(super) fn is_constraint(&self) -> bool {
        self.code == Some(ErrorCode::ConstraintViolation)
    }

    /// The connection itself may be damaged: open another.
    pub(super) fn needs_reopen(&self) -> bool {
        matches!(self.error.kind(), Kind::DataLoss | Kind::Unavailable)
            && self.code != Some(ErrorCode::DiskFull)
    }
}

pub(super) fn is_busy(cause: &rusqlite::Error) -> bool {
    cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// What SQLite said of a disk that is full or fails, if that is the cause.
pub(super) fn of_the_disk(error: &Error) -> Option<&Fault> {
    let unknown = error.find::<CommitUnknown>().is_some();
    error.find::<Fault>().filter(|fault| unknown || fault.is_of_the_disk())
}

/// Says which file, where the disk is the cause: it is a file's, and not the request's.
pub(super) fn naming(error: Error, doing: &str, path: &Path) -> Error {
    if of_the_disk(&error).is_none() {
        return error;
    }
    error.context(format!("{doing} {}", path.display()))
}

fn kind(cause: &rusqlite::Error) -> Kind {
    if matches!(cause, rusqlite::Error::QueryReturnedNoRows) {
        return Kind::NotFound;
    }
    let Some(failure) = cause.sqlite_error() else { return Kind::Internal };
    match failure.code {
        ErrorCode::ConstraintViolation => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID => Kind::AlreadyExists,
            _ => Kind::Internal,
        },
        ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::FileLockingProtocolFailed => Kind::Unavailable,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Kind::Aborted,
        ErrorCode::OperationInterrupted => Kind::Cancelled,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::DataLoss,
        _ => Kind::Internal,
    }
}
