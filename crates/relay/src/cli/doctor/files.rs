//! The folder of the database, its file, and what lies beside it.

use std::fs::{self, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::report::Report;

/// A log is some MiB; one of so many bytes is held up by somebody.
const LONG_LOG: u64 = 256 << 20;
/// So many bytes left are few ...
const LITTLE: u64 = 512 << 20;
/// ... and so many none.
const NONE: u64 = 64 << 20;

/// Whether there is a file to look into.
pub(super) fn check(report: &mut Report, database: &Path) -> bool {
    let folder = match database.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let Some(found) = look(report, "folder", folder) else { return false };
    rights_of_folder(report, folder, &found);
    space(report, folder);
    left_over(report, database);
    let Some(file) = look(report, "file", database) else { return false };
    rights_of_file(report, database, &file, &found);
    log(report, database);
    true
}

/// What is known of a path. One that is not there yet is well: the first start makes it.
fn look(report: &mut Report, check: &'static str, path: &Path) -> Option<Metadata> {
    match path.metadata() {
        Ok(found) => return Some(found),
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            report.ok(check, format!("{} is not there; the first start makes it", path.display()));
        }
        Err(fault) => report.fail(
            check,
            format!("{}: {fault}", path.display()),
            "run this as the user that Relay runs as, and let that user reach it",
        ),
    }
    None
}

fn mode(of: &Metadata) -> u32 {
    of.permissions().mode()
}

fn rights_of_folder(report: &mut Report, folder: &Path, found: &Metadata) {
    const ALL_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    if mode(found) & ALL_WRITE != 0 && mode(found) & STICKY == 0 {
        report.fail(
            "folder",
            format!("everybody on this machine can put another database into {}", folder.display()),
            format!("chmod o-w {}", folder.display()),
        );
    } else {
        report.ok("folder", folder.display());
    }
}

fn rights_of_file(report: &mut Report, database: &Path, file: &Metadata, folder: &Metadata) {
    const ROOT: u32 = 0;
    let name = database.display();
    let lock = beside(database, "-lock");
    let of_root = |of: &Metadata| of.uid() == ROOT;
    // Nobody but root is stopped by that, and whoever runs this as root does not see it otherwise.
    if !of_root(folder) && (of_root(file) || lock.metadata().is_ok_and(|lock| of_root(&lock))) {
        let found = format!("root owns {name} or its lock, and another user the folder");
        let (user, group) = (folder.uid(), folder.gid());
        let advice = format!("if Relay runs as that user: chown {user}:{group} {name}*");
        report.warn("file", found, advice);
        return;
    }
    if let Err(fault) = OpenOptions::new().read(true).write(true).open(database) {
        let advice = "run this as the user that Relay runs as, and let that user read and write it";
        report.fail("file", format!("{name}: {fault}"), advice);
    } else if mode(file) & 0o002 != 0 && mode(folder) & 0o001 != 0 {
        let found = format!("everybody on this machine can change {name}");
        report.fail("file", found, format!("chmod 600 {name}"));
    } else if mode(file) & 0o004 != 0 && mode(folder) & 0o001 != 0 {
        let found =
            format!("everybody on this machine can read {name}; payloads are in clear in it");
        report.warn("file", found, format!("chmod 600 {name}"));
    } else {
        report.ok("file", format!("{name}, {} MiB", file.len() >> 20));
    }
}

/// The path with something behind its name.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn left_over(report: &mut Report, database: &Path) {
    let part = beside(database, ".part");
    if part.exists() {
        let found =
            format!("{} is there: a restore is under way, or one was cut off", part.display());
        report.warn("restore", found, "if none is under way, remove it");
    }
}

fn log(report: &mut Report, database: &Path) {
    let log = beside(database, "-wal");
    let bytes = fs::metadata(&log).map_or(0, |log| log.len());
    let found = format!("{} has {} MiB", log.display(), bytes >> 20);
    if bytes > LONG_LOG {
        let advice = "end what reads for long, such as a backup or `sqlite3`; a start and an end of Relay empty it";
        report.warn("log", found, advice);
    } else {
        report.ok("log", found);
    }
}

fn space(report: &mut Report, folder: &Path) {
    match rustix::fs::statvfs(folder) {
        Ok(disk) => judge(report, disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(fault) => report.warn("disk", fault, "look yourself how much is left: `df`"),
    }
}

fn judge(report: &mut Report, free: u64) {
    let found = format!("{} MiB are free", free >> 20);
    let advice =
        "make room, or lower `message-retention`: without room nothing is accepted or recorded";
    match free {
        ..NONE => report.fail("disk", found, advice),
        NONE..LITTLE => report.warn("disk", found, advice),
        _ => report.ok("disk", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn a_disk_is_told_of_before_it_is_full() {
        for (free, wanted) in [
            (0, "FAIL  disk  0 MiB"),
            (NONE - 1, "FAIL  disk  63 MiB"),
            (NONE, "warn  disk  64 MiB"),
            (LITTLE - 1, "warn  disk  511 MiB"),
            (LITTLE, "ok    disk  512 MiB"),
        ] {
            let mut report = Report::default();
            judge(&mut report, free);
            assert!(report.table().starts_with(wanted), "{free}: {}", report.table());
        }
    }
}
