//! Endpoints for operational webhooks, and what is told to whom.

use http::Method;
use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use relay::ids::{AppId, OrgId};
use serde_json::{Value, json};

use crate::api::{Api, app_token, org_token};

const ENDPOINTS: &str = "/operational-webhook/endpoint";
const URL: &str = "https://example.com/operational";

/// What an organisation was told, in order.
async fn told(api: &Api, org: OrgId) -> Vec<String> {
    let sql =
        "SELECT m.event_type FROM message m JOIN application a ON a.org = m.org AND a.id = m.app
               WHERE a.org = ?1 AND a.kind = 1 ORDER BY m.rowid";
    let query = move |conn: &rusqlite::Connection| {
        let mut rows = conn.prepare(sql).sql(sql)?;
        rows.query_map([org], |row| row.get(0)).and_then(Iterator::collect).sql(sql)
    };
    api.database.reader().query(&Context::root(), query).await.unwrap()
}

/// The application that nobody sees.
async fn hidden(api: &Api) -> AppId {
    let sql = "SELECT id FROM application WHERE kind = 1";
    let query = move |conn: &rusqlite::Connection| {
        conn.query_row(sql, (), |row| row.get::<_, AppId>(0)).sql(sql)
    };
    api.database.reader().query(&Context::root(), query).await.unwrap()
}

/// An endpoint of the application `shop`.
async fn endpoint(api: &Api, uid: &str) {
    let body = json!({ "url": "https://example.com/hook", "uid": uid });
    api.post("/app/shop/endpoint", body).await.ok(201);
}

#[linchpin_testing::test]
async fn what_is_created_is_shown_changed_and_deleted() {
    let api = Api::new();
    assert_eq!(api.get(ENDPOINTS).await.ok(200)["data"], json!([]));
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = json!({
        "url": URL, "uid": "ops", "eventTypes": ["endpoint.disabled"], "channels": ["ignored"],
        "secret": secret, "headers": { "x-one": "1" },
    });
    let created = api.post(ENDPOINTS, body).await.ok(201);
    assert_eq!(created["eventTypes"], json!(["endpoint.disabled"]));
    assert_eq!(created["channels"], Value::Null);
    let path = format!("{ENDPOINTS}/ops");
    for one in [&path, &format!("{ENDPOINTS}/{}", created["id"].as_str().unwrap())] {
        assert_eq!(api.get(one).await.ok(200), created);
    }
    assert_eq!(api.get(ENDPOINTS).await.ok(200)["data"], json!([created]));
    let headers = api.get(&format!("{path}/headers")).await.ok(200);
    assert_eq!(headers["headers"], json!({ "x-one": "1" }));
    let key = json!({ "headers": { "x-two": "2" } });
    api.put(&format!("{path}/headers"), key).await.empty(204);
    let headers = api.get(&format!("{path}/headers")).await.ok(200);
    assert_eq!(headers["headers"], json!({ "x-two": "2" }));
    assert_eq!(api.get(&format!("{path}/secret")).await.ok(200), json!({ "key": secret }));
    api.post(&format!("{path}/secret/rotate"), json!({})).await.empty(204);
    assert_ne!(api.get(&format!("{path}/secret")).await.ok(200), json!({ "key": secret }));
    let put = json!({ "url": format!("{URL}/new"), "uid": "ops" });
    let put = api.put(&path, put).await.ok(200);
    assert_eq!((&put["id"], &put["eventTypes"]), (&created["id"], &Value::Null));
    api.delete(&path).await.empty(204);
    api.get(&path).await.not_found();
    assert_eq!(api.get(ENDPOINTS).await.ok(200)["data"], json!([]));
    api.put(&path, json!({ "url": URL, "uid": "ops" })).await.ok(201);
    assert_eq!(api.number("SELECT count(*) FROM application").await, 1);
}

