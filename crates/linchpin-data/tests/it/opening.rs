//! Opening, locking, closing.

use std::fs::File;

use linchpin::{Context, Kind};
use linchpin_data::sqlite::{Database, Options, Sql};
use rusqlite::{Connection, StatementStatus};
use tokio::sync::oneshot;

use crate::reader::ENDLESS;
use crate::support::{Started, fixture, insert, queued};

#[linchpin_testing::test]
fn a_second_open_is_refused_and_names_the_file_and_the_process() {
    let f = fixture();
    let refused = Database::open(&f.path, Options::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::FailedPrecondition);
    let text = refused.report().to_string();
    assert!(text.contains("test.db-lock"), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
}

/// Root opens in folders of others.
#[cfg(unix)]
#[linchpin_testing::test]
fn a_link_in_the_place_of_the_lock_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("test.db"), folder.path().join("other"));
    std::os::unix::fs::symlink(&other, folder.path().join("test.db-lock")).unwrap();
    let nowhere = Database::open(&path, Options::default()).unwrap_err();
    assert_eq!(nowhere.kind(), Kind::Unavailable);
    assert!(!other.exists());
    std::fs::write(&other, "of somebody else").unwrap();
    let refused = Database::open(&path, Options::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::FailedPrecondition);
    assert!(refused.report().to_string().contains("is a link"), "{}", refused.report());
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "of somebody else");
}

#[linchpin_testing::test]
async fn close_runs_what_is_queued_empties_the_log_and_lets_go_of_the_file() {
    let f = fixture();
    let blocker = f.block().await;
    let mut waiting: Vec<Started<usize>> =
        (0..50).map(|key| f.submit(move |tx| insert(tx, key))).collect();
    for started in &mut waiting {
        queued(started).await;
    }
    let release = async {
        blocker.release().await;
        for started in waiting {
            started.await.unwrap();
        }
    };
    let (closed, ()) = tokio::join!(f.database.close(&f.ctx), release);
    closed.unwrap();
    f.database.close(&f.ctx).await.unwrap();
    assert_eq!(f.database.wal_bytes().unwrap(), 0);

    let late = f.submit(|tx| insert(tx, 100)).await.unwrap_err();
    assert_eq!(late.kind(), Kind::Unavailable);
    let late = f.database.reader().query(&f.ctx, |_| Ok(())).await.unwrap_err();
    assert_eq!(late.kind(), Kind::Unavailable);

    let again = Database::open(&f.path, Options::default()).unwrap();
    assert_eq!(f.keys().len(), 50);
    again.close(&f.ctx).await.unwrap();
}

#[linchpin_testing::test]
async fn a_close_that_takes_too_long_tells_running_queries_to_stop() {
    let f = fixture();
    let (started, start) = oneshot::channel();
    let query = f.database.reader().query(&f.ctx, move |conn| {
        started.send(()).unwrap();
        conn.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)).sql("endless")
    });
    let patience = f.ctx.child();
    let close = async {
        start.await.unwrap();
        let (closed, ()) = tokio::join!(f.database.close(&patience), async {
            patience.cancel("long enough");
        });
        closed
    };
    let (stopped, closed) = tokio::join!(query, close);
    assert_eq!(stopped.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(closed.unwrap_err().kind(), Kind::Cancelled);
    f.submit(|tx| insert(tx, 1)).await.unwrap(); // the writer has not been told yet
    f.database.close(&f.ctx).await.unwrap();
    assert_eq!(f.keys(), [(1, 1)]);
    drop(Database::open(&f.path, Options::default()).unwrap());
}

#[linchpin_testing::test]
async fn dropping_the_last_handle_ends_the_threads_and_with_them_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let database = Database::open(&path, Options::default()).unwrap();
    let lock = File::open(folder.path().join("test.db-lock")).unwrap();
    let writer = database.writer().clone();
    drop(database);
    writer.submit(&Context::root(), |_| Ok(())).await.unwrap();
    assert!(lock.try_lock().is_err(), "a clone of the writer keeps it open");
    drop(writer);
    lock.lock().unwrap(); // returns once the last thread has let go
}

