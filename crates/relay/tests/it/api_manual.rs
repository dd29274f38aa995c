//! What is sent because somebody asks for it, and what would be sent if somebody did.

use http::Method;
use linchpin::Context;
use linchpin_data::sqlite::Sql as _;
use serde_json::{Value, json};

use crate::api::{Api, app_token};

/// An application with an endpoint `hook` and a message `e1` that is delivered: no row waits.
async fn sent() -> Api {
    let api = Api::with_hook().await;
    let message = json!({ "eventType": "paid", "payload": {}, "eventId": "e1" });
    api.post("/app/shop/msg", message).await.ok(202);
    api.change("DELETE FROM delivery").await;
    api
}

const RESEND: &str = "/app/shop/msg/e1/endpoint/hook/resend";

/// The attempt, the lease, the mark of a delivery by hand and whether it is due, of each delivery.
async fn deliveries(api: &Api) -> Vec<(i64, i64, bool, bool)> {
    let query = |conn: &rusqlite::Connection| {
        let now = linchpin::time::Timestamp::now().as_micros();
        let sql = "SELECT attempt, leased, manual, due <= ?1 FROM delivery ORDER BY rowid";
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        conn.prepare(sql).and_then(|mut query| query.query_map([now], row)?.collect()).sql(sql)
    };
    api.database.reader().query(&Context::root(), query).await.unwrap()
}

#[linchpin_testing::test]
async fn a_resend_is_due_at_once() {
    let api = sent().await;
    let reply = api.post(RESEND, Value::Null).await;
    assert_eq!(reply.ok(202), json!({}));
    assert_eq!(deliveries(&api).await, [(0, 0, true, true)]);
    assert!(api.queue.oldest_due().is_some(), "the dispatcher was told");
    // Asked for twice, sent once.
    api.post(RESEND, Value::Null).await.ok(202);
    assert_eq!(deliveries(&api).await.len(), 1);
}

#[linchpin_testing::test]
async fn a_resend_brings_forward_what_waits_and_leaves_alone_what_is_under_way_or_parked() {
    for (lease, due) in [(0, true), (1, false), (2, false)] {
        let api = sent().await;
        api.post(RESEND, Value::Null).await.ok(202);
        let later = "UPDATE delivery SET attempt = 3, manual = 0, turn = 1, due = due + 3600000000";
        api.change(later).await;
        for _ in 0..lease {
            api.change("UPDATE delivery SET leased = leased + 1").await;
        }
        api.post(RESEND, Value::Null).await.ok(202);
        assert_eq!(deliveries(&api).await, [(3, lease, false, due)]);
    }
}

#[linchpin_testing::test]
async fn a_repeated_resend_key_resends_once() {
    let api = sent().await;
    api.post_once("key", RESEND, "").await.ok(202);
    api.change("DELETE FROM delivery").await;
    let again = api.post_once("key", RESEND, "").await;
    assert_eq!(
        (again.ok(202), &again.headers["idempotent-replayed"]),
        (json!({}), &"true".parse().unwrap())
    );
    assert_eq!(deliveries(&api).await, []);
    api.post_once("other", RESEND, "").await.ok(202);
    assert_eq!(deliveries(&api).await.len(), 1);
}

