//! What somebody wants gone is gone, and what it belonged to stays.

use std::collections::BTreeSet;

use http::Method;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use relay::ids::AttemptId;
use serde_json::{Value, json};

use crate::api::{Api, app_token};
use crate::api_attempt::insert;
use crate::api_task::shop::Shop;

/// In no other place of the database.
const SECRET: &str = "9f3d-this-must-go-6c1a";

fn message(event: &str) -> String {
    json!({ "eventType": "paid", "eventId": event, "payload": { "secret": SECRET } }).to_string()
}

#[linchpin_testing::test]
async fn an_expunged_message_is_gone_everywhere() {
    let api = Api::with_hook().await;
    // Large enough to have pages of its own, which go back to the file when it goes.
    let body =
        json!({ "eventType": "paid", "eventId": "e1", "payload": { "a": SECRET.repeat(1_000) } });
    api.post_once("key", "/app/shop/msg", &body.to_string()).await.ok(202);
    api.post("/app/shop/msg", serde_json::from_str(&message("e2")).unwrap()).await.ok(202);
    api.change("UPDATE delivery SET leased = 0, due = due + 3600000000").await;
    for event in ["e1", "e2"] {
        api.delete(&format!("/app/shop/msg/{event}/content")).await.empty(204);
        let shown = api.get(&format!("/app/shop/msg/{event}")).await.ok(200);
        assert_eq!(shown["payload"], json!({ "expired": true }));
        let resend = format!("/app/shop/msg/{event}/endpoint/hook/resend");
        api.post(&resend, Value::Null).await.error(400, "missing_payload");
    }
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, 0);
    let again = api.post_once("key", "/app/shop/msg", &body.to_string()).await.ok(202);
    assert_eq!(again["payload"], json!({ "expired": true }));
    // Once more is no fault.
    api.delete("/app/shop/msg/e1/content").await.empty(204);
    assert!(!in_the_file(api).await);

    let other = Api::with_hook().await;
    other.post_once("key", "/app/shop/msg", &body.to_string()).await.ok(202);
    assert!(in_the_file(other).await, "the test sees what is there");
}

/// Whether the database's file has the secret anywhere, once all that was written is in it.
async fn in_the_file(api: Api) -> bool {
    let ctx = linchpin::Context::root();
    let path = |conn: &rusqlite::Connection| {
        conn.query_row("SELECT file FROM pragma_database_list", (), |row| row.get(0)).sql("ask")
    };
    let path: String = api.database.reader().query(&ctx, path).await.unwrap();
    api.database.close(&ctx).await.unwrap();
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

#[linchpin_testing::test]
async fn whatever_its_size_and_wherever_its_row_was_moved_it_is_in_no_file() {
    // Many to a page, about one to a page, on pages of their own.
    const SIZES: [usize; 8] = [10, 300, 1_000, 3_000, 3_900, 4_100, 9_000, 50_000];
    const MESSAGES: usize = 96;
    let (ctx, word) = (linchpin::Context::root(), |n: usize| format!("gone-{n:03}-"));
    // Beside large ones that are swept a row may leave a copy: see `store::wipe`.
    for (sizes, swept) in [(&SIZES[..2], 16), (&SIZES[2..5], 16), (&SIZES[..], 0)] {
        let api = Api::with_hook().await;
        let mut attempts = Vec::new();
        for n in 0..MESSAGES {
            let text = word(n).repeat(1 + sizes[n % sizes.len()] / word(n).len());
            let (event, attempt) = (format!("e{n}"), AttemptId::at(Timestamp::now()));
            let body = json!({ "eventType": "paid", "eventId": event, "payload": { "a": text } });
            api.post("/app/shop/msg", body).await.ok(202);
            let answered = move |tx: &mut Tx<'_>| {
                let insert = "
                    INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                                         duration_ms, trigger_type, created_at)
                    SELECT org, app, id, id, ?1, '', 2, 500, ?2, 1, 0, 0 FROM message WHERE event_id = ?3";
                tx.execute(insert, (attempt, &text, &event)).sql("insert")
            };
            api.database.writer().submit(&ctx, answered).await.unwrap();
            attempts.push(attempt);
        }
        // What is swept has its neighbours moved.
        api.change("DELETE FROM delivery").await;
        let old = move |tx: &mut Tx<'_>| {
            tx.execute("UPDATE message SET created_at = 0 WHERE rowid <= ?1", [swept as i64])
                .sql("age")
        };
        api.database.writer().submit(&ctx, old).await.unwrap();
        let gone = api.store.sweep_messages(&ctx, Timestamp::from_micros(1), 0).await.unwrap().gone;
        assert_eq!(gone, swept);
        // All but the last one.
        for (n, attempt) in attempts.iter().enumerate().take(MESSAGES - 1).skip(swept) {
            let message = format!("/app/shop/msg/e{n}");
            api.delete(&format!("{message}/attempt/{attempt}/content")).await.empty(204);
            api.delete(&format!("{message}/content")).await.empty(204);
        }
        let file = api.database.path();
        let read = |path| std::fs::read(path).unwrap();
        let bytes = [file.to_owned(), file.with_extension("db-wal")].map(read).concat();
        let number = |at: &[u8]| {
            let digits = at.strip_prefix(b"gone-")?.strip_suffix(b"-")?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        let lie: BTreeSet<usize> = bytes.windows(word(0).len()).filter_map(number).collect();
        let lie: Vec<usize> = lie.into_iter().filter(|n| *n >= swept).collect();
        assert_eq!(lie, [MESSAGES - 1], "{sizes:?}");
    }
}

