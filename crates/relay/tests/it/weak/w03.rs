//! A receiver that hangs, and one with a backlog, keep nobody else waiting.

use std::time::Duration;

use linchpin::time::Instant;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

/// More than there are places.
const HANGING: usize = 300;
const PLACES: &str = "64";
/// A neighbour has its message so soon, whatever others do: a tenth of what a hanging receiver is waited for.
const PROMPTLY: Duration = Duration::from_millis(1_500);

/// Rows for an endpoint by the thousand, due since yesterday.
const BACKLOG: &str = "
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO message (org, app, id, event_type, payload, created_at)
    SELECT org, app, randomblob(20), event_type, payload, created_at FROM message, n
    WHERE app = (SELECT app FROM endpoint WHERE url LIKE '%/behind');
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
    SELECT m.org, m.app, m.id, e.id, 0, m.created_at - 86400000000, 0
    FROM message m JOIN endpoint e ON e.app = m.app
    WHERE e.url LIKE '%/behind' AND NOT EXISTS (SELECT 1 FROM attempt WHERE message = m.id);";

/// How long a message to `path` takes to arrive.
async fn arrives(relay: &Relay, receiver: &Receiver, app: &str, path: &str) -> Duration {
    let (begun, before) = (Instant::now(), receiver.received(path).len());
    relay.message(app, "{}").await;
    receiver.wait(path, before + 1).await;
    begun.elapsed()
}

#[linchpin_testing::test]
async fn w03_a_hanging_endpoint_with_a_backlog_delays_no_neighbour() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&["--delivery-concurrency", PLACES, "--request-timeout", "15s"]).await;
    receiver.reply("/hangs", vec![Reply::Hang; HANGING + 100]);
    let (hanging, _) = relay.application(&[&receiver.url("/hangs")]).await;
    // In the same application, and in another.
    let (near, _) = relay.application(&[&receiver.url("/near")]).await;
    let kind = r#"{"name":"beside","description":""}"#;
    relay.call("POST", "/event-type", kind).await.expect(201);
    let body = serde_json::json!({ "url": receiver.url("/beside"), "filterTypes": ["beside"] });
    let made = relay.call("POST", &format!("/app/{hanging}/endpoint"), &body.to_string()).await;
    made.expect(201);
    for _ in 0..HANGING {
        relay.message(&hanging, "{}").await;
    }
    receiver.wait("/hangs", 1).await;
    for _ in 0..5 {
        let took = arrives(&relay, &receiver, &near, "/near").await;
        assert!(took < PROMPTLY, "{took:?}");
    }
    let begun = Instant::now();
    let beside = r#"{"eventType":"beside","payload":{}}"#;
    relay.call("POST", &format!("/app/{hanging}/msg"), beside).await.expect(202);
    receiver.wait("/beside", 1).await;
    assert!(begun.elapsed() < PROMPTLY, "{:?}", begun.elapsed());
    // Few of them are waited for at a time.
    assert!(receiver.received("/hangs").len() <= 16, "{}", receiver.received("/hangs").len());
}

#[linchpin_testing::test]
async fn w03_two_hundred_hanging_endpoints_leave_room_for_others() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&["--request-timeout", "15s"]).await;
    receiver.reply("/hangs", vec![Reply::Hang; 1_000]);
    // They are at a host of their own: of one host there are fewer under way.
    let others = Receiver::start().await;
    let urls = vec![receiver.url("/hangs"); 200];
    let (hanging, _) =
        relay.application(&urls.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (near, _) = relay.application(&[&others.url("/near")]).await;
    arrives(&relay, &others, &near, "/near").await;
    for _ in 0..3 {
        relay.message(&hanging, "{}").await;
    }
    receiver.wait("/hangs", 100).await;
    for _ in 0..10 {
        let took = arrives(&relay, &others, &near, "/near").await;
        assert!(took < PROMPTLY, "{took:?}");
    }
    // One that is new has its turn, too.
    let (new, _) = relay.application(&[&others.url("/new")]).await;
    let took = arrives(&relay, &others, &new, "/new").await;
    assert!(took < PROMPTLY, "{took:?}");
}

#[linchpin_testing::test]
async fn w03_a_backlog_in_the_database_is_taken_by_turns_and_costs_no_memory() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&[]).await;
    let (behind, _) = relay.application(&[&receiver.url("/behind")]).await;
    let message = relay.message(&behind, "{}").await;
    relay.attempts(&behind, &message, 1).await;
    relay.kill().await;
    home.write(BACKLOG);

    let relay = home.serve(&[]).await;
    let (near, _) = relay.application(&[&receiver.url("/near")]).await;
    for _ in 0..5 {
        let took = arrives(&relay, &receiver, &near, "/near").await;
        assert!(took < PROMPTLY, "{took:?}");
    }
    eventually("delivered", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0])
        .await;
    assert_eq!(receiver.received("/behind").len(), 20_001, "each once");
}
