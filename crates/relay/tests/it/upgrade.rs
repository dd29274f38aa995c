//! A file that an older Relay has left is opened, and what it owes is done.

use std::collections::BTreeSet;

use linchpin::time::Timestamp;
use relay::store;
use rusqlite::Connection;
use serde_json::json;
use standardwebhooks::Webhook;

use crate::process::receiver::Receiver;
use crate::process::{Home, Relay, eventually};

/// See its first lines.
const SCHEMA_5: &str = include_str!("fixtures/schema5.sql");
/// What was sent under the key that is on record.
const RECORDED: &str =
    r#"{"eventType":"invoice.paid","eventId":"first","channels":["eu"],"payload":{"n":1}}"#;

/// Makes the file, with the receiver where it is now and the record of a reply as if it were of just now. What else it has
/// is of that year: whose messages are wanted asks [`serve`].
pub(crate) fn make(home: &Home, receiver: &Receiver) {
    std::fs::create_dir_all(home.database().parent().expect("a folder")).expect("made");
    let database = Connection::open(home.database()).expect("open");
    let sql = SCHEMA_5.replace("http://receiver/", &receiver.url("/"));
    database.execute_batch(&sql).expect("made");
    let now = Timestamp::now().as_micros();
    database.execute("UPDATE idempotency SET created_at = ?1", [now]).expect("changed");
}

/// A Relay that keeps what the file has, whenever this runs.
async fn serve(home: &Home, flags: &[&str]) -> Relay {
    home.serve(&[&["--message-retention", "36500d"], flags].concat()).await
}

#[linchpin_testing::test]
async fn a_file_of_schema_5_is_opened_and_does_what_it_owes() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    make(&home, &receiver);
    let relay = serve(&home, &[]).await;
    let version = "SELECT max(version) FROM _linchpin_migrations";
    assert_eq!(home.query::<u32>(version), [store::schema_version()]);

    // One was due, one was under way, and the recovery that had begun finds a third.
    let received = receiver.wait("/failing", 3).await;
    let ids: BTreeSet<_> = received.iter().map(|one| one.header("svix-id").to_owned()).collect();
    let mut owed = BTreeSet::new();
    for event in ["first", "second", "third"] {
        let message = relay.call("GET", &format!("/app/shop/msg/{event}"), "").await.expect(200);
        owed.insert(message.text("id"));
    }
    assert_eq!(ids, owed);
    eventually("settled", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0]).await;
    // Which it is told of after the last of what it sends.
    let task = async || {
        let tasks = relay.call("GET", "/background-task", "").await.expect(200).json();
        tasks["data"][0].clone()
    };
    eventually("finished", async || task().await["status"] == "finished").await;
    assert_eq!(task().await["data"], json!({ "messagesSent": 1 }));

    let secret = relay.call("GET", "/app/shop/endpoint/failing/secret", "").await.expect(200);
    let secret = Webhook::new(&secret.text("key")).expect("a secret");
    let mut headers = received[0].headers.clone();
    for part in ["id", "timestamp", "signature"] {
        let value = headers[&format!("svix-{part}")].clone();
        headers
            .insert(http::HeaderName::try_from(format!("webhook-{part}")).expect("named"), value);
    }
    secret.verify(&received[0].body, &headers).expect("signed with the secret of then");
}

#[linchpin_testing::test]
async fn a_file_of_schema_5_keeps_its_tasks_and_goes_on_counting_them() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    make(&home, &receiver);
    // As if six more had come and gone, and it had just ended: those that ended long ago are pruned.
    let now = Timestamp::now().as_micros();
    let ended = "UPDATE background_task SET status = 'failed', sent = 3, error = 'tired'";
    home.write(&format!("{ended}, updated_at = {now}; UPDATE sqlite_sequence SET seq = 7;"));
    let whose = "SELECT hex(org) || hex(app) || hex(endpoint) || hex(id) || since || '-' || until || created_at
                   FROM background_task WHERE rowid = 1";
    let before = home.query::<String>(whose);
    let relay = serve(&home, &[]).await;
    assert_eq!(home.query::<String>(whose), before);
    let tasks = relay.call("GET", "/background-task", "").await.expect(200).json();
    assert_eq!(tasks["data"][0]["status"], "failed", "{tasks}");
    assert_eq!(tasks["data"][0]["data"], json!({ "messagesSent": 3, "error": "tired" }));

    let usage = r#"{"since":"2020-01-01T00:00:00Z","until":"2040-01-01T00:00:00Z"}"#;
    let task = relay.call("POST", "/stats/usage/app", usage).await.expect(202).text("id");
    assert_eq!(home.query::<i64>("SELECT rowid FROM background_task"), [1, 8], "never used before");
    let path = format!("/background-task/{task}");
    eventually("finished", async || {
        relay.call("GET", &path, "").await.expect(200).json()["status"] == "finished"
    })
    .await;
}

#[linchpin_testing::test]
async fn a_file_of_schema_5_shows_what_it_has() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    make(&home, &receiver);
    let relay = serve(&home, &[]).await;
    let get = async |path: &str| relay.call("GET", path, "").await.expect(200).json();
    let shop = get("/app/shop").await;
    assert_eq!(
        (&shop["metadata"], &shop["throttleRate"]),
        (&json!({ "plan": "large" }), &json!(100))
    );
    let kept = get("/app/shop/endpoint/kept").await;
    assert_eq!(
        (&kept["eventTypes"], &kept["channels"]),
        (&json!(["invoice.paid"]), &json!(["eu"]))
    );
    let message = get("/app/shop/msg/second").await;
    assert_eq!(message["payload"], json!({ "n": 2, "text": "Zoë" }));
    assert_eq!(get("/event-type/invoice.old").await["archived"], true);
    for gone in ["/app/gone", "/app/shop/endpoint/gone"] {
        relay.call("GET", gone, "").await.expect(404);
    }

    // The record of a reply was all of it then.
    let bearer = format!("Bearer {}", relay.token);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "a key of then")];
    let again = relay.call_with("POST", "/app/shop/msg", &headers, RECORDED).await.expect(202);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.json(), get("/app/shop/msg/first").await);
}

#[linchpin_testing::test]
async fn stats_of_a_first_release_file_are_right_after_the_upgrade() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    make(&home, &receiver);
    // Nothing comes to what the file has.
    home.write("DELETE FROM delivery; DELETE FROM background_task");
    let relay = serve(&home, &[]).await;
    let uncounted = "SELECT count(*) FROM uncounted";
    eventually("counted", async || home.query::<i64>(uncounted) == [0]).await;
    for (endpoint, success, fail) in [("failing", 0, 6), ("kept", 1, 0), ("off", 0, 0)] {
        for (query, part) in [
            // All of that day, then up to the moment of one attempt and up to the microsecond before.
            ("since=2026-11-28T00:00:00Z&until=2026-11-28T04:59:59Z", [success, fail]),
            ("since=2026-11-28T04:05:49.358611Z&until=2026-11-28T04:05:49.364628Z", [0, fail / 2]),
            ("since=2026-11-28T04:05:49.358611Z&until=2026-11-28T04:05:49.364627Z", [0, fail / 3]),
            ("since=2026-11-28T05:00:00Z&until=2026-11-28T06:00:00Z", [0, 0]),
        ] {
            let path = format!("/app/shop/endpoint/{endpoint}/attempt-stats?{query}");
            let told = relay.call("GET", &path, "").await.expect(200).json();
            let [success, fail] = part;
            let wanted = json!({ "success": success, "fail": fail, "canceled": 0 });
            assert_eq!(told, wanted, "{endpoint} {query}");
        }
    }
}