#[linchpin_testing::test]
async fn its_event_types_are_those_there_are() {
    let api = Api::new();
    // One of the organisation's own is none of these.
    api.post("/event-type", json!({ "name": "paid", "description": "" })).await.ok(201);
    for (method, path) in [(Method::POST, ENDPOINTS), (Method::PUT, &format!("{ENDPOINTS}/ops"))] {
        let body = json!({ "url": URL, "uid": "ops", "eventTypes": ["paid", "endpoint.created"] });
        let reply = api.call(method, path, body).await;
        assert_eq!(reply.faults("value_error"), ["body.eventTypes"]);
        let said = reply.json()["detail"][0]["msg"].as_str().unwrap().to_owned();
        assert!(said.contains("message.attempt.recovered") && said.ends_with("not paid"), "{said}");
    }
    // Nor is one of these one of the organisation's.
    api.app("shop").await;
    let body = json!({ "url": URL, "eventTypes": ["endpoint.created"] });
    let reply = api.post("/app/shop/endpoint", body).await;
    assert_eq!(reply.faults("value_error"), ["body.eventTypes"]);
}

#[linchpin_testing::test]
async fn an_application_that_is_deleted_as_a_whole_tells_nothing_of_its_endpoints() {
    let api = Api::new();
    api.post(ENDPOINTS, json!({ "url": URL, "uid": "ops" })).await.ok(201);
    api.app("shop").await;
    endpoint(&api, "hook").await;
    api.delete("/app/shop").await.empty(204);
    assert_eq!(told(&api, api.org).await, ["endpoint.created"]);
}

#[linchpin_testing::test]
async fn operational_endpoints_are_in_no_other_list() {
    let api = Api::new();
    let made = api.post(ENDPOINTS, json!({ "url": URL, "uid": "ops" })).await.ok(201);
    let (id, shop) = (made["id"].as_str().unwrap(), api.app("shop").await);
    endpoint(&api, "hook").await;
    assert_eq!(told(&api, api.org).await, ["endpoint.created"], "so there is something to see");
    assert_eq!(api.walk("/app", 1, "id").await, [shop.to_string()]);
    assert_eq!(api.get("/app?order=descending").await.ok(200)["data"][0]["uid"], "shop");

    // Nor is it reached by the application that has it ...
    let hidden = hidden(&api).await;
    let app = format!("/app/{hidden}");
    for below in ["", "/endpoint", "/endpoint/ops", "/msg", "/attempt/endpoint/ops"] {
        api.get(&format!("{app}{below}")).await.not_found();
    }
    for below in [format!("/endpoint/{id}"), format!("/endpoint/{id}/secret")] {
        api.get(&format!("{app}{below}")).await.not_found();
    }
    let message = json!({ "eventType": "endpoint.deleted", "payload": {} });
    api.post(&format!("{app}/msg"), message).await.not_found();
    api.post(&format!("{app}/endpoint"), json!({ "url": URL })).await.not_found();
    api.patch(&app, json!({ "uid": "mine" })).await.not_found();
    api.delete(&app).await.not_found();
    // (which a PUT takes for a name, as it does with every other that is not there)
    let put = api.put(&app, json!({ "name": "mine" })).await.ok(201);
    assert_ne!(put["id"], hidden.to_string());
    // ... nor by another application, nor by tokens of either.
    api.get(&format!("/app/shop/endpoint/{id}")).await.not_found();
    let all = api.get("/app/shop/endpoint").await.ok(200);
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
    for of in [hidden, shop] {
        let token = app_token(api.org, of);
        for path in [ENDPOINTS.to_owned(), format!("{ENDPOINTS}/{id}/secret")] {
            let reply = api.call_as(&token, Method::GET, &path, Value::Null).await;
            reply.error(403, "insufficient access");
        }
        for path in [app.clone(), format!("{app}/endpoint"), format!("/app/shop/endpoint/{id}")] {
            api.call_as(&token, Method::GET, &path, Value::Null).await.not_found();
        }
    }
    // And an endpoint of an application is none of these.
    api.get(&format!("{ENDPOINTS}/hook")).await.not_found();
}

