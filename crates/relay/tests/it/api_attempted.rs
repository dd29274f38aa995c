//! What was sent where, with what became of it.

use std::time::Duration;

use http::Method;
use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use relay::ids::{AppId, AttemptId};
use serde_json::{Value, json};

use crate::api::{Api, app_token, ids};

/// Endpoints `a` and `b`, and a message to both for each fate, which `a` has of it.
///
/// Of its attempts the last one counts for the endpoint: `late` was delivered at last, and `again` is sent once more.
const FATES: [(&str, &[u8], Option<Duration>); 6] = [
    ("done", &[0], None),
    ("late", &[2, 0], None),
    ("again", &[0, 2], Some(Duration::from_mins(1))),
    ("trying", &[2, 2], Some(Duration::from_secs(30))),
    ("failed", &[2, 2], None),
    ("waiting", &[], Some(Duration::ZERO)),
];

async fn sent() -> (Api, AppId, Timestamp) {
    let api = Api::new();
    let app = api.app("shop").await;
    for uid in ["a", "b"] {
        let endpoint = json!({ "url": "https://example.com/", "uid": uid });
        api.post("/app/shop/endpoint", endpoint).await.ok(201);
    }
    for (event, ..) in FATES {
        let body = json!({ "eventType": event, "payload": { "n": event }, "eventId": event, "channels": ["x"] });
        api.post("/app/shop/msg", body).await.ok(202);
    }
    api.post("/app/shop/endpoint", json!({ "url": "https://example.com/", "uid": "c" }))
        .await
        .ok(201);
    api.change("DELETE FROM delivery").await;
    let now = Timestamp::now();
    let (org, a) = (api.org, "(SELECT id FROM endpoint WHERE uid = ?1)");
    let fates = move |tx: &mut Tx<'_>| {
        for (event, statuses, due) in FATES {
            let message = "(SELECT id FROM message WHERE event_id = ?2)";
            for (index, status) in statuses.iter().enumerate() {
                let at = now - Duration::from_secs(10) + Duration::from_secs(index as u64);
                let sql = format!(
                    "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                                          duration_ms, trigger_type, created_at)
                     VALUES (?3, ?4, {message}, {a}, ?5, '', ?6, 0, '', 1, 0, ?7)"
                );
                tx.execute(&sql, ("a", event, org, app, AttemptId::at(at), status, at.as_micros()))
                    .sql("insert")?;
            }
            if let Some(due) = due {
                let sql = format!(
                    "INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
                     VALUES (?3, ?4, {message}, {a}, 0, ?5, 0)"
                );
                tx.execute(&sql, ("a", event, org, app, (now + due).as_micros())).sql("insert")?;
            }
        }
        // The other endpoint was told of the first one alone.
        let other = format!(
            "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                                  duration_ms, trigger_type, created_at)
             VALUES (?3, ?4, (SELECT id FROM message WHERE event_id = ?2), {a}, ?5, '', 2, 0, '', 1, 0, ?6)"
        );
        tx.execute(&other, ("b", "done", org, app, AttemptId::at(now), now.as_micros()))
            .sql("insert")?;
        Ok(())
    };
    api.database.writer().submit(&Context::root(), fates).await.unwrap();
    (api, app, now)
}

/// The texts of a member, sorted: ids of the same four milliseconds have no order.
fn sorted(page: &Value, name: &str) -> Vec<String> {
    let mut found = ids(page, name);
    found.sort_unstable();
    found
}

