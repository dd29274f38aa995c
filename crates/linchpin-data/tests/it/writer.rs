//! The writer: groups, isolation of neighbours, hooks, contexts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use linchpin::error::ResultExt;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::{Options, Sql};

use crate::support::{
    Started, conflict, fixture, fixture_with, insert, insert_part, panic_quietly, queued,
};

#[linchpin_testing::test]
async fn what_queues_up_behind_a_commit_shares_the_next_one() {
    let f = fixture();
    let blocker = f.block().await;
    let mut waiting: Vec<Started<usize>> =
        (0..100).map(|key| f.submit(move |tx| insert(tx, key))).collect();
    for started in &mut waiting {
        queued(started).await;
    }
    assert_eq!(f.database.writer().stats().queued, 100);
    blocker.release().await;
    let before = f.database.writer().stats();
    for started in waiting {
        started.await.unwrap();
    }
    let after = f.database.writer().stats();
    // The blocker's own commit and one for all; the second may fall before or after `before`.
    assert_eq!(after.groups, 2, "{before:?} {after:?}");
    assert_eq!((after.queued, after.submissions), (0, 101));
    assert!(after.last_commit.is_some());
    assert_eq!(f.keys().len(), 100);
}

#[linchpin_testing::test]
async fn caps_of_count_and_bytes_split_a_group() {
    let by_count = fixture_with(Options::default().group_count(4));
    assert_eq!(groups_of(&by_count, &[0; 10]).await, 3);
    let by_bytes = fixture_with(Options::default().group_bytes(100));
    // 60+40, 90, 500 alone, 10+10
    assert_eq!(groups_of(&by_bytes, &[60, 40, 90, 500, 10, 10]).await, 4);
}

async fn groups_of(f: &crate::support::Fixture, sizes: &[usize]) -> u64 {
    let blocker = f.block().await;
    let mut waiting = Vec::new();
    for (key, bytes) in (0..).zip(sizes) {
        let mut started = f.submit_sized(&f.ctx, *bytes, move |tx| insert(tx, key));
        queued(&mut started).await;
        waiting.push(started);
    }
    blocker.release().await;
    for started in waiting {
        started.await.unwrap();
    }
    f.database.writer().stats().groups - 1
}

#[linchpin_testing::test]
async fn an_error_or_a_panic_undoes_its_own_submission_only() {
    let f = fixture();
    let blocker = f.block().await;
    let mut first = f.submit(|tx| insert(tx, 1));
    let mut refused = f.submit(|tx| {
        insert(tx, 2)?;
        Err::<(), _>(Error::new(Kind::PermissionDenied, "no"))
    });
    let mut panicking = f.submit(|tx| {
        insert(tx, 3)?;
        panic_quietly();
        #[expect(unreachable_code, reason = "gives the closure its type")]
        Ok(())
    });
    let mut duplicate = f.submit(|tx| {
        insert(tx, 4)?;
        insert(tx, 1)
    });
    let mut last = f.submit(|tx| insert(tx, 5));
    queued(&mut first).await;
    queued(&mut refused).await;
    queued(&mut panicking).await;
    queued(&mut duplicate).await;
    queued(&mut last).await;
    blocker.release().await;

    first.await.unwrap();
    assert_eq!(refused.await.unwrap_err().kind(), Kind::PermissionDenied);
    let panicked = panicking.await.unwrap_err();
    assert_eq!(panicked.kind(), Kind::Internal);
    assert!(panicked.report().to_string().contains("planned"));
    assert_eq!(duplicate.await.unwrap_err().kind(), Kind::AlreadyExists);
    last.await.unwrap();
    assert_eq!(f.keys(), [(1, 1), (5, 1)]);
    assert_eq!(f.database.writer().stats().groups, 2);
}

#[linchpin_testing::test]
async fn an_answer_means_that_others_see_the_row() {
    let f = fixture();
    for key in 0..100 {
        f.submit(move |tx| insert(tx, key)).await.unwrap();
        assert_eq!(f.keys().len() as i64, key + 1);
    }
    assert_eq!(f.database.writer().stats().groups, 100);
}

/// How many rows another connection sees from inside an after-commit hook.
async fn rows_seen_by_the_hook(options: Options) -> usize {
    let f = Arc::new(fixture_with(options));
    let seen = Arc::new(Mutex::new(None));
    let (inner, note) = (Arc::clone(&f), Arc::clone(&seen));
    f.submit(move |tx| {
        let (inner, note) = (Arc::clone(&inner), Arc::clone(&note));
        tx.after_commit(move || *note.lock().unwrap() = Some(inner.keys().len()));
        insert(tx, 1)
    })
    .await
    .unwrap();
    let rows = *seen.lock().unwrap();
    rows.expect("hooks run before the answer leaves")
}

#[linchpin_testing::test]
async fn hooks_run_after_the_commit_and_before_the_answer() {
    assert_eq!(rows_seen_by_the_hook(Options::default()).await, 1);
}

