//! The log beside the file: emptied on demand, and nothing left of what was deleted, there or in the file.

use linchpin::Kind;
use linchpin_data::sqlite::{Options, Sql};

use crate::support::{Started, fixture, fixture_with, insert, keys, open, queued};

#[linchpin_testing::test]
async fn a_log_that_is_emptied_has_moved_into_the_file_unless_it_is_read() {
    let f = fixture();
    let (writer, log) = (f.database.writer(), || f.database.wal_bytes().unwrap());
    f.submit(|tx| insert(tx, 1)).await.unwrap();
    assert!(log() > 0);
    assert!(writer.empty_log(&f.ctx).await.unwrap());
    assert_eq!((log(), f.keys()), (0, vec![(1, 1)]));

    f.submit(|tx| insert(tx, 2)).await.unwrap();
    let conn = rusqlite::Connection::open(&f.path).unwrap();
    let reads = conn.unchecked_transaction().unwrap();
    reads.query_row("SELECT count(*) FROM entry", [], |_| Ok(())).unwrap();
    f.submit(|tx| insert(tx, 3)).await.unwrap();
    assert!(!writer.empty_log(&f.ctx).await.unwrap());
    assert!(log() > 0);
    drop(reads);
    assert!(writer.empty_log(&f.ctx).await.unwrap());
    assert_eq!((log(), f.keys().len()), (0, 3));

    f.database.close(&f.ctx).await.unwrap();
    assert_eq!(writer.empty_log(&f.ctx).await.unwrap_err().kind(), Kind::Unavailable);
}

#[linchpin_testing::test]
async fn those_who_want_the_log_empty_share_a_turn() {
    let f = fixture();
    let blocker = f.block().await;
    let (mut inserts, mut emptied) = (Vec::new(), Vec::new());
    for key in 0..20 {
        let (writer, ctx) = (f.database.writer().clone(), f.ctx.clone());
        let mut empties: Started<bool> = Box::pin(async move { writer.empty_log(&ctx).await });
        queued(&mut empties).await;
        emptied.push(empties);
        let mut inserting = f.submit(move |tx| insert(tx, key));
        queued(&mut inserting).await;
        inserts.push(inserting);
    }
    let before = f.database.writer().stats().groups;
    blocker.release().await;
    for emptied in emptied {
        assert!(emptied.await.unwrap());
    }
    for inserting in inserts {
        inserting.await.unwrap();
    }
    assert_eq!(f.database.writer().stats().groups - before, 2, "the blocker's, and one for all");
    assert_eq!((f.database.wal_bytes().unwrap(), f.keys().len()), (0, 20));
}

#[linchpin_testing::test]
async fn what_is_deleted_is_overwritten_if_that_is_wanted() {
    const WORD: &[u8] = b"in-no-other-place";
    for overwrite in [false, true] {
        let f = fixture_with(Options::default().overwrite_deleted(overwrite));
        f.submit(|tx| insert(tx, 1)).await.unwrap();
        let fill = "UPDATE entry SET filler = ?1";
        f.submit(|tx| tx.execute(fill, [WORD]).sql("fill")).await.unwrap();
        f.submit(|tx| tx.execute("DELETE FROM entry", []).sql("delete")).await.unwrap();
        assert!(f.database.writer().empty_log(&f.ctx).await.unwrap());
        let file = std::fs::read(&f.path).unwrap();
        let lies = file.windows(WORD.len()).any(|window| window == WORD);
        assert_eq!(lies, !overwrite);

        // As a kill leaves it: the log with it, and the pages that were.
        f.submit(|tx| insert(tx, 2)).await.unwrap();
        let copy = f.path.with_file_name("killed.db");
        let beside = |path: &std::path::Path| path.with_extension("db-wal");
        std::fs::copy(&f.path, &copy).unwrap();
        std::fs::copy(beside(&f.path), beside(&copy)).unwrap();
        let opened = open(&copy, Options::default().overwrite_deleted(overwrite));
        assert_eq!(opened.wal_bytes().unwrap() == 0, overwrite);
        assert_eq!(keys(&copy), [(2, 1)]);
        opened.close(&f.ctx).await.unwrap();
    }
}
