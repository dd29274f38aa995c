//! One process, one database: a lock file beside it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
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
    file: File,
}

impl Lock {
    pub(super) fn acquire(database: &Path) -> Result<Self> {
        let path = beside(database, "-lock");
        let failed = || format!("lock file {}", path.display());
        let (mut file, _) = open_or_make(&path, OpenOptions::new().read(true).write(true))
            .kind(Kind::Unavailable)
            .context(failed())?;
        // It is written to, and root may do so in a folder that is somebody else's.
        if !is_at(&file, &path).kind(Kind::Unavailable).context(failed())? {
            let why = format!("{} is a link, and what it leads to is no lock file", path.display());
            return Err(Error::new(Kind::FailedPrecondition, why));
        }
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
        Ok(Self { file })
    }

    /// Gives the lock file to whom its folder belongs, as [`hand_over`] does.
    pub(super) fn hand_over(&self, database: &Path) -> io::Result<()> {
        hand_over(&self.file, &beside(database, "-lock"))
    }
}

/// Opens a file, or makes it if nothing is there, not even a link that leads nowhere. Whether it was made.
///
/// A link to what is there is followed: [`is_at`] tells.
pub(super) fn open_or_make(path: &Path, options: &mut OpenOptions) -> io::Result<(File, bool)> {
    match options.create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            Ok((options.create_new(false).open(path)?, false))
        }
        Err(cause) => Err(cause),
    }
}

/// Whether the path leads to the file, and by no link.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        let found = match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        let file = file.metadata()?;
        Ok((file.dev(), file.ino()) == (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    Ok(true)
}

/// Gives a file that root has made to whom its folder belongs, as SQLite does with what it puts beside a database: root
/// may restore for a service that runs as another user.
pub(super) fn hand_over(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        const ROOT: u32 = 0;
        let (own, folder) = (file.metadata()?, fs::metadata(folder_of(path))?);
        if own.uid() == ROOT && folder.uid() != ROOT && own.nlink() == 1 && is_at(file, path)? {
            return std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()));
        }
    }
    Ok(())
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The path with something after its file name, as SQLite itself names its companions.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