#[linchpin_testing::test]
async fn attempted_messages_by_status() {
    let (api, ..) = sent().await;
    let list = "/app/shop/endpoint/a/msg";
    for (query, wanted) in [
        ("", vec!["again", "done", "failed", "late", "trying", "waiting"]),
        ("status=0", vec!["again", "done", "late"]),
        ("status=1", vec![]),
        ("status=2", vec!["failed"]),
        ("status=3", vec!["trying", "waiting"]),
        ("status=3&event_types=done,trying&channel=x", vec!["trying"]),
        ("channel=y", vec![]),
        ("tag=t", vec![]),
        ("before=2020-01-01T00:00:00Z", vec![]),
        ("after=2020-01-01T00:00:00Z&before=2020-02-01T00:00:00Z", vec![]),
    ] {
        let page = api.get(&format!("{list}?{query}")).await.ok(200);
        assert_eq!(sorted(&page, "eventType"), wanted, "{query}");
        assert_eq!(page["done"], true);
    }
    let page = api.get("/app/shop/endpoint/b/msg").await.ok(200);
    assert_eq!(
        (ids(&page, "eventType"), &page["data"][0]["status"]),
        (vec!["done".to_owned()], &json!(2))
    );
    let page = api.get("/app/shop/endpoint/c/msg").await.ok(200);
    assert_eq!(page, json!({ "data": [], "iterator": null, "done": true }));
    api.get("/app/shop/endpoint/d/msg").await.not_found();
    api.get("/app/nope/endpoint/a/msg").await.not_found();
}

#[linchpin_testing::test]
async fn an_attempted_message_is_shown_whole() {
    let (api, _, now) = sent().await;
    let one = async |event: &str, query: &str| {
        let list = format!("/app/shop/endpoint/a/msg?event_types={event}{query}");
        api.get(&list).await.ok(200)["data"][0].clone()
    };
    let mut shown = one("trying", "").await;
    let message = api.get("/app/shop/msg/trying").await.ok(200);
    let next = (now + Duration::from_secs(30)).to_string();
    assert_eq!(shown["nextAttempt"], next);
    assert_eq!((&shown["status"], &shown["statusText"]), (&json!(3), &json!("sending")));
    for name in ["nextAttempt", "status", "statusText"] {
        shown.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(shown, message);
    assert_eq!(one("trying", "&with_content=false").await["payload"], json!({}));
    let failed = one("failed", "").await;
    assert_eq!((&failed["statusText"], failed.get("nextAttempt")), (&json!("fail"), None));
    // Delivered, and on its way once more.
    let again = one("again", "").await;
    assert_eq!((&again["statusText"], again["nextAttempt"].is_string()), (&json!("success"), true));
}

#[linchpin_testing::test]
async fn attempted_destinations_have_a_second_page() {
    let (api, ..) = sent().await;
    let list = "/app/shop/msg/done/endpoint";
    let found = api.walk(list, 1, "id").await;
    let page = api.get(&format!("{list}?limit=1")).await.ok(200);
    assert_eq!((found.len(), &page["done"]), (2, &json!(false)));
    // One that is deleted since was a destination all the same.
    api.delete("/app/shop/endpoint/b").await.empty(204);
    assert_eq!(api.walk(list, 1, "id").await, found);
    api.get("/app/shop/msg/nope/endpoint").await.not_found();
    let stranger = app_token(api.org, api.app("stall").await);
    api.call_as(&stranger, Method::GET, list, Value::Null).await.not_found();
}

#[linchpin_testing::test]
async fn an_attempted_destination_is_shown_with_its_last_attempt() {
    let (api, _, now) = sent().await;
    for (event, status, text, next) in [
        ("done", 0, "success", None),
        ("late", 0, "success", None),
        ("again", 2, "fail", Some(60)),
        ("trying", 2, "fail", Some(30)),
        ("failed", 2, "fail", None),
        ("waiting", 3, "sending", Some(0)),
    ] {
        let page = api.get(&format!("/app/shop/msg/{event}/endpoint")).await.ok(200);
        // Ids of one moment are in any order.
        let destinations = page["data"].as_array().unwrap();
        let shown = destinations.iter().find(|one| one["uid"] == "a").unwrap();
        let next = next.map(|seconds| (now + Duration::from_secs(seconds)).to_string());
        assert_eq!(
            (&shown["status"], &shown["statusText"], &shown["nextAttempt"]),
            (&json!(status), &json!(text), &json!(next)),
            "{event}"
        );
        let endpoint = api.get("/app/shop/endpoint/a").await.ok(200);
        for (name, value) in endpoint.as_object().unwrap() {
            assert_eq!(&shown[name], value, "{name}");
        }
    }
}
