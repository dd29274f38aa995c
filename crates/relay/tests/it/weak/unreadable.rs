//! A secret that cannot be read: its endpoint waits, and nobody else does.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

const SPOIL: &str = "UPDATE endpoint SET secret = 'x' || secret WHERE url LIKE '%/bad'";
const MEND: &str = "UPDATE endpoint SET secret = substr(secret, 2)
                    WHERE url LIKE '%/bad'";
const UNREADABLE: &str = r#"relay_deliveries_postponed_total{why="unreadable"}"#;
const WAIT: &str = "SELECT count(*) FROM delivery";

#[linchpin_testing::test]
async fn a_secret_that_cannot_be_read_stops_nobody_else() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&[]).await;
    let (app, endpoints) =
        relay.application(&[&receiver.url("/bad"), &receiver.url("/good")]).await;
    for endpoint in &endpoints {
        let path = format!("/breakers/{endpoint}");
        relay.operate("POST", &path, r#"{"state":"open"}"#).await.expect(200);
    }
    relay.message(&app, r#"{"n":1}"#).await;
    eventually("only they wait", async || home.query::<i64>(WAIT) == [2]).await;
    relay.kill().await;
    home.write(SPOIL);

    // Both are due at the start, that of the bad one first or last.
    let relay = home.serve(&[]).await;
    receiver.wait("/good", 1).await;
    relay.message(&app, r#"{"n":2}"#).await;
    receiver.wait("/good", 2).await;
    eventually("only they wait", async || home.query::<i64>(WAIT) == [2]).await;
    eventually("counted", async || relay.counted(UNREADABLE).await > 0).await;
    assert!(receiver.received("/bad").is_empty());

    mended(&home, &relay, &app, &endpoints[0]).await;
    receiver.wait("/bad", 2).await;
    eventually("settled", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0]).await;
}

#[linchpin_testing::test]
async fn what_is_in_memory_when_its_secret_cannot_be_read_any_more_waits_for_it() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let gate = Arc::new(Semaphore::new(0));
    receiver.reply("/bad", [Reply::After(gate.clone())]);
    let relay = home.serve(&["--delivery-concurrency", "1"]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/bad")]).await;
    for _ in 0..3 {
        relay.message(&app, "{}").await;
    }
    receiver.wait("/bad", 1).await;
    home.write(SPOIL);
    edit(&relay, &app, &endpoints[0]).await;
    gate.add_permits(1);
    eventually("only they wait", async || home.query::<i64>(WAIT) == [2]).await;
    assert_eq!(receiver.received("/bad").len(), 1);

    mended(&home, &relay, &app, &endpoints[0]).await;
    receiver.wait("/bad", 3).await;
}

/// Any edit has the endpoint looked at again.
async fn edit(relay: &Relay, app: &str, endpoint: &str) {
    let path = format!("/app/{app}/endpoint/{endpoint}");
    relay.call("PATCH", &path, r#"{"description":"edited"}"#).await.expect(200);
}

async fn mended(home: &Home, relay: &Relay, app: &str, endpoint: &str) {
    home.write(MEND);
    edit(relay, app, endpoint).await;
}
