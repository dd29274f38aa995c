//! Endpoints.

use serde_json::{Value, json};

use crate::api::Api;

const URL: &str = "https://example.com/hook";

async fn shop() -> Api {
    let api = Api::new();
    api.app("shop").await;
    for name in ["paid", "sent"] {
        api.post("/event-type", json!({ "name": name, "description": "" })).await.ok(201);
    }
    api
}

#[linchpin_testing::test]
async fn what_is_created_is_shown_without_its_secret() {
    let api = shop().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = json!({
        "url": "HTTPS://Example.com:443/hook", "uid": "hook", "description": "d", "rateLimit": 5, "version": 2,
        "filterTypes": ["sent", "paid"], "channels": ["one"], "secret": secret, "metadata": { "a": "b" },
    });
    let created = api.post("/app/shop/endpoint", body).await.ok(201);
    assert_eq!(
        created,
        json!({
            "id": created["id"], "uid": "hook", "url": URL, "description": "d", "disabled": false,
            "eventTypes": ["paid", "sent"], "filterTypes": ["paid", "sent"], "channels": ["one"],
            "throttleRate": 5, "rateLimit": 5, "version": 2, "metadata": { "a": "b" },
            "retrySchedule": null, "disabledReason": null,
            "createdAt": created["createdAt"], "updatedAt": created["createdAt"],
        })
    );
    for path in ["hook", created["id"].as_str().unwrap()] {
        assert_eq!(api.get(&format!("/app/shop/endpoint/{path}")).await.ok(200), created);
    }
    let key = api.get("/app/shop/endpoint/hook/secret").await.ok(200);
    assert_eq!(key, json!({ "key": secret }));
}

