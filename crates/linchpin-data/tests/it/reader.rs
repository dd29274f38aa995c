//! The readers: interruption, isolation, refusal to write.

use linchpin::{Kind, Result};
use linchpin_data::sqlite::{Options, Sql};
use tokio::sync::oneshot;

use crate::support::{Fixture, fixture, fixture_with, insert, panic_quietly};

/// A query that ends only when it is interrupted.
pub(crate) const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                       SELECT count(*) FROM n WHERE x < 0";

fn one_reader() -> Fixture {
    fixture_with(Options::default().readers(1))
}

async fn count(f: &Fixture) -> Result<i64> {
    let count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000) \
                 SELECT count(*) FROM n";
    f.database
        .reader()
        .query(&f.ctx, move |conn| conn.query_row(count, [], |row| row.get(0)).sql("count"))
        .await
}

#[tokio::test]
async fn an_ended_context_interrupts_its_query_and_not_the_next() {
    let f = one_reader();
    for _ in 0..300 {
        let child = f.ctx.child();
        let (started, start) = oneshot::channel();
        let query = f.database.reader().query(&child, move |conn| {
            started.send(()).unwrap();
            conn.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)).sql("endless")
        });
        let cancel = async {
            start.await.unwrap();
            child.cancel("enough");
        };
        let (result, ()) = tokio::join!(query, cancel);
        assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
        assert_eq!(count(&f).await.unwrap(), 2000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_comes_as_the_query_ends_does_not_reach_the_next() {
    let f = one_reader();
    for round in 0..500 {
        let (ended, end) = oneshot::channel::<()>();
        let child = f.ctx.child();
        let query = f.database.reader().query(&child, move |conn| {
            let value = conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).sql("one");
            drop(ended);
            value
        });
        // The future is dropped, or its context ends, just as its closure returns.
        tokio::select! {
            biased;
            _ = end => {}
            _ = query => {}
        }
        if round % 2 == 0 {
            child.cancel("late");
        }
        assert_eq!(count(&f).await.unwrap(), 2000);
    }
}

#[tokio::test]
async fn an_interrupted_closure_cannot_go_on_with_another_statement() {
    let f = one_reader();
    let child = f.ctx.child();
    let (started, start) = oneshot::channel();
    let (told, tell) = std::sync::mpsc::channel::<()>();
    let (seen, see) = oneshot::channel();
    let query = f.database.reader().query(&child, move |conn| {
        started.send(()).unwrap();
        assert!(tell.recv().is_err()); // stopped here, between two statements
        let endless = conn.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)).sql("endless");
        seen.send(endless.as_ref().map_err(linchpin::Error::kind).copied()).unwrap();
        endless
    });
    let cancel = async {
        start.await.unwrap();
        child.cancel("enough");
    };
    let (result, ()) = tokio::join!(query, cancel);
    result.unwrap_err();
    drop(told);
    assert_eq!(see.await.unwrap(), Err(Kind::Cancelled));
    assert_eq!(count(&f).await.unwrap(), 2000);
}

#[tokio::test]
async fn a_panic_comes_back_as_an_error() {
    let f = one_reader();
    let panicked: Result<()> = f.database.reader().query(&f.ctx, |_| panic_quietly()).await;
    assert_eq!(panicked.unwrap_err().kind(), Kind::Internal);
    assert_eq!(count(&f).await.unwrap(), 2000);
}

#[tokio::test]
async fn readers_cannot_write() {
    let f = fixture();
    let refused = f.database.reader().query(&f.ctx, |conn| insert(conn, 1)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    assert_eq!(f.keys(), []);
}

#[tokio::test]
async fn a_transaction_left_open_does_not_show_the_next_query_an_old_state() {
    let f = one_reader();
    let rows = |conn: &rusqlite::Connection| {
        conn.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0)).sql("rows")
    };
    f.database
        .reader()
        .query(&f.ctx, move |conn| {
            conn.execute_batch("BEGIN").sql("begin")?;
            rows(conn)
        })
        .await
        .unwrap();
    f.submit(|tx| insert(tx, 1)).await.unwrap();
    assert_eq!(f.database.reader().query(&f.ctx, rows).await.unwrap(), 1);
}