#[linchpin_testing::test]
async fn connections_are_set_up_for_durability() {
    let f = fixture();
    let pragma = |name: &'static str| {
        f.submit(move |tx| {
            tx.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .sql(name)
        })
    };
    let number = rusqlite::types::Value::Integer;
    assert_eq!(pragma("synchronous").await.unwrap(), number(2));
    assert_eq!(pragma("auto_vacuum").await.unwrap(), number(2));
    assert_eq!(pragma("foreign_keys").await.unwrap(), number(1));
    assert_eq!(pragma("journal_size_limit").await.unwrap(), number(64 << 20));
    assert_eq!(pragma("wal_autocheckpoint").await.unwrap(), number(1000));
    assert_eq!(pragma("journal_mode").await.unwrap(), "wal".to_owned().into());
    f.submit(|tx| insert(tx, 1)).await.unwrap();
    assert!(f.database.wal_bytes().unwrap() > 0);
}

#[linchpin_testing::test]
async fn another_applications_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = Context::root();
    let path = folder.path().join("test.db");
    let ours = || Options::default().application_id(0x4c4e_4348);
    for _ in 0..2 {
        Database::open(&path, ours()).unwrap().close(&ctx).await.unwrap();
    }
    let refused = Database::open(&path, Options::default().application_id(7)).unwrap_err();
    assert_eq!(refused.kind(), Kind::FailedPrecondition);
    assert!(refused.report().to_string().contains("0x4c4e4348"), "{}", refused.report());
    // A refusal leaves no lock behind.
    Database::open(&path, ours()).unwrap().close(&ctx).await.unwrap();

    std::fs::write(folder.path().join("text"), "not a database, whatever its length may be")
        .unwrap();
    let refused = Database::open(folder.path().join("text"), ours()).unwrap_err();
    assert_eq!(refused.kind(), Kind::DataLoss);
}

#[linchpin_testing::test]
fn options_that_cannot_work_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let defaults = Options::default;
    for (options, reason) in [
        (defaults().readers(0), "reader"),
        (defaults().queue(0), "queue"),
        (defaults().queue(usize::MAX), "queue"),
        (defaults().group_count(0), "group"),
        (defaults().group_bytes(0), "byte"),
        (defaults().busy_timeout(std::time::Duration::MAX), "busy"),
        (defaults().cache_bytes(1), "cache"),
        (defaults().application_id(0), "application"),
    ] {
        let refused = Database::open(folder.path().join("test.db"), options).unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidArgument);
        assert!(refused.report().to_string().contains(reason), "{}", refused.report());
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "refused before anything was made");
}

/// A statement whose plan would depend on what is bound, if it could.
const BOUND: &str = "SELECT part FROM entry WHERE key = ?1 AND filler = ?2 LIMIT ?3";

/// How often it was prepared again, when it was run with these values one after the other.
fn prepared_again(conn: &Connection) -> linchpin::Result<i32> {
    let mut query = conn.prepare_cached(BOUND).sql("prepare")?;
    for number in 0..4 {
        query.query_map((number, number, number), |_| Ok(())).sql("run")?.for_each(drop);
    }
    Ok(query.get_status(StatementStatus::RePrepare))
}

#[linchpin_testing::test]
async fn a_statement_that_is_kept_is_prepared_once_whatever_is_bound() {
    let f = fixture();
    let plain = Connection::open(&f.path).unwrap();
    assert!(
        prepared_again(&plain).unwrap() > 1,
        "SQLite has changed, and the setting does nothing"
    );
    assert_eq!(f.database.writer().submit(&f.ctx, |tx| prepared_again(tx)).await.unwrap(), 0);
    assert_eq!(f.database.reader().query(&f.ctx, prepared_again).await.unwrap(), 0);
}

#[linchpin_testing::test]
fn sqlite_is_built_as_the_workspace_says() {
    let conn = Connection::open_in_memory().unwrap();
    let sql = "SELECT 1 FROM pragma_compile_options WHERE compile_options = 'DEFAULT_MEMSTATUS=0'";
    assert!(conn.prepare(sql).unwrap().exists(()).unwrap(), "see .cargo/config.toml");
}
