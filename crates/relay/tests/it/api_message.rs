//! Messages: what is stored, to whom it goes, what is listed.

use http::Method;
use linchpin::Context;
use linchpin_data::sqlite::Sql as _;
use serde_json::{Value, json};

use crate::api::{Api, ids, org_token};

async fn shop() -> Api {
    let api = Api::new();
    api.app("shop").await;
    api
}

async fn stored_payload(api: &Api) -> Vec<u8> {
    let query = |conn: &rusqlite::Connection| {
        conn.query_row("SELECT payload FROM message", (), |row| row.get(0)).sql("read")
    };
    api.database.reader().query(&Context::root(), query).await.unwrap()
}

#[linchpin_testing::test]
async fn the_payload_is_kept_byte_for_byte() {
    let api = shop().await;
    // Number format, order of keys, blanks, escapes and a repeated key all stay.
    let payload = "{ \"z\" : 1.0e3,\n\t\"a\":\"\\u00e9 ✓\", \"z\":10000000000000000000001 }";
    let body = format!(r#"  {{"eventType":"paid", "payload":  {payload}  , "x": 1}} "#);
    let token = org_token(api.org);
    let reply = api.raw(Method::POST, "/app/shop/msg", &token, &[], body).await;
    reply.ok(202);
    assert!(String::from_utf8(reply.body.to_vec()).unwrap().contains(payload));
    assert_eq!(stored_payload(&api).await, payload.as_bytes());
}

#[linchpin_testing::test]
async fn a_payload_is_nested_no_deeper_than_clients_parse_a_list_of_it() {
    let api = shop().await;
    // The payload itself is one of them. What stands in a text is not nested.
    let nested = |depth: usize, text: &str| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"eventType":"paid","payload":{{"a":{open}"{text}"{close},"b":[]}}}}"#)
    };
    let token = org_token(api.org);
    let post = async |body| api.raw(Method::POST, "/app/shop/msg", &token, &[], body).await;
    for text in ["", "[[{{", r#"\"[[\\"#] {
        post(nested(124, text)).await.ok(202);
        let reply = post(nested(125, text)).await;
        assert_eq!(reply.faults("value_error"), ["body.payload"]);
    }
    post(nested(250_000, "")).await.faults("value_error");
    // Parsed by a client that stops at 128.
    assert_eq!(api.get("/app/shop/msg").await.ok(200)["data"].as_array().unwrap().len(), 3);
}

