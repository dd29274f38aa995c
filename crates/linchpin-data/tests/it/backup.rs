//! Copies of a database that is in use.

use std::path::Path;

use linchpin::{Context, Kind};
use linchpin_data::migrate::{Migration, Migrations};
use linchpin_data::sqlite::{Options, Progress, backup, restore};
use rusqlite::Connection;

use crate::support::{Fixture, fixture, fixture_with, insert, keys, open};

const OURS: i32 = 0x4c4e_4348;

/// A database of some MiB, so that a copy takes several steps, with the key 1.
async fn large(options: Options) -> Fixture {
    let f = fixture_with(options);
    let fill = "INSERT INTO entry (key, part, filler) VALUES (1, 0, zeroblob(3000000))";
    f.submit(move |tx| Ok(tx.execute(fill, []).unwrap())).await.unwrap();
    f
}

/// The names in the folder that begin with this one.
fn beside(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|found| found.starts_with(name));
    names.sort();
    names
}

#[linchpin_testing::test]
async fn a_backup_under_load_is_whole_and_holds_all_acknowledged_before_it() {
    let f = large(Options::default()).await;
    let to = f.path.with_file_name("copy.db");
    let other = Connection::open(&f.path).unwrap();
    let mut seen = Vec::new();
    backup(&f.ctx, &f.path, &to, |progress| {
        seen.push(progress);
        insert(&other, 1 + seen.len() as i64).unwrap();
    })
    .unwrap();
    // A copy that a commit makes begin anew would take more steps than it has pages.
    let pages = seen[0].pages;
    assert_eq!(seen.len() as u64, pages.div_ceil(256), "{seen:?}");
    assert!(seen.len() > 2 && seen.iter().all(|step| step.pages == pages), "{seen:?}");
    assert_eq!(seen.last().unwrap().done, pages);
    assert_eq!(keys(&to), [(1, 1)]);
    assert_eq!(f.keys().len(), 1 + seen.len());
    assert_eq!(beside(&to), ["copy.db"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[linchpin_testing::test]
async fn a_cancelled_backup_leaves_nothing() {
    let f = large(Options::default()).await;
    let to = f.path.with_file_name("copy.db");
    // While it is copied, and while the copy is checked.
    for part in [0, 1] {
        let ctx = f.ctx.child();
        let stop = |progress: Progress| {
            if progress.done >= part * progress.pages {
                ctx.cancel("enough");
            }
        };
        let stopped = backup(&ctx, &f.path, &to, stop).unwrap_err();
        assert_eq!(stopped.kind(), Kind::Cancelled);
        assert!(beside(&to).is_empty(), "{:?}", beside(&to));
    }
    backup(&f.ctx, &f.path, &to, |_| {}).unwrap();
}

#[linchpin_testing::test]
fn a_backup_replaces_no_file() {
    let f = fixture();
    for name in ["copy.db", "copy.db.part"] {
        let there = f.path.with_file_name(name);
        std::fs::write(&there, "mine").unwrap();
        let refused =
            backup(&f.ctx, &f.path, &f.path.with_file_name("copy.db"), |_| {}).unwrap_err();
        assert_eq!(refused.kind(), Kind::AlreadyExists);
        assert_eq!(std::fs::read(&there).unwrap(), b"mine");
        std::fs::remove_file(there).unwrap();
    }
}

#[linchpin_testing::test]
async fn what_a_killed_copy_has_left_is_taken_over_and_what_is_under_way_is_not() {
    let f = fixture();
    let (to, part) = (f.path.with_file_name("copy.db"), f.path.with_file_name("copy.db.part"));
    f.submit(|tx| insert(tx, 1)).await.unwrap();
    // Larger than the copy. The first page is the last that a copy writes.
    let halves = [vec![0; 1 << 20], [b"SQLite format 3\0".to_vec(), vec![1; 1 << 20]].concat()];
    for left in halves {
        std::fs::write(&part, left).unwrap();
        std::fs::write(f.path.with_file_name("copy.db.part-journal"), "of then").unwrap();
        let owner = std::fs::File::open(&part).unwrap();
        owner.lock().unwrap();
        let refused = backup(&f.ctx, &f.path, &to, |_| {}).unwrap_err();
        assert_eq!(refused.kind(), Kind::AlreadyExists);
        assert!(refused.to_string().contains("under way"), "{refused}");
        assert_eq!(beside(&part), ["copy.db.part", "copy.db.part-journal"]);
        drop(owner);

        let mut nested = None;
        backup(&f.ctx, &f.path, &to, |_| {
            nested = Some(backup(&f.ctx, &f.path, &to, |_| {}).unwrap_err().kind());
        })
        .unwrap();
        assert_eq!(nested, Some(Kind::AlreadyExists), "one that is under way is left alone");
        assert_eq!(beside(&to), ["copy.db"]);
        assert_eq!(keys(&to), [(1, 1)]);
        std::fs::remove_file(&to).unwrap();
    }
}

#[linchpin_testing::test]
async fn a_restored_database_opens_with_what_it_had() {
    let f = large(Options::default().application_id(OURS)).await;
    let (copy, new) = (f.path.with_file_name("copy.db"), f.path.with_file_name("new.db"));
    backup(&f.ctx, &f.path, &copy, |_| {}).unwrap();
    let before = std::fs::read(&copy).unwrap();
    restore(&f.ctx, &copy, &new, &Options::default().application_id(OURS), |_| {}).unwrap();
    assert_eq!(beside(&new), ["new.db", "new.db-lock"]);
    assert!(before == std::fs::read(&copy).unwrap(), "the backup is as it was");
    let database = open(&new, Options::default().application_id(OURS));
    database.writer().submit(&f.ctx, |tx| insert(tx, 2)).await.unwrap();
    database.close(&f.ctx).await.unwrap();
    assert_eq!(keys(&new), [(1, 1), (2, 1)]);
}

/// Root restores in folders of others.
#[cfg(unix)]
#[linchpin_testing::test]
async fn a_link_in_the_place_of_a_copy_is_not_written_through() {
    const NEXT: &[Migration] =
        &[Migration { version: 1, name: "next", sql: "CREATE TABLE next (n) STRICT;" }];
    let f = large(Options::default()).await;
    let folder = f.path.parent().unwrap();
    let other = folder.join("other.db");
    backup(&f.ctx, &f.path, &other, |_| {}).unwrap();
    let before = std::fs::read(&other).unwrap();
    // The folder may be behind a link, but not the file.
    std::os::unix::fs::symlink(folder, folder.join("way")).unwrap();
    let to = folder.join("way/restored.db");
    let part = folder.join("restored.db.part");
    let options = Options::default().migrations(Migrations::new(NEXT).unwrap());
    let swap = |_| {
        std::fs::remove_file(&part).unwrap_or_default();
        std::os::unix::fs::symlink(&other, &part).unwrap_or_default();
    };
    let refused = restore(&f.ctx, &other, &to, &options, swap).unwrap_err();
    let told = refused.report().to_string();
    assert!(told.contains("restored.db.part"), "{told}");
    assert!(std::fs::read(&other).unwrap() == before, "written through the link");
}

/// Only root can give a file to another user: elsewhere there is nothing to see.
#[cfg(unix)]
#[linchpin_testing::test]
fn what_root_restores_belongs_to_whom_the_folder_belongs() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let f = fixture();
    let (copy, folder) = (f.path.with_file_name("copy.db"), f.path.with_file_name("of another"));
    backup(&f.ctx, &f.path, &copy, |_| {}).unwrap();
    std::fs::create_dir(&folder).unwrap();
    if chown(&folder, Some(65_532), Some(65_533)).is_err() {
        return;
    }
    restore(&f.ctx, &copy, &folder.join("new.db"), &Options::default(), |_| {}).unwrap();
    for name in ["new.db", "new.db-lock"] {
        let file = folder.join(name).metadata().unwrap();
        assert_eq!((file.uid(), file.gid()), (65_532, 65_533), "{name}");
    }
    backup(&f.ctx, &f.path, &folder.join("copy.db"), |_| {}).unwrap();
    let kept = folder.join("copy.db").metadata().unwrap();
    assert_eq!(kept.uid(), f.path.metadata().unwrap().uid(), "a backup is of who makes it");
}

#[linchpin_testing::test]
async fn a_restore_refuses_what_is_not_its_own_and_leaves_nothing() {
    const OTHER: &[Migration] = &[];
    let f = fixture_with(Options::default().application_id(OURS));
    let (copy, new) = (f.path.with_file_name("copy.db"), f.path.with_file_name("new.db"));
    backup(&f.ctx, &f.path, &copy, |_| {}).unwrap();
    let text = f.path.with_file_name("text");
    std::fs::write(&text, "not a database, whatever its length may be").unwrap();
    let ours = || Options::default().application_id(OURS);
    let older = ours().migrations(Migrations::new(OTHER).unwrap());
    let refused = |from: &Path, to: &Path, options: &Options| {
        restore(&Context::root(), from, to, options, |_| {}).unwrap_err().kind()
    };
    for (from, options, kind) in [
        (&copy, Options::default().application_id(7), Kind::FailedPrecondition),
        (&copy, older, Kind::FailedPrecondition),
        (&text, ours(), Kind::DataLoss),
    ] {
        assert_eq!(refused(from, &new, &options), kind, "{}", from.display());
        assert_eq!(beside(&new), ["new.db-lock"]);
    }
    assert_eq!(refused(&copy, &f.path, &ours()), Kind::FailedPrecondition, "it is open");
    f.database.close(&f.ctx).await.unwrap();
    assert_eq!(refused(&copy, &f.path, &ours()), Kind::AlreadyExists);
    std::fs::write(f.path.with_file_name("new.db-wal"), "of another").unwrap();
    assert_eq!(refused(&copy, &new, &ours()), Kind::AlreadyExists);
}
