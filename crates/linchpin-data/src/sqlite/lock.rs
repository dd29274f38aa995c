//! One process, one database: a lock file beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use linchpin::error::ResultExt;
use linchpin::{Error, Kind, Result};

/// Held for as long as any thread of the database lives.
///
/// SQLite itself would let two processes take turns; two grouped writers would then starve each other
/// and each would believe itself the only one. The file stays when the lock goes: removing it would
/// let a third process lock another file of the same name.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(database: &Path) -> Result<Self> {
        let path = beside(database, "-lock");
        let failed = || format!("lock file {}", path.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .kind(Kind::Unavailable)
            .context(failed())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // A holder that was just born may not have written its id yet.
                let holder = match file.read_to_string(&mut holder) {
                    Ok(1..) => format!("process {}", holder.trim()),
                    _ => "another process".to_owned(),
                };
                let why = format!(
                    "database {} is in use by {holder}, which holds {}",
                    database.display(),
                    path.display(),
                );
                return Err(Error::new(Kind::FailedPrecondition, why));
            }
            Err(TryLockError::Error(cause)) => {
                return Err(Error::new(Kind::Unavailable, cause).context(failed()));
            }
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .kind(Kind::Unavailable)
            .context(failed())?;
        Ok(Self { _file: file })
    }
}

/// The path with something after its file name, as SQLite itself names its companions.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
