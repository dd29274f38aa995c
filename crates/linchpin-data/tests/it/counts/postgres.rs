//! What is Postgres's own: rows that stay behind, and those who write at the same time.

use std::time::Duration;

use futures_util::future::join_all;
use linchpin::Context;
use linchpin::context::Ended;
use linchpin::resilience::breaker::fleet::{CountStore as _, Told};
use linchpin_data::{counts, rate};
use linchpin_testing::steps::drop_at_each;

use super::suite::{counts, tell};
use crate::server::{Server, Which, pool, until};

const HOUR: Duration = Duration::from_hours(1);
const MOMENT: Duration = Duration::from_micros(1);

async fn rows(pool: &sqlx::PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM linchpin_counts").fetch_one(pool).await.unwrap()
}

#[linchpin_testing::test]
async fn what_nobody_tells_of_any_more_is_swept() {
    let server = Server::start(Which::Postgres);
    let pool = pool(server.path());
    let store = counts::Postgres::new(pool.clone());
    assert_eq!(store.migrate().await.unwrap(), 1);
    for node in 0..5 {
        tell(&store, "gone", counts(node, 1), MOMENT).await;
        tell(&store, "here", counts(node, 1), HOUR).await;
    }
    // Each has let go of those before it where its word holds for a moment.
    assert_eq!(rows(&pool).await, 6);
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert_eq!(rows(&pool).await, 5);

    // A task does the same, of rates too, until it is told to end.
    let ctx = Context::root().child();
    assert!(store.keep_swept(&ctx, Duration::ZERO).is_err());
    let rates = rate::Postgres::new(pool.clone());
    rates.migrate().await.unwrap();
    let paid = "INSERT INTO linchpin_rate (key, paid) VALUES ('old', '{1}')";
    sqlx::query(paid).execute(&pool).await.unwrap();
    tell(&store, "gone", counts(9, 1), MOMENT).await;
    let often = Duration::from_millis(5);
    let tasks = [store.keep_swept(&ctx, often).unwrap(), rates.keep_swept(&ctx, often).unwrap()];
    until("it is swept", async || {
        let kept =
            "SELECT (SELECT count(*) FROM linchpin_rate) + (SELECT count(*) FROM linchpin_counts)";
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(&pool).await.unwrap();
        kept == 5
    })
    .await;
    ctx.cancel("enough");
    for task in tasks {
        let _ended: Ended = task.join().await;
    }
}

#[linchpin_testing::test]
async fn nodes_that_let_go_of_each_other_do_not_wait_for_each_other() {
    let server = Server::start(Which::Postgres);
    let store = counts::Postgres::new(pool(server.path()));
    store.migrate().await.unwrap();
    for _ in 0..100 {
        let told = |node| Told { group: "a", counts: counts(node, 1), forget_after: MOMENT };
        let told: Vec<Told<'_>> = (0..6).map(told).collect();
        for answer in join_all(told.iter().map(|told| store.exchange(told))).await {
            answer.unwrap();
        }
    }
}

#[linchpin_testing::test]
async fn what_is_dropped_while_it_migrates_or_sweeps_can_be_done_again() {
    let server = Server::start(Which::Postgres);
    let pool = pool(server.path());
    let world = async || {
        let all = "DROP TABLE IF EXISTS linchpin_counts, _linchpin_migrations";
        sqlx::raw_sql(all).execute(&pool).await.unwrap();
        counts::Postgres::new(pool.clone())
    };
    let left = async |store: &counts::Postgres| {
        store.migrate().await.unwrap();
        assert_eq!(store.migrate().await.unwrap(), 0);
    };
    let report = drop_at_each(world, async |store| store.migrate().await.unwrap(), left).await;
    assert!(report.steps > 1, "{report:?}");

    let world = async || {
        let store = counts::Postgres::new(pool.clone());
        store.migrate().await.unwrap();
        tell(&store, "gone", counts(1, 1), MOMENT).await;
        store
    };
    let left = async |store: &counts::Postgres| {
        store.sweep().await.unwrap();
        assert_eq!(rows(&pool).await, 0);
    };
    // It is one statement: how many steps that takes is the server's affair, and one if it answers before we look.
    drop_at_each(world, async |store| store.sweep().await.unwrap(), left).await;
}