#[linchpin_testing::test]
async fn a_payload_that_common_parsers_do_not_read_is_refused() {
    let api = shop().await;
    let token = api.token();
    let post = async |payload: &str| {
        let body = format!(r#"{{"eventType":"a","payload":{payload}}}"#);
        api.raw(Method::POST, "/app/shop/msg", &token, &[], body).await
    };
    let many = "9".repeat(400);
    for payload in [
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\uDC00\uD800"}"#,
        r#"{"\udfff":1}"#,
        r#"{"a":1e999}"#,
        r#"{"a":[-1E400]}"#,
        &format!(r#"{{"a":{many}}}"#),
    ] {
        assert_eq!(post(payload).await.faults("value_error"), ["body.payload"], "{payload}");
    }
    for payload in [
        r#"{"a":"\ud83e\udd80","b":"\\ud800","c":"\ud7ff\ue000"}"#,
        r#"{"a":1e308,"b":true,"e":-1.5E-3,"1e999":"1e999"}"#,
        &format!(r#"{{"a":"{many}"}}"#),
    ] {
        post(payload).await.ok(202);
    }
    let list: Value = api.get("/app/shop/msg").await.ok(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 3);
}

#[linchpin_testing::test]
async fn a_raw_payload_that_common_parsers_do_not_read_is_not_shown() {
    let api = shop().await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(125), "}".repeat(125));
    for raw in [r#"{"a":"\ud800"}"#, r#"{"a":1e999}"#, &deep] {
        let params = json!({ "rawPayload": raw });
        let body = json!({ "eventType": "a", "payload": {}, "transformationsParams": params });
        let made = api.post("/app/shop/msg", body).await.ok(202);
        assert_eq!(made["payload"], json!({}));
    }
    api.get("/app/shop/msg").await.ok(200);
}

#[linchpin_testing::test]
async fn what_is_created_is_shown_with_or_without_content() {
    let api = shop().await;
    let body =
        json!({ "eventType": "paid", "data": { "a": 1 }, "eventId": "e1", "channels": ["b", "a"] });
    let created = api.post("/app/shop/msg", body).await.ok(202);
    assert_eq!(created["id"].as_str().unwrap().len(), 31);
    assert_eq!(
        created,
        json!({
            "id": created["id"], "eventId": "e1", "eventType": "paid", "payload": { "a": 1 },
            "channels": ["a", "b"], "timestamp": created["timestamp"],
        })
    );
    for path in ["e1", created["id"].as_str().unwrap()] {
        assert_eq!(api.get(&format!("/app/shop/msg/{path}")).await.ok(200), created);
    }
    let without = api.get("/app/shop/msg/e1?with_content=false").await.ok(200);
    assert_eq!(without["payload"], json!({}));
    let page = api.get("/app/shop/msg?with_content=false").await.ok(200);
    assert_eq!(page["data"], json!([without]));
    let body = json!({ "eventType": "paid", "payload": { "a": 1 } });
    let created = api.post("/app/shop/msg?with_content=false", body).await.ok(202);
    assert_eq!(
        (&created["payload"], &created["eventId"], &created["channels"]),
        (&json!({}), &Value::Null, &Value::Null)
    );
}

#[linchpin_testing::test]
async fn a_raw_payload_is_sent_in_the_place_of_the_payload() {
    let api = shop().await;
    let params = json!({ "rawPayload": "<xml/>", "headers": {} });
    let body = json!({ "eventType": "paid", "payload": {}, "transformationsParams": params });
    let created = api.post("/app/shop/msg", body).await.ok(202);
    assert_eq!(created["payload"], json!({}));
    assert_eq!(stored_payload(&api).await, b"<xml/>");
}

#[linchpin_testing::test]
async fn a_repeated_event_id_is_a_conflict() {
    let api = shop().await;
    let body = json!({ "eventType": "paid", "payload": {}, "eventId": "e1" });
    api.post("/app/shop/msg", body.clone()).await.ok(202);
    api.post("/app/shop/msg", body.clone()).await.error(409, "conflict");
    assert_eq!(api.number("SELECT count(*) FROM message").await, 1);
    api.app("stall").await;
    api.post("/app/stall/msg", body).await.ok(202);
}

#[linchpin_testing::test]
async fn only_live_endpoints_that_match_get_a_delivery() {
    let api = shop().await;
    for name in ["paid", "sent"] {
        api.post("/event-type", json!({ "name": name, "description": "" })).await.ok(201);
    }
    let create = |uid: &str, mut more: Value| {
        more["uid"] = json!(uid);
        more["url"] = json!(format!("https://example.com/{uid}"));
        api.post("/app/shop/endpoint", more)
    };
    create("all", json!({})).await.ok(201);
    create("paid", json!({ "eventTypes": ["paid"] })).await.ok(201);
    create("sent", json!({ "eventTypes": ["sent"] })).await.ok(201);
    create("room", json!({ "channels": ["room", "hall"] })).await.ok(201);
    create("both", json!({ "eventTypes": ["paid"], "channels": ["room"] })).await.ok(201);
    create("disabled", json!({ "disabled": true })).await.ok(201);
    create("deleted", json!({})).await.ok(201);
    api.delete("/app/shop/endpoint/deleted").await.empty(204);
    api.app("stall").await;
    api.post("/app/stall/endpoint", json!({ "url": "https://example.com/" })).await.ok(201);

    for (message, wanted) in [
        (json!({ "eventType": "paid" }), &["all", "paid"][..]),
        (json!({ "eventType": "other" }), &["all"]),
        (
            json!({ "eventType": "paid", "channels": ["room", "x"] }),
            &["all", "both", "paid", "room"],
        ),
        (json!({ "eventType": "sent", "channels": ["hall"] }), &["all", "room", "sent"]),
        (json!({ "eventType": "sent", "channels": ["elsewhere"] }), &["all", "sent"]),
    ] {
        let mut body = message.clone();
        body["payload"] = json!({});
        let id = api.post("/app/shop/msg", body).await.ok(202)["id"].as_str().unwrap().to_owned();
        assert_eq!(receivers(&api, &id).await, wanted, "{message}");
    }
    // One that comes later does not get what was sent before.
    let before = api.number("SELECT count(*) FROM delivery").await;
    create("late", json!({})).await.ok(201);
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, before);
}

async fn receivers(api: &Api, message: &str) -> Vec<String> {
    let message: relay::ids::MessageId = message.parse().unwrap();
    let query = move |conn: &rusqlite::Connection| {
        let sql =
            "SELECT e.uid FROM delivery d JOIN endpoint e ON e.id = d.endpoint AND e.app = d.app
                   WHERE d.message = ?1 AND d.org = e.org AND d.attempt = 0 ORDER BY e.uid";
        let mut query = conn.prepare(sql).sql("prepare")?;
        query
            .query_map([message], |row| row.get(0))
            .sql("query")?
            .collect::<Result<_, _>>()
            .sql("read")
    };
    api.database.reader().query(&Context::root(), query).await.unwrap()
}

#[linchpin_testing::test]
async fn a_message_to_nowhere_is_a_404_unless_it_brings_its_application() {
    let api = Api::new();
    let body = json!({ "eventType": "paid", "payload": {} });
    api.post("/app/shop/msg", body.clone()).await.not_found();

    let with = |app: Value| json!({ "eventType": "paid", "payload": {}, "application": app });
    let reply = api.post("/app/shop/msg", with(json!({ "name": "Shop" }))).await;
    assert_eq!(reply.faults("application_uid_missing"), ["body.application.uid"]);
    let reply = api.post("/app/shop/msg", with(json!({ "name": "Shop", "uid": "other" }))).await;
    assert_eq!(reply.faults("application_uid_mismatch"), ["body.application.uid"]);
    let reply = api.post("/app/shop/msg", with(json!({ "name": "", "uid": "a b" }))).await;
    let places = ["body.application.name", "body.application.uid.__all__"];
    assert_eq!(reply.faults("value_error"), places);
    assert_eq!(api.number("SELECT count(*) FROM application").await, 0);

    let shop = with(json!({ "name": "Shop", "uid": "shop" }));
    api.post("/app/shop/msg", shop.clone()).await.ok(202);
    api.post("/app/shop/msg", shop).await.ok(202);
    assert_eq!(api.get("/app/shop").await.ok(200)["name"], "Shop");
    assert_eq!(api.number("SELECT count(*) FROM message").await, 2);
}

#[linchpin_testing::test]
async fn all_faults_of_a_body_are_told_at_once() {
    let api = shop().await;
    let body = json!({
        "eventType": "a b", "payload": [1], "eventId": "msg_1", "channels": [], "payloadRetentionPeriod": 4,
    });
    assert_eq!(
        api.post("/app/shop/msg", body).await.faults("value_error"),
        [
            "body.eventType.__all__",
            "body.payload",
            "body.eventId.__all__",
            "body.channels",
            "body.payloadRetentionPeriod",
        ]
    );
    let six = json!(["1", "2", "3", "4", "5", "6"]);
    let body = json!({ "eventType": "a", "payload": {}, "channels": six });
    assert_eq!(api.post("/app/shop/msg", body).await.faults("value_error"), ["body.channels"]);
    for payload in [json!(null), json!("{}"), json!(7)] {
        let body = json!({ "eventType": "a", "payload": payload });
        assert_eq!(api.post("/app/shop/msg", body).await.faults("value_error"), ["body.payload"]);
    }
    api.post("/app/shop/msg", json!({ "eventType": "a" })).await.faults("value_error.jsondecode");
}

#[linchpin_testing::test]
async fn lists_are_filtered() {
    let api = shop().await;
    for (kind, channels) in [("a", json!(["x"])), ("b", json!(["x", "y"])), ("c", Value::Null)] {
        let body = json!({ "eventType": kind, "payload": {}, "channels": channels });
        api.post("/app/shop/msg", body).await.ok(202);
    }
    for (query, wanted) in [
        ("", vec!["c", "b", "a"]),
        ("?channel=x", vec!["b", "a"]),
        ("?channel=y", vec!["b"]),
        ("?event_types=a,c", vec!["c", "a"]),
        ("?event_types=a&event_types=b", vec!["b", "a"]),
        ("?event_types[]=a&event_types%5B1%5D=c", vec!["c", "a"]),
        ("?event_types=a,b&channel=y&unknown=1", vec!["b"]),
        ("?tag=x", vec![]),
        ("?before=2020-01-01T00:00:00Z", vec![]),
        ("?before=2020-01-01T00:00:00%2B02:00", vec![]),
        ("?after=2020-01-01T00:00:00", vec![]),
    ] {
        let page = api.get(&format!("/app/shop/msg{query}")).await.ok(200);
        let mut found = ids(&page, "eventType");
        // Ids of the same four milliseconds have no order.
        found.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(found, wanted, "{query}");
    }
    for query in ["before=yesterday", "with_content=maybe"] {
        let reply = api.get(&format!("/app/shop/msg?{query}")).await;
        reply.error(400, "generic_error");
        let name = query.split('=').next().unwrap();
        assert!(reply.json()["detail"].as_str().unwrap().contains(name), "{:?}", reply.body);
    }
}
