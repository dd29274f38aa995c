//! W11: what is old stays until somebody has it removed by hand.

use std::time::Duration;

use linchpin::Context;
use linchpin::time::Timestamp;
use serde_json::json;

use crate::api::Api;
use crate::process::{Home, eventually};

const DAY: Duration = Duration::from_hours(24);

/// An application with an endpoint, and messages by their `eventId`, none of which is to be delivered any more.
async fn shop(events: &[&str]) -> Api {
    let api = Api::new();
    let app = api.app("shop").await;
    let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
    let endpoint = api.post("/app/shop/endpoint", endpoint).await.ok(201)["id"].clone();
    for event in events {
        let body = json!({ "eventType": "paid", "eventId": event, "payload": { "a": 1 } });
        let message = api.post("/app/shop/msg", body).await.ok(202)["id"].clone();
        let (message, endpoint) = (message.as_str().unwrap(), endpoint.as_str().unwrap());
        crate::api_attempt::insert(&api, app, message, endpoint, 2).await;
    }
    api.change("DELETE FROM delivery").await;
    api
}

/// Sweeps messages that are older than `kept`, to the end; how many submissions it took and how many went.
async fn sweep(api: &Api, kept: Duration) -> (usize, usize) {
    let (cutoff, mut mark, mut took, mut gone) = (Timestamp::now() - kept, Some(0), 0, 0);
    while let Some(from) = mark {
        let swept = api.store.sweep_messages(&Context::root(), cutoff, from).await.unwrap();
        (mark, took, gone) = (swept.mark, took + 1, gone + swept.gone);
    }
    (took, gone)
}

#[linchpin_testing::test]
async fn w11_messages_and_attempts_go_and_what_is_due_keeps_its_message() {
    let api = shop(&["old", "due", "new"]).await;
    api.change(
        "UPDATE message SET created_at = created_at - 7776000000000 WHERE event_id <> 'new'",
    )
    .await;
    let due = "INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
               SELECT m.org, m.app, m.id, e.id, 1, 0, 0 FROM message m, endpoint e WHERE event_id = 'due'";
    api.change(due).await;
    assert_eq!(sweep(&api, 91 * DAY).await.1, 0, "not yet");
    assert_eq!(sweep(&api, 90 * DAY).await.1, 1);
    api.get("/app/shop/msg/old").await.not_found();
    api.get("/app/shop/msg/due").await.ok(200);
    assert_eq!(api.number("SELECT count(*) FROM attempt").await, 4);
    api.change("DELETE FROM delivery").await;
    assert_eq!(sweep(&api, 90 * DAY).await.1, 1);
    api.get("/app/shop/msg/due").await.not_found();
}

#[linchpin_testing::test]
async fn w11_a_payload_with_its_own_period_goes_before_its_message() {
    let api = shop(&["other"]).await;
    let body = json!({ "eventType": "paid", "eventId": "own", "payload": { "a": 1 }, "payloadRetentionHours": 1 });
    api.post("/app/shop/msg", body).await.ok(202);
    api.change("UPDATE delivery SET leased = 0").await;
    let (ctx, now) = (Context::root(), Timestamp::now());
    let early = api.store.sweep_payloads(&ctx, now + Duration::from_mins(59)).await.unwrap();
    assert_eq!((early.gone, early.mark), (0, None));
    let swept = api.store.sweep_payloads(&ctx, now + Duration::from_mins(61)).await.unwrap();
    assert_eq!(swept.gone, 1);
    let own = api.get("/app/shop/msg/own").await.ok(200);
    assert_eq!(own["payload"], json!({ "expired": true }));
    assert_eq!(api.get("/app/shop/msg/other").await.ok(200)["payload"], json!({ "a": 1 }));
    let kept = "SELECT count(*) FROM message WHERE content = 1 AND payload = x'' AND content_until IS NULL";
    assert_eq!(api.number(kept).await, 1);
    let again = api.store.sweep_payloads(&ctx, now + DAY).await.unwrap();
    assert_eq!((again.gone, again.mark), (0, None), "found once");
}

#[linchpin_testing::test]
async fn w11_space_is_given_back_and_no_submission_takes_much() {
    let api = shop(&[]).await;
    let fill = "
        INSERT INTO message (org, app, id, event_type, payload, created_at)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        SELECT org, id, randomblob(20), 'paid', zeroblob(10000), 0 FROM application, n";
    api.change(fill).await;
    let pages = "SELECT page_count FROM pragma_page_count";
    let full = api.number(pages).await;
    let (took, gone) = sweep(&api, DAY).await;
    assert_eq!(gone, 1_000);
    assert!(took >= 1_000 / 200, "{took} submissions");
    assert_eq!(api.number(pages).await, full);
    let mut times = 0;
    while api.store.give_space_back(&Context::root()).await.unwrap() {
        times += 1;
    }
    assert!(times > 1, "{times}");
    let left = api.number(pages).await;
    assert!(left < full / 4, "{left} of {full} pages");
    assert!(api.number("SELECT freelist_count FROM pragma_freelist_count").await <= left / 10);
}

#[linchpin_testing::test]
async fn w11_it_goes_by_itself_and_a_kill_within_loses_nothing_else() {
    let home = Home::new();
    let mut relay = home.serve(&["--message-retention", "2d"]).await;
    let (app, _) = relay.application(&[]).await;
    for _ in 0..20 {
        relay.message(&app, "{}").await;
    }
    let kept = relay.message(&app, r#"{"kept":1}"#).await;
    relay.kill().await;
    home.write(
        "UPDATE message SET created_at = 0 WHERE payload = CAST('{}' AS BLOB);
         INSERT INTO message (org, app, id, event_type, payload, created_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         SELECT org, id, randomblob(20), 'paid', x'7b7d', 0 FROM application, n;
         CREATE TRIGGER slowed AFTER DELETE ON message BEGIN SELECT length(randomblob(2000000)); END",
    );
    let count = || home.query::<i64>("SELECT count(*) FROM message")[0];
    let mut relay = home.serve(&["--message-retention", "2d"]).await;
    // Each takes some milliseconds, and all of them far longer than from here to the kill.
    eventually("some are gone", async || count() < 3_021).await;
    relay.kill().await;
    assert!(count() > 1, "it came within the sweep");
    home.write("DROP TRIGGER slowed");
    let relay = home.serve(&["--message-retention", "2d"]).await;
    eventually("all are gone", async || count() == 1).await;
    let message = relay.call("GET", &format!("/app/{app}/msg/{kept}"), "").await.expect(200);
    assert_eq!(message.json()["payload"], json!({ "kept": 1 }));
}
