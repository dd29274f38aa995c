//! What a message and an event type may ask for beside the plain.

use std::time::Duration;

use http::Method;
use linchpin::time::Timestamp;
use serde_json::{Value, json};

use crate::api::{Api, ids, sign};

fn message(more: &Value) -> Value {
    let mut message = json!({ "eventType": "paid", "payload": { "a": 1 } });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn ahead(time: Duration) -> String {
    (Timestamp::now() + time).to_string()
}

#[linchpin_testing::test]
async fn tags_filter_lists() {
    let api = Api::with_hook().await;
    for (event, tags) in [("one", json!(["x"])), ("two", json!(["x", "y"])), ("none", Value::Null)]
    {
        let created =
            api.post("/app/shop/msg", message(&json!({ "eventId": event, "tags": tags })));
        let created = created.await.ok(202);
        assert_eq!(created.get("tags").cloned().unwrap_or_default(), tags);
        assert_eq!(api.get(&format!("/app/shop/msg/{event}")).await.ok(200), created);
    }
    for (tag, wanted) in [("x", &["one", "two"][..]), ("y", &["two"]), ("z", &[])] {
        for list in ["/app/shop/msg", "/app/shop/endpoint/hook/msg"] {
            let page = api.get(&format!("{list}?tag={tag}")).await.ok(200);
            let mut found = ids(&page, "eventId");
            found.sort_unstable();
            assert_eq!(found, wanted, "{list} {tag}");
        }
    }
    let app = api.get("/app/shop").await.ok(200)["id"].as_str().unwrap().parse().unwrap();
    let endpoint = api.get("/app/shop/endpoint/hook").await.ok(200)["id"].clone();
    for event in ["one", "none"] {
        let message = api.get(&format!("/app/shop/msg/{event}")).await.ok(200)["id"].clone();
        let (message, endpoint) = (message.as_str().unwrap(), endpoint.as_str().unwrap());
        crate::api_attempt::insert(&api, app, message, endpoint, 1).await;
    }
    let page = api.get("/app/shop/attempt/endpoint/hook?tag=x").await.ok(200);
    let one = api.get("/app/shop/msg/one").await.ok(200);
    assert_eq!(ids(&page, "msgId"), [one["id"].as_str().unwrap()]);
}

#[linchpin_testing::test]
async fn a_delayed_message_waits_in_the_database() {
    let api = Api::with_hook().await;
    let at = ahead(Duration::from_hours(1));
    let created = api.post("/app/shop/msg", message(&json!({ "deliverAt": at }))).await.ok(202);
    assert_eq!(created["deliverAt"], at);
    let waits = "SELECT count(*) FROM delivery JOIN message ON message.id = delivery.message
                 WHERE leased = 0 AND due = deliver_at AND due > created_at";
    assert_eq!(api.number(waits).await, 1);
    assert_eq!(api.queue.in_memory().level, 0);
    let page = api.get("/app/shop/endpoint/hook/msg").await.ok(200);
    assert_eq!(
        (&page["data"][0]["status"], &page["data"][0]["nextAttempt"]),
        (&json!(3), &json!(at))
    );
    // One that comes later does not get it.
    api.post("/app/shop/endpoint", json!({ "url": "https://example.com/late" })).await.ok(201);
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, 1);
}

#[linchpin_testing::test]
async fn what_a_message_may_not_ask_for_is_told() {
    let api = Api::with_hook().await;
    let eleven: Vec<_> = (0..11).map(|number| number.to_string()).collect();
    let headers = |value: &str| json!({ "headers": { "Content-Type": value } });
    for (wish, place) in [
        (json!({ "tags": [] }), "tags"),
        (json!({ "tags": eleven }), "tags"),
        (json!({ "tags": ["a b"] }), "tags.[0].__all__"),
        (json!({ "deliverAt": ahead(Duration::from_secs(50)) }), "deliverAt"),
        (json!({ "deliverAt": ahead(Duration::from_hours(25)) }), "deliverAt"),
        (json!({ "payloadRetentionHours": 0 }), "payloadRetentionHours"),
        (json!({ "payloadRetentionHours": 2161 }), "payloadRetentionHours"),
        (
            json!({ "payloadRetentionHours": 24, "payloadRetentionPeriod": 5 }),
            "payloadRetentionHours",
        ),
        (
            json!({ "transformationsParams": headers("a\nb") }),
            "transformationsParams.headers.content-type",
        ),
        (
            json!({ "transformationsParams": headers("") }),
            "transformationsParams.headers.content-type",
        ),
    ] {
        let reply = api.post("/app/shop/msg", message(&wish)).await;
        assert_eq!(reply.faults("value_error"), [format!("body.{place}")], "{wish}");
    }
    assert_eq!(api.number("SELECT count(*) FROM message").await, 0);
}