#[cfg(feature = "planted-faults")]
#[linchpin_testing::test]
async fn the_planted_fault_answers_before_the_commit() {
    let options = Options::default().acknowledge_before_commit(true);
    assert_eq!(rows_seen_by_the_hook(options).await, 0);
}

#[linchpin_testing::test]
async fn hooks_run_once_in_order_and_only_for_what_was_committed() {
    let f = fixture();
    let log = Arc::new(Mutex::new(Vec::new()));
    let runs = Arc::new(AtomicUsize::new(0));
    let blocker = f.block().await;
    let mut waiting: Vec<Started<usize>> = Vec::new();
    for key in 0..6 {
        let (log, runs) = (Arc::clone(&log), Arc::clone(&runs));
        let mut started = f.submit(move |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            let log = Arc::clone(&log);
            tx.after_commit(move || log.lock().unwrap().push(key));
            match key {
                1 => Err(Error::new(Kind::Aborted, "refused")),
                2 => panic_quietly(),
                3 => conflict(tx, key),
                4 => tx.execute("INSERT INTO child VALUES (1, 99)", []).sql("orphan"),
                _ => insert(tx, key),
            }
        });
        queued(&mut started).await;
        waiting.push(started);
    }
    blocker.release().await;
    let mut outcomes = Vec::new();
    for started in waiting {
        outcomes.push(started.await.is_ok());
    }
    assert_eq!(outcomes, [true, false, false, false, false, true]);
    assert_eq!(*log.lock().unwrap(), [0, 5]);
    assert_eq!(f.keys(), [(0, 1), (5, 1)]);
    assert!(runs.load(Ordering::Relaxed) > 6, "the dead transaction was run again");
}

#[linchpin_testing::test]
async fn a_conflict_that_destroys_the_group_leaves_its_neighbours_whole() {
    let f = fixture();
    let blocker = f.block().await;
    let mut before = f.submit(|tx| insert(tx, 1));
    let mut culprit = f.submit(|tx| conflict(tx, 2));
    let mut after = f.submit(|tx| insert_part(tx, 3, 0).and_then(|_| insert_part(tx, 3, 1)));
    queued(&mut before).await;
    queued(&mut culprit).await;
    queued(&mut after).await;
    blocker.release().await;
    before.await.unwrap();
    assert_eq!(culprit.await.unwrap_err().kind(), Kind::AlreadyExists);
    after.await.unwrap();
    assert_eq!(f.keys(), [(1, 1), (3, 2)]);
}

#[linchpin_testing::test]
async fn nothing_is_kept_of_a_closure_that_ignores_the_death_of_its_transaction() {
    let f = fixture();
    let blocker = f.block().await;
    let mut before = f.submit(|tx| insert(tx, 1));
    let mut culprit = f.submit(|tx| {
        assert!(conflict(tx, 2).is_err());
        // The connection is in autocommit mode now: without a veto this would stay.
        insert(tx, 4).map_or(Ok(()), |_| Ok(()))
    });
    queued(&mut before).await;
    queued(&mut culprit).await;
    blocker.release().await;
    before.await.unwrap();
    assert_eq!(culprit.await.unwrap_err().kind(), Kind::Aborted);
    assert_eq!(f.keys(), [(1, 1)]);
}

#[linchpin_testing::test]
async fn a_closure_cannot_end_or_begin_the_transaction() {
    let f = fixture();
    for control in ["ROLLBACK", "COMMIT", "END", "BEGIN", "RELEASE linchpin_submission"] {
        let blocker = f.block().await;
        let mut before = f.submit(|tx| insert(tx, 1));
        let mut culprit = f.submit(move |tx| {
            insert(tx, 2)?;
            tx.execute_batch(control).sql(control)?;
            insert(tx, 3)
        });
        let mut ignoring = f.submit(move |tx| {
            insert(tx, 4)?;
            assert!(tx.execute_batch(control).is_err());
            insert(tx, 5)
        });
        queued(&mut before).await;
        queued(&mut culprit).await;
        queued(&mut ignoring).await;
        blocker.release().await;
        before.await.unwrap();
        culprit.await.unwrap_err();
        ignoring.await.unwrap();
        assert_eq!(f.keys(), [(1, 1), (4, 1), (5, 1)], "{control}");
        f.submit(|tx| tx.execute("DELETE FROM entry", []).sql("clean")).await.unwrap();
    }
}

#[linchpin_testing::test]
async fn a_closure_may_undo_a_part_with_a_savepoint_of_its_own() {
    let f = fixture();
    f.submit(|tx| {
        insert(tx, 1)?;
        tx.execute_batch("SAVEPOINT part").sql("savepoint")?;
        insert(tx, 2)?;
        tx.execute_batch("ROLLBACK TO part").sql("undo")
    })
    .await
    .unwrap();
    assert_eq!(f.keys(), [(1, 1)]);
}

