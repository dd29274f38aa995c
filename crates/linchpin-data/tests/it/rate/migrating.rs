//! The schema of the store on Postgres, and waits for it that are dropped.

use linchpin::Kind;
use linchpin_data::migrate::{Migration, Migrations};
use linchpin_testing::steps::drop_at_each;

use crate::server::{Server, Which, pool, postgres};

const ONE: &[Migration] =
    &[Migration { version: 1, name: "one", sql: "CREATE TABLE one (a int); SELECT 1" }];
const OTHER: &[Migration] =
    &[Migration { version: 1, name: "one", sql: "CREATE TABLE other (a int)" }];
const TWO: &[Migration] =
    &[ONE[0], Migration { version: 2, name: "two", sql: "CREATE TABLE two (a int); SELECT 1 / 0" }];

#[linchpin_testing::test]
async fn migrations_of_postgres_are_applied_once_and_refused_when_edited() {
    let server = Server::start(Which::Postgres);
    let pool = pool(server.path());
    let apply = async |list, owner| Migrations::new(list).unwrap().apply_to(&pool, owner).await;

    let (one, two) = tokio::join!(apply(ONE, "a"), apply(ONE, "a"));
    assert_eq!(one.unwrap() + two.unwrap(), 1, "two processes at once");
    assert_eq!(apply(ONE, "a").await.unwrap(), 0);
    assert_eq!(apply(OTHER, "a").await.unwrap_err().kind(), Kind::FailedPrecondition);
    assert_eq!(apply(&OTHER[..0], "a").await.unwrap_err().kind(), Kind::FailedPrecondition);
    assert_eq!(apply(OTHER, "b").await.unwrap(), 1, "versions are their owner's");

    // What fails leaves what was before it.
    assert_eq!(apply(TWO, "a").await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(apply(ONE, "a").await.unwrap(), 0);
    let two: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('two')::text").fetch_one(&pool).await.unwrap();
    assert_eq!(two, None);
}

#[linchpin_testing::test]
async fn what_is_dropped_while_it_migrates_or_sweeps_can_be_done_again() {
    let server = Server::start(Which::Postgres);
    let pool = pool(server.path());
    let world = async || {
        let all = "DROP TABLE IF EXISTS linchpin_rate, linchpin_rate_epoch, _linchpin_migrations;
            DROP FUNCTION IF EXISTS linchpin_rate_now, linchpin_rate_take, linchpin_rate_penalize, linchpin_rate_sweep";
        sqlx::raw_sql(all).execute(&pool).await.unwrap();
        postgres(server.path())
    };
    let left = async |store: &linchpin_data::rate::Postgres| {
        store.migrate().await.unwrap();
        assert_eq!(store.migrate().await.unwrap(), 0);
    };
    let report = drop_at_each(world, async |store| store.migrate().await.unwrap(), left).await;
    assert!(report.steps > 1, "{report:?}");

    let world = async || {
        let store = postgres(server.path());
        store.migrate().await.unwrap();
        store
    };
    let left = async |store: &linchpin_data::rate::Postgres| {
        store.sweep().await.unwrap();
    };
    // It is one statement: how many steps that takes is the server's affair, and one if it answers before we look.
    drop_at_each(world, async |store| store.sweep().await.unwrap(), left).await;
}
