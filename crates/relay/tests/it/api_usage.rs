//! How much is sent for applications, and what they listen to.

use std::time::Duration;

use http::Method;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use relay::ids::{AppId, OrgId};
use serde_json::{Value, json};

use crate::api::{app_token, org_token};
use crate::api_task::shop::Shop;

const HOUR: Duration = Duration::from_hours(1);
const SUCCESS: u8 = 0;
const FAIL: u8 = 2;
const CANCELED: u8 = 4;
const USAGE: &str = "/stats/usage/app";
const EVENT_TYPES: &str = "/stats/usage/event-types";

/// The last five hours but the last half of one.
fn stretch(shop: &Shop) -> Value {
    json!({
        "since": (shop.now - 5 * HOUR).to_string(), "until": (shop.now - HOUR / 2).to_string(),
    })
}

#[linchpin_testing::test]
async fn usage_counts_and_names_what_it_does_not_know() {
    let shop = Shop::new(json!({})).await;
    let stall = shop.api.app("stall").await;
    let unasked = shop.api.app("unasked").await;
    // More than is counted at a time; and once the endpoint is gone, what it got was sent.
    shop.failures(10_001).await;
    shop.api.delete("/app/shop/endpoint/hook").await.empty(204);
    let shop = Shop::of(shop, json!({})).await;
    shop.message(2 * HOUR, &[FAIL, SUCCESS]).await;
    shop.message(2 * HOUR, &[CANCELED]).await;
    shop.message(6 * HOUR, &[SUCCESS]).await;
    shop.message(HOUR / 4, &[SUCCESS]).await;
    let counted = 10_001 + 2;

    let foreign = AppId::at(shop.now);
    let elsewhere = org_token(OrgId::at(shop.now));
    let theirs = shop.api.call_as(&elsewhere, Method::POST, "/app", json!({ "name": "Theirs" }));
    let theirs = theirs.await.ok(201)["id"].as_str().unwrap().to_owned();
    let mut body = stretch(&shop);
    body["appIds"] = json!(["shop", stall.to_string(), "nope", theirs, foreign.to_string()]);
    let task = shop.api.post(USAGE, body.clone()).await.ok(202);
    let mut unknown = ["nope".to_owned(), theirs.clone(), foreign.to_string()];
    unknown.sort_unstable();
    assert_eq!(task["unresolvedAppIds"], json!(unknown));
    assert_eq!((&task["task"], &task["status"]), (&json!("application.stats"), &json!("running")));
    assert_eq!(shop.task(&task).await["data"], json!({ "appStats": [] }), "so far");

    let stats = |id: AppId, uid: &str, count: u64| json!({ "appId": id.to_string(), "appUid": uid, "messageDestinations": count });
    let mut expected = vec![(shop.app, "shop", counted), (stall, "stall", 0)];
    expected.sort_unstable();
    let shown = |all: &[(AppId, &str, u64)]| {
        let all: Vec<_> = all.iter().map(|(id, uid, count)| stats(*id, uid, *count)).collect();
        json!({ "appStats": all })
    };
    let ended = shop.ended(&task).await;
    assert_eq!(ended["status"], "finished", "{ended}");
    assert_eq!(ended["data"], shown(&expected));

    let task = shop.api.post(USAGE, stretch(&shop)).await.ok(202);
    assert_eq!(task["unresolvedAppIds"], json!([]));
    expected.push((unasked, "unasked", 0));
    expected.sort_unstable();
    assert_eq!(shop.ended(&task).await["data"], shown(&expected), "all of the organisation");
    let path = format!("/background-task/{}", task["id"].as_str().unwrap());
    shop.api.call_as(&elsewhere, Method::GET, &path, Value::Null).await.not_found();

    body["appIds"] = json!(["nope", theirs]);
    assert_eq!(shop.api.post(USAGE, body).await.faults("value_error"), ["body.appIds"]);
}