#[linchpin_testing::test]
async fn an_organisation_never_gets_anothers_events() {
    let api = Api::new();
    let other = OrgId::at(Timestamp::now());
    let theirs = org_token(other);
    let call = async |method, path: &str, body| api.call_as(&theirs, method, path, body).await;
    let made = call(Method::POST, ENDPOINTS, json!({ "url": URL, "uid": "ops" })).await.ok(201);
    let path = format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap());
    api.get(&path).await.not_found();
    api.delete(&path).await.not_found();
    assert_eq!(api.get(ENDPOINTS).await.ok(200)["data"], json!([]));

    api.app("shop").await;
    endpoint(&api, "first").await;
    assert_eq!(api.number("SELECT count(*) FROM message").await, 0, "nobody is told");
    api.post(ENDPOINTS, json!({ "url": URL })).await.ok(201);
    endpoint(&api, "second").await;
    assert_eq!(told(&api, api.org).await, ["endpoint.created"]);
    assert!(told(&api, other).await.is_empty());
    let sql = "SELECT count(*) FROM delivery d JOIN endpoint e ON e.id = d.endpoint
               JOIN message m ON m.id = d.message
               WHERE e.org <> m.org OR e.app <> m.app OR d.org <> m.org";
    assert_eq!(api.number(sql).await, 0);
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, 1);
}

#[linchpin_testing::test]
async fn the_last_endpoint_that_goes_ends_the_emitting() {
    let api = Api::new();
    api.app("shop").await;
    let put = async |uid: &str, disabled: bool| {
        let body = json!({ "url": URL, "uid": uid, "disabled": disabled });
        api.put(&format!("{ENDPOINTS}/{uid}"), body).await
    };
    let told = async || told(&api, api.org).await.len();
    put("one", false).await.ok(201);
    put("two", false).await.ok(201);
    endpoint(&api, "a").await;
    assert_eq!(told().await, 1);
    api.delete(&format!("{ENDPOINTS}/one")).await.empty(204);
    endpoint(&api, "b").await;
    assert_eq!(told().await, 2, "the other is still there");
    api.delete(&format!("{ENDPOINTS}/two")).await.empty(204);
    // Both are there again behind its back, which nobody looks for.
    api.change("UPDATE endpoint SET deleted = 0 WHERE deleted = 1").await;
    endpoint(&api, "c").await;
    assert_eq!(told().await, 2);
    api.change("UPDATE endpoint SET deleted = 1 WHERE uid IS NULL").await;
    put("three", false).await.ok(201);
    endpoint(&api, "d").await;
    assert_eq!(told().await, 3, "another came");
    put("three", true).await.ok(200);
    api.change("UPDATE endpoint SET disabled = 0").await;
    endpoint(&api, "e").await;
    assert_eq!(told().await, 3, "it is disabled");
    put("three", false).await.ok(200);
    endpoint(&api, "f").await;
    assert_eq!(told().await, 4);
}

#[linchpin_testing::test]
async fn what_is_not_done_is_not_told_and_what_is_done_once_is_told_once() {
    let api = Api::new();
    api.app("shop").await;
    let wants = json!(["endpoint.created", "endpoint.updated"]);
    api.post(ENDPOINTS, json!({ "url": URL, "eventTypes": wants })).await.ok(201);
    let body = json!({ "url": URL, "uid": "hook" }).to_string();
    for _ in 0..2 {
        api.post_once("k", "/app/shop/endpoint", &body).await.ok(201);
    }
    api.post("/app/shop/endpoint", json!({ "url": URL, "uid": "hook" })).await.ok(409);
    api.patch("/app/shop/endpoint/hook", json!({ "eventTypes": ["never"] })).await.ok(422);
    assert_eq!(told(&api, api.org).await, ["endpoint.created"]);

    let path = "/app/shop/endpoint/hook";
    api.put(path, json!({ "url": URL, "uid": "hook" })).await.ok(200);
    api.patch(path, json!({ "description": "d" })).await.ok(200);
    let headers = json!({ "headers": { "x-one": "1" } });
    api.put(&format!("{path}/headers"), headers.clone()).await.empty(204);
    api.patch(&format!("{path}/headers"), headers).await.empty(204);
    api.post(&format!("{path}/secret/rotate"), json!({})).await.ok(200);
    // Nobody wants to hear of it, so nothing is stored.
    api.delete(path).await.empty(204);
    let mut all = vec!["endpoint.created"];
    all.extend(["endpoint.updated"; 5]);
    assert_eq!(told(&api, api.org).await, all);
    let created =
        "SELECT count(*) FROM message WHERE json_extract(payload, '$.data.appUid') = 'shop'
                   AND json_extract(payload, '$.data.endpointUid') = 'hook'
                   AND json_extract(payload, '$.type') = event_type";
    assert_eq!(api.number(created).await, 6);
}
