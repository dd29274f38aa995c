//! A `COMMIT` whose sync fails: the group is whole in the log, and nobody knows what the disk holds.
//!
//! strace makes the sync fail, for a whole process, so each test runs itself once more under it. It
//! counts the syncs of each thread: those of the writer are one a commit, and all other threads make
//! fewer than [`HEALTHY`].
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::{Context, Kind, Result, task};
use linchpin_data::sqlite::{CommitUnknown, Options, Sql, Tx, Writer};

use crate::support::{Fixture, fixture, insert, keys, open};

/// How the run under strace knows itself; some tests pass on a folder in it.
const INNER: &str = "LINCHPIN_DATA_FAILING_SYNC";
/// Syncs of a thread that succeed before one fails.
const HEALTHY: usize = 40;

#[linchpin_testing::test]
fn after_a_failed_sync_the_writer_opens_another_connection_and_goes_on() {
    let name = "after_a_failed_sync_the_writer_opens_another_connection_and_goes_on";
    if std::env::var_os(INNER).is_none() {
        return passes(&under_strace(name, 1, Path::new("-")));
    }
    block_on(async {
        let f = fixture();
        let mark = |tx: &mut Tx<'_>| tx.execute_batch("CREATE TEMP TABLE mark (x)").sql("mark");
        let marks = |tx: &mut Tx<'_>| {
            tx.query_row("SELECT count(*) FROM mark", [], |row| row.get::<_, i64>(0)).sql("look")
        };
        f.submit(mark).await.unwrap();
        f.submit(marks).await.expect("the connection that was marked");

        let told = Arc::new(AtomicUsize::new(0));
        let (unknown, mut stored) = until_unknown(f.database.writer(), &told).await;
        assert_eq!(told.load(Ordering::Relaxed), stored.len(), "the hook ran without a commit");
        assert_eq!(f.keys(), stored, "a new connection sees what failed");
        let seen = f.database.reader().query(&f.ctx, move |conn| {
            let count = "SELECT count(*) FROM entry WHERE key = ?1";
            conn.query_row(count, [unknown], |row| row.get::<_, i64>(0)).sql("look")
        });
        assert_eq!(seen.await.unwrap(), 0, "a reader sees what failed");

        f.submit(move |tx| insert(tx, unknown)).await.expect("its key is still free");
        stored.push((unknown, 1));
        assert_eq!(f.keys(), stored);
        let gone = f.submit(marks).await.expect_err("it is another connection");
        assert!(gone.report().to_string().contains("no such table"), "{}", gone.report());
    });
}

/// The worst case: the connection that failed is the only one, and closing it cannot sync either, so
/// that the log would stay as it is for the next one to read.
#[linchpin_testing::test]
fn what_a_failed_commit_left_stays_away_though_nobody_else_has_the_file_open() {
    let name = "what_a_failed_commit_left_stays_away_though_nobody_else_has_the_file_open";
    if std::env::var_os(INNER).is_none() {
        return passes(&under_strace(name, 3, Path::new("-")));
    }
    block_on(async {
        let f = fixture();
        let (writer, path) = (f.database.writer().clone(), f.path.clone());
        let Fixture { database, ctx, .. } = f;
        drop(database);
        while task::live().iter().any(|live| live.name == "sqlite-reader") {
            std::thread::yield_now(); // nobody can join them any more
        }

        let (unknown, mut stored) = until_unknown(&writer, &Arc::default()).await;
        assert_eq!(keys(&path), stored);
        let mut tries = 1;
        while let Err(error) = writer.submit(&ctx, move |tx| insert(tx, unknown)).await {
            assert!(error.find::<CommitUnknown>().is_some(), "{}", error.report());
            assert_eq!(keys(&path), stored);
            tries += 1;
        }
        assert_eq!(tries, 3, "the disk fails three times");
        stored.push((unknown, 1));
        assert_eq!(keys(&path), stored);
    });
}

/// What [`CommitUnknown`] warns of. It is SQLite's doing, and if it ever stops we want to know.
#[linchpin_testing::test]
fn the_next_start_finds_the_group_unless_another_was_written_over_it() {
    let name = "the_next_start_finds_the_group_unless_another_was_written_over_it";
    if let Some(folder) = std::env::var_os(INNER) {
        let path = Path::new(&folder).join("test.db");
        block_on(async {
            let database = open(&path, Options::default());
            until_unknown(database.writer(), &Arc::default()).await;
            if path.with_file_name("go-on").exists() {
                let ctx = Context::root();
                database.writer().submit(&ctx, |tx| insert(tx, 1_000)).await.unwrap();
            }
            std::process::exit(0); // as a crash does: nothing is closed
        });
    }
    for go_on in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        if go_on {
            std::fs::write(folder.path().join("go-on"), "").unwrap();
        }
        let output = under_strace(name, 1, folder.path());
        assert!(output.status.success(), "{output:?}");
        let path = folder.path().join("test.db");
        let database = open(&path, Options::default());
        let found = keys(&path);
        let last = found.last().map(|(key, _)| *key).unwrap();
        assert_eq!(last, if go_on { 1_000 } else { HEALTHY as i64 }, "{found:?}");
        assert_eq!(found.len(), HEALTHY + 1, "{found:?}");
        drop(database);
    }
}

/// Stores keys one by one until the outcome of one is unknown. Returns it, and those before it.
async fn until_unknown(writer: &Writer, told: &Arc<AtomicUsize>) -> (i64, Vec<(i64, i64)>) {
    let mut stored = Vec::new();
    loop {
        let (key, told) = (stored.len() as i64, told.clone());
        let store = move |tx: &mut Tx<'_>| -> Result<usize> {
            let told = told.clone();
            tx.after_commit(move || {
                told.fetch_add(1, Ordering::Relaxed);
            });
            insert(tx, key)
        };
        match writer.submit(&Context::root(), store).await {
            Ok(_) => stored.push((key, 1)),
            Err(error) => {
                assert!(error.find::<CommitUnknown>().is_some(), "{}", error.report());
                assert_eq!(error.kind(), Kind::Unavailable);
                return (key, stored);
            }
        }
        assert!(stored.len() <= HEALTHY, "no sync has failed");
    }
}

/// Runs a test of this file with so many failing syncs, one after the other.
fn under_strace(test: &str, failing: usize, folder: &Path) -> Output {
    let (first, last) = (HEALTHY + 1, HEALTHY + failing);
    Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
        .args(["-e", &format!("inject=fsync,fdatasync:error=EIO:when={first}..{last}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("failing_sync::{test}")])
        .env(INNER, folder)
        .output()
        .expect("strace is needed to make a sync fail")
}

fn passes(output: &Output) {
    let (text, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{said}");
}

fn block_on(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body);
}