#[linchpin_testing::test]
async fn a_period_of_its_own_says_when_a_payload_goes() {
    for (wish, hours) in [
        (json!({ "payloadRetentionHours": 1 }), 1),
        (json!({ "payloadRetentionHours": 2160 }), 2160),
        (json!({ "payloadRetentionPeriod": 5 }), 120),
    ] {
        let api = Api::with_hook().await;
        api.post("/app/shop/msg", message(&wish)).await.ok(202);
        let kept = "SELECT (content_until - created_at) / 3600000000 FROM message";
        assert_eq!(api.number(kept).await, hours, "{wish}");
    }
    let api = Api::with_hook().await;
    api.post("/app/shop/msg", message(&json!({}))).await.ok(202);
    assert_eq!(api.number("SELECT content_until IS NULL FROM message").await, 1);
}

#[linchpin_testing::test]
async fn an_expired_payload_is_shown_so() {
    let api = Api::with_hook().await;
    api.post("/app/shop/msg", message(&json!({ "eventId": "e1" }))).await.ok(202);
    api.change("DELETE FROM delivery; UPDATE message SET payload = x'', content = 1").await;
    let expired = json!({ "expired": true });
    assert_eq!(api.get("/app/shop/msg/e1").await.ok(200)["payload"], expired);
    assert_eq!(api.get("/app/shop/msg").await.ok(200)["data"][0]["payload"], expired);
    let without = api.get("/app/shop/msg/e1?with_content=false").await.ok(200);
    assert_eq!(without["payload"], json!({}));
    let resend = "/app/shop/msg/e1/endpoint/hook/resend";
    api.post(resend, Value::Null).await.error(400, "missing_payload");
}

#[linchpin_testing::test]
async fn an_event_type_is_shown_to_who_holds_any_of_its_flags() {
    let api = Api::new();
    let app = api.app("shop").await;
    for (name, flag, flags) in [
        ("all", Value::Null, Value::Null),
        ("both", json!("old"), json!(["beta", "gold"])),
        ("many", Value::Null, json!(["beta", "gold"])),
    ] {
        let body = json!({ "name": name, "description": "", "featureFlag": flag, "featureFlags": flags, "groupName": "g" });
        let created = api.post("/event-type", body).await.ok(201);
        assert_eq!(created.get("featureFlags").cloned().unwrap_or_default(), flags);
        assert_eq!(created["groupName"], "g");
    }
    let now = Timestamp::now();
    for (held, wanted) in [
        (json!([]), &["all"][..]),
        (json!(["old"]), &["all", "both"]),
        (json!(["gold", "x"]), &["all", "both", "many"]),
    ] {
        let claims =
            relay::api::auth::Claims::new(api.org, Some(app), now, now + Duration::from_hours(1));
        let mut claims = serde_json::to_value(&claims).unwrap();
        claims["feature_flags"] = held.clone();
        let token = sign(&claims);
        let page = api.call_as(&token, Method::GET, "/event-type", Value::Null).await.ok(200);
        assert_eq!(ids(&page, "name"), wanted, "{held}");
        for name in ["all", "both", "many"] {
            let path = format!("/event-type/{name}");
            let status = if wanted.contains(&name) { 200 } else { 404 };
            assert_eq!(api.call_as(&token, Method::GET, &path, Value::Null).await.status, status);
        }
    }
    let patch = json!({ "featureFlags": null, "groupName": null });
    let patched = api.patch("/event-type/many", patch).await.ok(200);
    assert_eq!((patched.get("featureFlags"), patched.get("groupName")), (None, None));
    let reply = api.patch("/event-type/many", json!({ "featureFlags": [], "groupName": "a b" }));
    let places = ["body.featureFlags", "body.groupName.__all__"];
    assert_eq!(reply.await.faults("value_error"), places);
}
