//! Deliveries of an endpoint that nobody may send to: they wait for one thing, and cost nothing until it comes.

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

/// Breakers that open for a moment at a time, and retries that are due at once.
const FLAGS: [&str; 8] = [
    "--retry-schedule",
    "10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms",
    "--breaker-open-for",
    "100ms",
    "--breaker-max-open-for",
    "100ms",
    "--delivery-concurrency",
    "32",
];
const BACKLOG: i64 = 2_000;
/// Deliveries by the thousand, all due, and a count of the rows of deliveries that are written from here on.
const MAKE: &str = "
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO message (org, app, id, event_type, payload, created_at)
    SELECT org, app, randomblob(20), event_type, payload, created_at FROM message, n;
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
    SELECT m.org, m.app, m.id, e.id, 0, m.created_at, 0 FROM message m JOIN endpoint e ON e.app = m.app
    WHERE NOT EXISTS (SELECT 1 FROM attempt WHERE message = m.id);
    CREATE TABLE written (rows INTEGER NOT NULL);
    INSERT INTO written VALUES (0);
    CREATE TRIGGER count_written AFTER UPDATE ON delivery BEGIN UPDATE written SET rows = rows + 1; END;";

#[linchpin_testing::test]
async fn a_breaker_that_tries_again_costs_what_its_probes_cost_however_many_deliveries_wait() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = backlog(&home, &receiver, 5_000).await;
    eventually("some have failed", async || attempts(&home) > 10).await;
    assert!(waiting(&home) >= BACKLOG - 40, "nearly all have never been tried");
    let (before, tried) = (written(&home), attempts(&home));
    eventually("ten cycles", async || attempts(&home) >= tried + 30).await;
    let (written, tried) = (written(&home) - before, attempts(&home) - tried);
    assert!(written <= 10 * tried, "{written} rows written for {tried} attempts");
    drop(relay);
}

#[linchpin_testing::test]
async fn what_waited_for_a_breaker_goes_as_fast_as_it_can_once_it_is_closed() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let _relay = backlog(&home, &receiver, 60).await;
    // By three probes a cycle it would take minutes.
    eventually("delivered", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0])
        .await;
    let successes = "SELECT count(DISTINCT message) FROM attempt WHERE status = 0";
    assert_eq!(home.query::<i64>(successes), [BACKLOG + 1], "each, and the first of all");
    assert_eq!(receiver.received("/hook").len() as i64, BACKLOG + 1 + 60);
    // Taken up, each, and those that failed taken up again and put off.
    let written = written(&home);
    assert!(written <= BACKLOG + 3 * 60, "{written} rows written");
}

#[linchpin_testing::test]
async fn an_operator_who_lets_an_endpoint_go_lets_go_at_once_what_waited_for_its_breaker() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    // Nothing goes by itself while a test waits.
    let flags = "--breaker-open-for 1h --breaker-max-open-for 1h --retry-schedule 1h";
    let relay = home.serve(&flags.split(' ').collect::<Vec<_>>()).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    let path = format!("/breakers/{}", endpoints[0]);
    let set = async |state: &str| {
        let wish = serde_json::json!({ "state": state }).to_string();
        relay.operate("POST", &path, &wish).await.expect(200);
    };
    let mut came = 0;
    for free in ["reset", "closed", "metrics_only"] {
        set("isolated").await;
        for _ in 0..20 {
            relay.message(&app, "{}").await;
        }
        // What came before is on record a moment later.
        eventually("on record", async || waiting(&home) == 20).await;
        assert_eq!(receiver.received("/hook").len(), came);
        set(free).await;
        came += 20;
        receiver.wait("/hook", came).await;
    }
    // The same where it has opened by itself.
    set("reset").await;
    receiver.reply("/hook", vec![Reply::Status(500); 10]);
    for _ in 0..30 {
        relay.message(&app, "{}").await;
    }
    // Whatever was under way when the tenth failed has been sent.
    eventually("on record", async || {
        let (sent, wait) = (receiver.received("/hook").len() as i64, waiting(&home));
        wait > 0 && attempts(&home) == sent && sent == came as i64 + 30 - wait
    })
    .await;
    set("reset").await;
    receiver.wait("/hook", came + 30).await;
    eventually("none is left", async || waiting(&home) == 0).await;
}

#[linchpin_testing::test]
async fn what_waits_for_an_endpoint_that_is_deleted_is_dropped() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&FLAGS).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    let path = format!("/breakers/{}", endpoints[0]);
    relay.operate("POST", &path, r#"{"state":"open"}"#).await.expect(200);
    for _ in 0..100 {
        relay.message(&app, "{}").await;
    }
    assert_eq!(waiting(&home), 100);
    relay.call("DELETE", &format!("/app/{app}/endpoint/{}", endpoints[0]), "").await.expect(204);
    relay.operate("POST", &path, r#"{"state":"reset"}"#).await.expect(200);
    eventually("dropped", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0]).await;
    assert!(receiver.received("/hook").is_empty());
}

/// A service with a backlog, whose receiver fails so often before it is well.
async fn backlog(home: &Home, receiver: &Receiver, failures: usize) -> Relay {
    let mut relay = home.serve(&FLAGS).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let message = relay.message(&app, "{}").await;
    relay.attempts(&app, &message, 1).await;
    relay.kill().await;
    let database = rusqlite::Connection::open(home.database()).expect("open the database");
    database.execute_batch(MAKE).expect("make a backlog");
    drop(database);
    receiver.reply("/hook", vec![Reply::Status(500); failures]);
    home.serve(&FLAGS).await
}

/// Deliveries of which there is no attempt on record.
fn waiting(home: &Home) -> i64 {
    home.query("SELECT count(*) FROM delivery WHERE attempt = 0")[0]
}

fn attempts(home: &Home) -> i64 {
    home.query("SELECT count(*) FROM attempt")[0]
}

fn written(home: &Home) -> i64 {
    home.query("SELECT rows FROM written")[0]
}