#[linchpin_testing::test]
async fn unset_fields_are_null() {
    let api = shop().await;
    let created = api.post("/app/shop/endpoint", json!({ "url": URL })).await.ok(201);
    for name in ["uid", "eventTypes", "filterTypes", "channels", "throttleRate", "rateLimit"] {
        assert_eq!(created.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!((&created["version"], &created["description"]), (&json!(1), &json!("")));
    let id = created["id"].as_str().unwrap();
    let key = api.get(&format!("/app/shop/endpoint/{id}/secret")).await.ok(200);
    assert!(key["key"].as_str().unwrap().starts_with("whsec_"));
}

#[linchpin_testing::test]
async fn put_keeps_the_secret_and_creates_when_absent() {
    let api = shop().await;
    let path = "/app/shop/endpoint/hook";
    let first = json!({ "url": URL, "uid": "hook", "channels": ["one"], "throttleRate": 2 });
    let first = api.put(path, first).await.ok(201);
    let secret = api.get(&format!("{path}/secret")).await.ok(200);
    let second =
        api.put(path, json!({ "url": "https://example.com/new", "uid": "hook" })).await.ok(200);
    assert_eq!((&second["id"], &second["createdAt"]), (&first["id"], &first["createdAt"]));
    assert_eq!((&second["channels"], &second["throttleRate"]), (&Value::Null, &Value::Null));
    assert_eq!(second["url"], "https://example.com/new");
    assert_eq!(api.get(&format!("{path}/secret")).await.ok(200), secret);
}

#[linchpin_testing::test]
async fn patch_tells_absent_from_null() {
    let api = shop().await;
    let body = json!({ "url": URL, "uid": "hook", "eventTypes": ["paid"], "channels": ["a"], "throttleRate": 2 });
    let first = api.post("/app/shop/endpoint", body).await.ok(201);
    let path = format!("/app/shop/endpoint/{}", first["id"].as_str().unwrap());
    let same = api.patch(&path, json!({ "disabled": true })).await.ok(200);
    for name in ["uid", "url", "eventTypes", "channels", "throttleRate"] {
        assert_eq!(same[name], first[name], "{name}");
    }
    assert_eq!(same["disabled"], true);
    let body = json!({ "uid": null, "filterTypes": null, "channels": null, "throttleRate": null });
    let cleared = api.patch(&path, body).await.ok(200);
    for name in ["uid", "eventTypes", "filterTypes", "channels", "throttleRate", "rateLimit"] {
        assert_eq!(cleared[name], Value::Null, "{name}");
    }
    for name in ["url", "disabled", "description"] {
        let reply = api.patch(&path, json!({ name: null })).await;
        assert_eq!(reply.faults("value_error.jsondecode"), [format!("body.{name}")]);
    }
}

#[linchpin_testing::test]
async fn event_types_must_exist_and_be_live() {
    let api = shop().await;
    let subscribe = |types: Value| json!({ "url": URL, "uid": "hook", "eventTypes": types });
    api.delete("/event-type/sent").await.empty(204);
    for types in [json!(["nope"]), json!(["paid", "sent"])] {
        let reply = api.post("/app/shop/endpoint", subscribe(types.clone())).await;
        assert_eq!(reply.faults("value_error"), ["body.eventTypes"]);
        let reply = api.put("/app/shop/endpoint/hook", subscribe(types)).await;
        assert_eq!(reply.faults("value_error"), ["body.eventTypes"]);
    }
    api.post("/app/shop/endpoint", subscribe(json!(["paid"]))).await.ok(201);
    let reply = api.patch("/app/shop/endpoint/hook", json!({ "eventTypes": ["sent"] })).await;
    assert_eq!(reply.faults("value_error"), ["body.eventTypes"]);
    // A type that was archived since does not stand in the way of another change.
    api.delete("/event-type/paid").await.empty(204);
    api.patch("/app/shop/endpoint/hook", json!({ "description": "d" })).await.ok(200);
}

#[linchpin_testing::test]
async fn all_faults_of_a_body_are_told_at_once() {
    let api = shop().await;
    let body = json!({
        "url": "http://127.0.0.1/", "uid": "ep_mine", "throttleRate": 0, "version": 0, "eventTypes": [],
        "channels": ["ok", "not ok"], "secret": "plain",
    });
    assert_eq!(
        api.post("/app/shop/endpoint", body).await.faults("value_error"),
        [
            "body.url",
            "body.uid.__all__",
            "body.throttleRate",
            "body.version",
            "body.eventTypes",
            "body.channels.[0].__all__",
            "body.secret",
        ]
    );
    let channels: Vec<String> = (0..11).map(|n| format!("c{n}")).collect();
    let reply = api.post("/app/shop/endpoint", json!({ "url": URL, "channels": channels })).await;
    assert_eq!(reply.faults("value_error"), ["body.channels"]);
    api.post("/app/shop/endpoint", json!({ "url": URL, "channels": channels[..10] })).await.ok(201);
    let both = json!({ "url": URL, "eventTypes": ["paid"], "filterTypes": ["paid"] });
    api.post("/app/shop/endpoint", both).await.faults("value_error.jsondecode");
}

#[linchpin_testing::test]
async fn urls_that_may_not_be_called_are_refused() {
    let api = shop().await;
    for url in [
        "ftp://example.com/",
        "https://",
        "nonsense",
        "https://user:pass@example.com/",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest",
        "https://example.com/#part",
    ] {
        for reply in [
            api.post("/app/shop/endpoint", json!({ "url": url })).await,
            api.put("/app/shop/endpoint/hook", json!({ "url": url })).await,
        ] {
            assert_eq!(reply.faults("value_error"), ["body.url"], "{url}");
        }
    }
}

#[linchpin_testing::test]
async fn a_deleted_endpoint_is_gone_and_its_uid_is_free() {
    let api = shop().await;
    let body = json!({ "url": URL, "uid": "hook" });
    let first = api.post("/app/shop/endpoint", body.clone()).await.ok(201);
    api.post("/app/shop/endpoint", body.clone()).await.error(409, "conflict");
    api.delete("/app/shop/endpoint/hook").await.empty(204);
    for path in ["hook", first["id"].as_str().unwrap()] {
        api.get(&format!("/app/shop/endpoint/{path}")).await.not_found();
        api.get(&format!("/app/shop/endpoint/{path}/secret")).await.not_found();
        api.get(&format!("/app/shop/attempt/endpoint/{path}")).await.not_found();
    }
    api.post("/app/shop/endpoint", body.clone()).await.ok(201);
    // The same uid in another application is another endpoint.
    api.app("stall").await;
    api.post("/app/stall/endpoint", body).await.ok(201);
}

#[linchpin_testing::test]
async fn the_501st_endpoint_is_refused() {
    let api = shop().await;
    api.app("other").await;
    api.post("/app/shop/endpoint", json!({ "url": URL, "uid": "first" })).await.ok(201);
    api.change(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO endpoint (org, app, id, url, description, version, disabled, metadata, created_at,
                               updated_at, secret)
         SELECT org, app, randomblob(20), url, description, version, i % 2, metadata, created_at,
                updated_at, secret
         FROM endpoint, n",
    )
    .await;
    let (endpoint, path) = (json!({ "url": URL }), "/app/shop/endpoint");
    api.post(path, endpoint.clone()).await.error(400, "limit_reached");
    api.put(&format!("{path}/new"), endpoint.clone()).await.error(400, "limit_reached");
    assert_eq!(api.number("SELECT count(*) FROM endpoint").await, 500);
    // What is there may be replaced, and other applications have their own.
    let first = json!({ "url": URL, "uid": "first" });
    api.put(&format!("{path}/first"), first).await.ok(200);
    api.post("/app/other/endpoint", endpoint.clone()).await.ok(201);
    assert_eq!(api.delete(&format!("{path}/first")).await.status, 204);
    api.post(path, endpoint.clone()).await.ok(201);
    api.post(path, endpoint).await.error(400, "limit_reached");
}