#[linchpin_testing::test]
async fn a_post_without_a_body_is_an_empty_object() {
    let api = sent().await;
    let token = api.token();
    let json = [("content-type", "application/json")];
    for (headers, body) in [(&[][..], ""), (&json, ""), (&json, "{}"), (&json, r#"{"x":1}"#)] {
        let reply = api.raw(Method::POST, RESEND, &token, headers, body).await;
        assert_eq!(reply.ok(202), json!({}), "{body}");
    }
    for body in ["7", "{", " "] {
        let reply = api.raw(Method::POST, RESEND, &token, &json, body).await;
        reply.faults("value_error.jsondecode");
    }
    // Elsewhere a body is needed.
    let reply = api.post("/app/shop/endpoint/hook/send-example", Value::Null).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.?"]);
}

#[linchpin_testing::test]
async fn a_resend_needs_a_message_and_an_endpoint_that_gets_something() {
    let api = sent().await;
    let own = api.app("stall").await;
    let endpoint = json!({ "url": "https://example.com/", "uid": "other" });
    api.post("/app/stall/endpoint", endpoint).await.ok(201);
    for path in [
        "/app/nope/msg/e1/endpoint/hook/resend",
        "/app/shop/msg/e2/endpoint/hook/resend",
        "/app/shop/msg/e1/endpoint/other/resend",
        "/app/stall/msg/e1/endpoint/other/resend",
    ] {
        api.post(path, Value::Null).await.not_found();
    }
    let stranger = app_token(api.org, own);
    api.call_as(&stranger, Method::POST, RESEND, Value::Null).await.not_found();
    let shop = api.get("/app/shop").await.ok(200)["id"].as_str().unwrap().parse().unwrap();
    let token = app_token(api.org, shop);
    api.call_as(&token, Method::POST, RESEND, Value::Null).await.ok(202);
    api.patch("/app/shop/endpoint/hook", json!({ "disabled": true })).await.ok(200);
    api.post(RESEND, Value::Null).await.error(409, "endpoint_disabled");
    api.delete("/app/shop/endpoint/hook").await.empty(204);
    api.post(RESEND, Value::Null).await.not_found();
}

const EXAMPLE: &str = "/app/shop/endpoint/hook/send-example";

#[linchpin_testing::test]
async fn an_example_goes_to_one_endpoint() {
    let api = sent().await;
    // Neither what others want nor what it wants itself matters.
    api.post("/app/shop/endpoint", json!({ "url": "https://example.com/2" })).await.ok(201);
    let schemas = json!({ "1": { "type": "object", "examples": [{ "n": 1 }, { "n": 2 }, 7] } });
    let paid = json!({ "name": "paid", "description": "", "schemas": schemas });
    api.post("/event-type", paid).await.ok(201);
    api.patch("/app/shop/endpoint/hook", json!({ "channels": ["eu"] })).await.ok(200);
    for (body, payload) in [
        (json!({ "eventType": "paid" }), json!({ "n": 1 })),
        (json!({ "eventType": "paid", "exampleIndex": 1 }), json!({ "n": 2 })),
        (json!({ "eventType": "paid", "payload": { "own": 1 } }), json!({ "own": 1 })),
        (json!({ "eventType": "svix.ping" }), json!({ "success": true })),
    ] {
        let shown = api.post(EXAMPLE, body.clone()).await.ok(200);
        assert_eq!((&shown["eventType"], &shown["payload"]), (&body["eventType"], &json!({})));
        let stored = api.get(&format!("/app/shop/msg/{}", shown["id"].as_str().unwrap())).await;
        assert_eq!(stored.ok(200)["payload"], payload);
        assert_eq!(deliveries(&api).await, [(0, 0, true, true)]);
        api.change("DELETE FROM delivery").await;
    }
}

#[linchpin_testing::test]
async fn an_example_that_is_not_there_is_refused() {
    let api = sent().await;
    let schemas =
        json!({ "1": { "type": "object", "examples": [{}, 7] }, "2": { "examples": [{}] } });
    for (name, schemas) in [("paid", schemas), ("bare", Value::Null), ("none", json!({ "1": {} }))]
    {
        let kind = json!({ "name": name, "description": "", "schemas": schemas });
        api.post("/event-type", kind).await.ok(201);
    }
    for body in [
        json!({ "eventType": "paid", "exampleIndex": 1 }),
        json!({ "eventType": "paid", "exampleIndex": 2 }),
        json!({ "eventType": "bare" }),
        json!({ "eventType": "none" }),
    ] {
        api.post(EXAMPLE, body).await.error(400, "invalid_scheme");
    }
    api.post(EXAMPLE, json!({ "eventType": "unknown" })).await.not_found();
    let body = json!({ "eventType": "-", "payload": [1] });
    let places = ["body.eventType.__all__", "body.payload"];
    assert_eq!(api.post(EXAMPLE, body).await.faults("value_error"), places);
    let ping = json!({ "eventType": "svix.ping" });
    let shop = api.get("/app/shop").await.ok(200)["id"].as_str().unwrap().parse().unwrap();
    let token = app_token(api.org, shop);
    let reply = api.call_as(&token, Method::POST, EXAMPLE, ping.clone()).await;
    reply.error(403, "insufficient access");
    api.patch("/app/shop/endpoint/hook", json!({ "disabled": true })).await.ok(200);
    api.post(EXAMPLE, ping).await.error(409, "endpoint_disabled");
    assert_eq!(api.number("SELECT count(*) FROM message").await, 1);
}

#[linchpin_testing::test]
async fn precheck_tells_what_create_would_do() {
    let api = Api::new();
    api.app("shop").await;
    for name in ["paid", "sent"] {
        api.post("/event-type", json!({ "name": name, "description": "" })).await.ok(201);
    }
    let bodies = [
        json!({ "eventType": "paid" }),
        json!({ "eventType": "sent" }),
        json!({ "eventType": "paid", "channels": ["eu"] }),
        json!({ "eventType": "sent", "channels": ["eu", "us"] }),
        json!({ "eventType": "never.registered", "channels": ["us"] }),
    ];
    let mut seen = (false, false);
    for wants in [
        Value::Null,
        json!({ "disabled": true }),
        json!({ "eventTypes": ["sent"], "channels": ["us"] }),
        json!({ "eventTypes": ["paid"] }),
        json!({}),
    ] {
        if let Value::Object(mut endpoint) = wants {
            endpoint.insert("url".to_owned(), "https://example.com/".into());
            api.post("/app/shop/endpoint", Value::Object(endpoint)).await.ok(201);
        }
        for body in &bodies {
            let told = api.post("/app/shop/msg/precheck/active", body.clone()).await.ok(200);
            let mut message = body.clone();
            message["payload"] = json!({});
            api.post("/app/shop/msg", message).await.ok(202);
            let goes = api.number("SELECT count(*) FROM delivery").await > 0;
            assert_eq!(told, json!({ "active": goes }), "{body}");
            seen = if goes { (true, seen.1) } else { (seen.0, true) };
            api.change("DELETE FROM delivery").await;
        }
    }
    assert_eq!(seen, (true, true));
    let body = json!({ "eventType": "paid" });
    api.post("/app/nope/msg/precheck/active", body).await.not_found();
    // In the path it is an `eventId` like any other.
    let message = json!({ "eventType": "paid", "payload": {}, "eventId": "precheck" });
    api.post("/app/shop/msg", message).await.ok(202);
    assert_eq!(api.get("/app/shop/msg/precheck").await.ok(200)["eventId"], "precheck");
}
