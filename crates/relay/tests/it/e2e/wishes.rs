//! What a message asks for, as its receiver sees it.

use std::time::Duration;

use linchpin::time::Timestamp;
use serde_json::json;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};

#[linchpin_testing::test]
async fn raw_content_type_is_sent() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&["--retry-schedule", "1s"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    // Out of memory at first, and out of the database the second time.
    receiver.reply("/hook", [Reply::Status(500)]);
    let params = json!({ "rawPayload": "<a/>", "headers": { "content-type": "text/xml" } });
    let body = json!({ "eventType": "a", "payload": {}, "transformationsParams": params });
    relay.call("POST", &format!("/app/{app}/msg"), &body.to_string()).await.expect(202);
    for delivery in receiver.wait("/hook", 2).await {
        assert_eq!((delivery.header("content-type"), delivery.text()), ("text/xml", "<a/>"));
    }
    relay.message(&app, "{}").await;
    assert_eq!(receiver.wait("/hook", 3).await[2].header("content-type"), "application/json");
}

#[linchpin_testing::test]
async fn a_delayed_message_is_delivered_then_and_survives_a_restart() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let at = Timestamp::now() + Duration::from_hours(1);
    let body = json!({ "eventType": "a", "payload": { "late": 1 }, "deliverAt": at.to_string() });
    relay.call("POST", &format!("/app/{app}/msg"), &body.to_string()).await.expect(202);
    let second = relay.message(&app, "{}").await;
    assert_eq!(receiver.wait("/hook", 1).await[0].header("svix-id"), second, "only that one");
    let waiting = "SELECT count(*) FROM delivery";
    eventually("recorded", async || home.query::<i64>(waiting) == [1]).await;
    relay.kill().await;

    // An hour goes by while nobody serves, but for a second.
    let soon = (Timestamp::now() + Duration::from_secs(1)).as_micros();
    home.write(&format!("UPDATE delivery SET due = {soon}"));
    let relay = home.serve(&[]).await;
    let received = receiver.wait("/hook", 2).await;
    assert_eq!(received[1].text(), r#"{"late":1}"#);
    assert!(Timestamp::now().as_micros() >= soon, "not before");
    drop(relay);
}