#[linchpin_testing::test]
async fn many_are_expunged_at_once_and_each_is_told() {
    let api = Api::with_hook().await;
    api.app("stall").await;
    for (app, event) in [("shop", "e1"), ("shop", "e2"), ("shop", "kept"), ("stall", "other")] {
        let body = serde_json::from_str(&message(event)).unwrap();
        api.post(&format!("/app/{app}/msg"), body).await.ok(202);
    }
    let id = api.get("/app/shop/msg/e2").await.ok(200)["id"].as_str().unwrap().to_owned();
    let body = json!({ "ids": ["e1", id, "other", "msg_nope"] });
    let reply = api.post("/app/shop/msg/bulk-expunge", body).await.ok(200);
    let (gone, unknown) = ("expunged", "not-found");
    let wanted = json!({ "e1": gone, id: gone, "other": unknown, "msg_nope": unknown });
    assert_eq!(reply["results"], wanted);
    assert_eq!(api.number("SELECT count(*) FROM message WHERE content = 2").await, 2);
    for ids in [json!([]), json!((0..101).map(|id| id.to_string()).collect::<Vec<_>>())] {
        let reply = api.post("/app/shop/msg/bulk-expunge", json!({ "ids": ids })).await;
        assert_eq!(reply.faults("value_error"), ["body.ids"]);
    }
    api.post("/app/nope/msg/bulk-expunge", json!({ "ids": ["e1"] })).await.not_found();
}

#[linchpin_testing::test]
async fn an_expunged_answer_is_gone_and_its_attempt_stays() {
    let api = Api::with_hook().await;
    let app = api.get("/app/shop").await.ok(200)["id"].as_str().unwrap().parse().unwrap();
    let endpoint = api.get("/app/shop/endpoint/hook").await.ok(200)["id"].clone();
    let body = serde_json::from_str(&message("e1")).unwrap();
    let id = api.post("/app/shop/msg", body).await.ok(202)["id"].clone();
    let attempts = insert(&api, app, id.as_str().unwrap(), endpoint.as_str().unwrap(), 2).await;
    let path = |attempt: &str| format!("/app/shop/msg/e1/attempt/{attempt}");
    api.delete(&format!("{}/content", path(&attempts[0]))).await.empty(204);
    assert_eq!(api.get(&path(&attempts[0])).await.ok(200)["response"], "EXPUNGED");
    assert_eq!(api.get(&path(&attempts[1])).await.ok(200)["response"], "hello");
    for attempt in ["nope", "atmpt_000000000000000000000000000"] {
        api.delete(&format!("{}/content", path(attempt))).await.not_found();
    }
}

