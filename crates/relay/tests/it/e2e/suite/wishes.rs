//! What the clients can ask for beside the plain is honoured.

use std::time::Duration;

use linchpin::time::Timestamp;
use serde_json::json;

use super::super::sdk::api::{MessageGetOptions, MessageListOptions};
use super::client::{Bench, http_error, input, view};

#[linchpin_testing::test]
async fn sdk_fields_are_honoured() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    let at = (Timestamp::now() + Duration::from_hours(1)).to_string();
    let body = json!({
        "eventType": "a", "payload": { "n": 1 }, "tags": ["x"], "payloadRetentionHours": 24, "deliverAt": at,
    });
    let message =
        bench.svix.message().create(app.clone(), input(body), None).await.expect("create");
    let shown = view(&message);
    let shown: Timestamp = shown["deliverAt"].as_str().expect("a time").parse().expect("RFC 3339");
    assert_eq!(shown.to_string(), at);
    let plain = bench.message(&app, json!({ "eventType": "a", "payload": {} })).await;
    let received = bench.receiver.wait("/hook", 1).await;
    assert_eq!(received[0].header("webhook-id"), plain, "the other waits");

    let options = MessageListOptions { tag: Some("x".to_owned()), ..MessageListOptions::default() };
    let page = bench.svix.message().list(app.clone(), Some(options)).await.expect("list");
    assert_eq!(page.data.len(), 1);
    assert_eq!(view(&page.data[0])["tags"], json!(["x"]));
    let kept =
        "SELECT (content_until - created_at) / 3600000000 FROM message WHERE tags IS NOT NULL";
    assert_eq!(bench.home.query::<i64>(kept), [24]);

    let id = message.id;
    bench.svix.message().expunge_content(app.clone(), id.clone()).await.expect("expunged");
    let options = MessageGetOptions { with_content: Some(true) };
    let gone = bench.svix.message().get(app.clone(), id.clone(), Some(options)).await.expect("get");
    assert_eq!(view(&gone)["payload"], json!({ "expired": true }));
    let resent = bench.svix.message_attempt().resend(app.clone(), id, endpoint, None).await;
    assert_eq!(http_error(resent), (400, "missing_payload".to_owned()));

    let kind =
        json!({ "name": "a", "description": "", "featureFlags": ["beta"], "groupName": "g" });
    let kind = view(&bench.svix.event_type().create(input(kind), None).await.expect("create"));
    assert_eq!((&kind["featureFlags"], &kind["groupName"]), (&json!(["beta"]), &json!("g")));
}