#[linchpin_testing::test]
async fn a_full_disk_is_unavailable_loses_nothing_acknowledged_and_heals() {
    let f = fixture();
    let limit = |pages: i64| {
        f.submit(move |tx| {
            tx.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| {
                row.get::<_, i64>(0)
            })
            .sql("limit")
        })
    };
    limit(40).await.unwrap();
    let mut stored = Vec::new();
    let mut refused = 0;
    let blocker = f.block().await;
    let mut waiting: Vec<(i64, Started<usize>)> = Vec::new();
    for key in 0..40 {
        let mut started = f.submit(move |tx| {
            insert_part(tx, key, 1)?;
            tx.execute("INSERT INTO entry VALUES (?1, 0, zeroblob(9000))", [key]).sql("insert")
        });
        queued(&mut started).await;
        waiting.push((key, started));
    }
    blocker.release().await;
    for (key, started) in waiting {
        match started.await {
            Ok(_) => stored.push((key, 2)),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unavailable);
                let report = error.report().to_string();
                let path = f.database.path().display();
                let wanted = format!(
                    "write to {path}\n  caused by: insert\n  caused by: database or disk is full (SQLite error 13)"
                );
                assert_eq!(report, wanted);
                assert!(error.public().contains("temporarily"));
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && !stored.is_empty());
    assert_eq!(f.keys(), stored);
    assert!(f.database.writer().trouble().is_some());
    limit(1_000_000).await.unwrap();
    f.submit(|tx| insert(tx, 100)).await.unwrap();
    assert!(f.database.writer().trouble().is_none());
    assert_eq!(f.keys().len(), stored.len() + 1);
}

#[linchpin_testing::test]
async fn an_ended_context_keeps_a_queued_submission_from_running() {
    let f = fixture();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = |ran: &Arc<AtomicUsize>| {
        let ran = Arc::clone(ran);
        move |_: &mut linchpin_data::sqlite::Tx<'_>| {
            ran.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    };
    let ended = f.ctx.child();
    ended.cancel("too late");
    assert_eq!(f.submit_in(&ended, count(&ran)).await.unwrap_err().kind(), Kind::Cancelled);

    let blocker = f.block().await;
    let child = f.ctx.child();
    let mut cancelled = f.submit_in(&child, count(&ran));
    let mut dropped = f.submit(count(&ran));
    queued(&mut cancelled).await;
    queued(&mut dropped).await;
    drop(dropped);
    child.cancel("too late");
    // At once, although the writer is still held.
    assert_eq!(cancelled.await.unwrap_err().kind(), Kind::Cancelled);
    blocker.release().await;
    f.submit(|_| Ok(())).await.unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

#[linchpin_testing::test]
async fn work_that_has_started_is_committed_though_nobody_waits() {
    let f = fixture();
    let (started, start) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let hook = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&hook);
    let mut started = Some(started);
    let child = f.ctx.child();
    let mut abandoned = f.submit_in(&child, move |tx| {
        let ran = Arc::clone(&ran);
        tx.after_commit(move || {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        started.take().unwrap().send(()).unwrap();
        assert!(released.recv().is_err());
        insert(tx, 1)
    });
    queued(&mut abandoned).await;
    start.await.unwrap();
    child.cancel("gone");
    queued(&mut abandoned).await; // the end of its context no longer matters
    drop(abandoned);
    drop(release);
    f.submit(|_| Ok(())).await.unwrap();
    assert_eq!(f.keys(), [(1, 1)]);
    assert_eq!(hook.load(Ordering::Relaxed), 1);
}

#[linchpin_testing::test]
async fn a_full_queue_holds_callers_at_the_door_under_their_context() {
    let f = fixture_with(Options::default().queue(1));
    let blocker = f.block().await;
    let mut inside = f.submit(|tx| insert(tx, 1));
    queued(&mut inside).await;
    let child = f.ctx.child();
    let mut outside = f.submit_in(&child, |tx| insert(tx, 2));
    let mut patient = f.submit(|tx| insert(tx, 3));
    queued(&mut outside).await;
    queued(&mut patient).await;
    child.cancel("tired");
    assert_eq!(outside.await.unwrap_err().kind(), Kind::Cancelled);
    blocker.release().await;
    inside.await.unwrap();
    patient.await.unwrap();
    assert_eq!(f.keys(), [(1, 1), (3, 1)]);
}

#[linchpin_testing::test]
async fn an_error_keeps_its_text_and_its_cause() {
    let f = fixture();
    let missing: Result<()> = f
        .submit(|tx| {
            tx.query_row("SELECT 1 FROM entry", [], |_| Ok(())).sql("load entry").context("show")
        })
        .await;
    let missing = missing.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.find::<rusqlite::Error>().is_some());
    assert!(missing.report().to_string().contains("load entry"));
}