#[linchpin_testing::test]
async fn all_of_an_application_is_expunged_in_the_file_too() {
    let shop = Shop::new(json!({})).await;
    let api = &shop.api;
    // More than one submission may free.
    let large = json!({ "a": "x".repeat(460_000), "secret": SECRET });
    for n in 0..12 {
        let body = json!({ "eventType": "paid", "eventId": format!("e{n}"), "payload": large });
        api.post("/app/shop/msg", body).await.ok(202);
    }
    for event in ["small", "gone"] {
        let body = json!({ "eventType": "paid", "eventId": event, "payload": {} });
        api.post("/app/shop/msg", body).await.ok(202);
    }
    api.delete("/app/shop/msg/gone/content").await.empty(204);
    api.change("UPDATE delivery SET leased = 0, due = due + 3600000000").await;
    let (secret, (org, app)) = (SECRET, (api.org, shop.app));
    // One that was expunged before has an answer still.
    shop.write(move |tx| {
        let answers = "
            INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                                 duration_ms, trigger_type, created_at)
            SELECT org, app, id, id, id, '', 2, 500, ?3, 1, 0, 0 FROM message WHERE org = ?1 AND app = ?2";
        tx.execute(answers, (org, app, secret)).sql("insert")
    })
    .await;
    let task = api.post("/app/shop/msg/expunge-all-contents", Value::Null).await.ok(202);
    assert_eq!(
        (&task["task"], &task["data"]),
        (&json!("application.purge_content"), &json!({ "messagesPurged": 0 }))
    );
    // What comes later stays, and what is another's.
    api.app("stall").await;
    for app in ["shop", "stall"] {
        let kept = json!({ "eventType": "paid", "eventId": "kept", "payload": { "n": 1 } });
        api.post(&format!("/app/{app}/msg"), kept).await.ok(202);
    }

    let ended = shop.ended(&task).await;
    assert_eq!(
        (&ended["status"], &ended["data"]),
        (&json!("finished"), &json!({ "messagesPurged": 13 }))
    );
    for (event, payload) in [("e7", json!({ "expired": true })), ("kept", json!({ "n": 1 }))] {
        let shown = api.get(&format!("/app/shop/msg/{event}")).await.ok(200);
        assert_eq!(shown["payload"], payload, "{event}");
    }
    let shown = api.get("/app/stall/msg/kept").await.ok(200);
    assert_eq!(shown["payload"], json!({ "n": 1 }));
    let answers = "SELECT count(*) FROM attempt WHERE response = 'EXPUNGED'";
    assert_eq!(api.number(answers).await, 14);
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, 1, "that of the one kept");
    assert!(!in_the_file(shop.api).await);
}

#[linchpin_testing::test]
async fn an_application_token_may_not_expunge() {
    let api = Api::with_hook().await;
    let app = api.get("/app/shop").await.ok(200)["id"].as_str().unwrap().parse().unwrap();
    let body = serde_json::from_str(&message("e1")).unwrap();
    api.post("/app/shop/msg", body).await.ok(202);
    let token = app_token(api.org, app);
    for (method, path) in [
        (Method::DELETE, "/app/shop/msg/e1/content"),
        (Method::DELETE, "/app/shop/msg/e1/attempt/atmpt_000000000000000000000000000/content"),
        (Method::POST, "/app/shop/msg/bulk-expunge"),
        (Method::POST, "/app/shop/msg/expunge-all-contents"),
    ] {
        let reply = api.call_as(&token, method, path, json!({ "ids": ["e1"] })).await;
        reply.error(403, "insufficient access");
    }
    assert_eq!(api.number("SELECT count(*) FROM message WHERE content = 0").await, 1);
}