#[linchpin_testing::test]
async fn usage_that_cannot_be_counted_is_refused() {
    let shop = Shop::new(json!({})).await;
    let mut backward = stretch(&shop);
    backward["since"] = shop.now.to_string().into();
    assert_eq!(shop.api.post(USAGE, backward).await.faults("value_error"), ["body.since"]);
    // One of them is there: it is their number that is refused.
    let many: Vec<_> = (0..1000).map(|n| n.to_string()).chain(["shop".to_owned()]).collect();
    for (ids, why) in [(json!([]), "at least one item"), (json!(many), "at most 1000 items")] {
        let mut body = stretch(&shop);
        body["appIds"] = ids;
        let refused = shop.api.post(USAGE, body).await;
        assert_eq!(refused.faults("value_error"), ["body.appIds"]);
        let msg = refused.json()["detail"][0]["msg"].to_string();
        assert!(msg.contains(why), "{msg}");
    }
    let reply = shop.api.post(USAGE, shop.since(HOUR)).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.."], "`until` is missing");
    let token = app_token(shop.api.org, shop.app);
    for (method, path) in [(Method::POST, USAGE), (Method::PUT, EVENT_TYPES)] {
        let reply = shop.api.call_as(&token, method, path, stretch(&shop)).await;
        reply.error(403, "insufficient access");
    }
}

#[linchpin_testing::test]
async fn what_applications_listen_to_is_listed() {
    let shop = Shop::new(json!({})).await;
    for name in ["invoice.paid", "invoice.void", "user.new"] {
        let event_type = json!({ "name": name, "description": "" });
        shop.api.post("/event-type", event_type).await.ok(201);
    }
    let stall = shop.api.app("stall").await;
    let nobody = shop.api.app("nobody").await;
    let gone = shop.api.app("gone").await;
    for (uid, types, disabled) in [
        ("one", json!(["invoice.void", "invoice.paid"]), false),
        ("off", json!(["invoice.paid", "user.new"]), true),
        ("dead", Value::Null, false),
    ] {
        let body = json!({ "url": "https://example.com/", "uid": uid, "disabled": disabled, "eventTypes": types });
        shop.api.post("/app/stall/endpoint", body).await.ok(201);
    }
    shop.api.delete("/app/stall/endpoint/dead").await.empty(204);
    shop.api.delete("/app/gone").await.empty(204);

    let begin = async || shop.api.put(EVENT_TYPES, Value::Null).await.ok(202);
    let task = begin().await;
    assert_eq!(task["task"], "event-type.aggregate");
    assert_eq!(begin().await["id"], task["id"], "while it is under way");
    let item = |id: AppId, types: &[&str], all: bool| {
        json!({
            "appId": id.to_string(), "explicitlySubscribedEventTypes": types, "hasCatchAllEndpoint": all,
        })
    };
    let mut expected = vec![
        (shop.app, item(shop.app, &[], true)),
        (stall, item(stall, &["invoice.paid", "invoice.void", "user.new"], false)),
        (nobody, item(nobody, &[], false)),
    ];
    expected.sort_by_key(|(id, _)| *id);
    let expected: Vec<_> = expected.into_iter().map(|(_, item)| item).collect();
    let ended = shop.ended(&task).await;
    assert_eq!(ended["data"], json!({ "event_types": expected }), "without {gone}");
    assert_ne!(begin().await["id"], task["id"], "another one");
}

#[linchpin_testing::test]
async fn many_applications_are_counted_in_parts_and_each_is_there_once() {
    const MANY: u64 = 450;

    let shop = Shop::new(json!({})).await;
    let (org, begin) = (shop.api.org, shop.now - HOUR);
    let ids = shop
        .write(move |tx| {
            let mut ids = Vec::new();
            for n in 0..MANY {
                let at: Timestamp = begin + Duration::from_secs(n);
                let id = AppId::at(at);
                tx.execute(
                    "INSERT INTO application (org, id, name, metadata, created_at, updated_at)
                     VALUES (?1, ?2, 'Many', '{}', 0, 0)",
                    (org, id),
                )
                .sql("insert")?;
                ids.push(id.to_string());
            }
            Ok(ids)
        })
        .await;
    let task = shop.api.post(USAGE, stretch(&shop)).await.ok(202);
    let ended = shop.ended(&task).await;
    let listed = ended["data"]["appStats"].as_array().unwrap().iter();
    let listed: Vec<_> = listed.map(|one| one["appId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed[..MANY as usize], ids, "in their order");
    assert_eq!(listed[MANY as usize..], [shop.app.to_string()]);
    assert_eq!(shop.api.number("SELECT count(*) FROM background_task_part").await, 3);

    // With the task goes what it has found.
    let later = Timestamp::now() + HOUR;
    assert_eq!(shop.write(move |tx| relay::store::prune_tasks(tx, later, 10)).await, 1);
    assert_eq!(shop.api.number("SELECT count(*) FROM background_task_part").await, 0);
}
