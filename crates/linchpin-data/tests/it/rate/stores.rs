//! The suite and random courses against each store.

use linchpin::resilience::limiter::shared::{DynRateStore, Memory};

use super::random::{courses, in_time};
use super::suite::ROWS;
use crate::server::{Server, Which, postgres, redis};

async fn keeps_to_the_port(store: &dyn DynRateStore, time: &str, random: usize) {
    let mut broken = Vec::new();
    for (name, row) in ROWS {
        let tried = in_time(async |attempt| row(store, format!("{name} {time} {attempt}")).await);
        if let Err(why) = tried.await {
            broken.push(format!("{name}: {why}"));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    courses(store, random).await.unwrap();
}

#[linchpin_testing::test]
async fn memory_keeps_to_the_port() {
    keeps_to_the_port(&Memory::new("suite", 100_000).unwrap(), "first", 2_000).await;
}

#[linchpin_testing::test]
async fn l14_redis_keeps_to_the_port_and_lets_go_of_what_is_over() {
    let server = Server::start(Which::Redis);
    let store = redis(server.path());
    keeps_to_the_port(&store, "first", 50).await;

    // Whatever is left goes by itself.
    let mut connection =
        linchpin_data::redis::connect(&format!("redis+unix://{}/redis.sock", server.path()))
            .unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("linchpin:rate:{*").query_async(&mut connection).await.unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
        // -2 is one that went meanwhile.
        assert!(left > 0 || left == -2, "{key} stays for ever");
    }

    // A server that does not know the scripts is told them.
    let () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.unwrap();
    keeps_to_the_port(&store, "again", 0).await;
}

#[linchpin_testing::test]
async fn postgres_keeps_to_the_port_and_is_swept() {
    let server = Server::start(Which::Postgres);
    let store = postgres(server.path());
    assert_eq!(store.migrate().await.unwrap(), 1);
    keeps_to_the_port(&store, "first", 50).await;

    let pool = crate::server::pool(server.path());
    let count = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM linchpin_rate").fetch_one(&pool).await.unwrap()
    };
    // By its clock all that was said of 2023 is over, and what is not is kept.
    let mut went = store.sweep().await.unwrap();
    assert!(went > 0);
    while went > 0 {
        went = store.sweep().await.unwrap();
    }
    let kept = count().await;
    let due: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM linchpin_rate WHERE linchpin_rate_now() < ANY(paid)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(kept > 0);
    assert_eq!(kept, due);
}
