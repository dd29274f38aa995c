//! Deliveries that somebody asks for.

use serde_json::{Value, json};

use super::super::process::eventually;
use super::super::process::receiver::Reply;
use super::client::{Bench, http_error, input, view};

impl Bench {
    async fn resend(&self, app: &str, message: &str, endpoint: &str) {
        let attempts = self.svix.message_attempt();
        attempts.resend(app.into(), message.into(), endpoint.into(), None).await.expect("resend");
    }

    /// Status code and trigger of each attempt, oldest first.
    async fn told(&self, app: &str, message: &str) -> Vec<(i64, i64)> {
        let list = self.svix.message_attempt();
        let page = list.list_by_msg(app.into(), message.into(), None).await.expect("list");
        let number = |one: &Value, name: &str| one[name].as_i64().expect("a number");
        let told = |one: &Value| (number(one, "responseStatusCode"), number(one, "triggerType"));
        view(&page.data).as_array().expect("a list").iter().rev().map(told).collect()
    }
}

#[linchpin_testing::test]
async fn a_resend_arrives_and_leaves_the_schedule_alone() {
    let bench = Bench::start(&["--retry-schedule", "1h,20ms,1h"]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    bench.receiver.reply("/hook", [500, 500, 500, 200].map(Reply::Status));
    let message = bench.message(&app, json!({ "eventType": "a", "payload": { "n": 1 } })).await;
    bench.receiver.wait("/hook", 1).await;
    // The next attempt is an hour away, until somebody asks; the one after that comes by itself.
    eventually("recorded", async || bench.told(&app, &message).await.len() == 1).await;
    bench.resend(&app, &message, &endpoint).await;
    bench.receiver.wait("/hook", 3).await;
    eventually("recorded", async || bench.told(&app, &message).await.len() == 3).await;
    assert_eq!(bench.home.query::<i64>("SELECT attempt FROM delivery"), [3], "one more is owed");
    bench.resend(&app, &message, &endpoint).await;
    let received = bench.receiver.wait("/hook", 4).await;
    bench.settled().await;
    for delivery in &received {
        assert_eq!(delivery.header("webhook-id"), message);
        bench.verify(&app, &endpoint, delivery).await;
    }
    assert_eq!(bench.told(&app, &message).await.last(), Some(&(200, 0)));
}

#[linchpin_testing::test]
async fn a_resend_of_a_success_sends_again() {
    let bench = Bench::start(&["--retry-schedule", "20ms"]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    bench.receiver.reply("/hook", [200, 500, 200].map(Reply::Status));
    let message = bench.message(&app, json!({ "eventType": "a", "payload": {} })).await;
    bench.receiver.wait("/hook", 1).await;
    bench.settled().await;
    bench.resend(&app, &message, &endpoint).await;
    bench.receiver.wait("/hook", 3).await;
    bench.settled().await;
    assert_eq!(bench.told(&app, &message).await, [(200, 0), (500, 1), (200, 0)]);
    // To one that did not want it, too.
    let late = bench.endpoint(&app, "/late", json!({ "channels": ["eu"] })).await;
    bench.resend(&app, &message, &late).await;
    assert_eq!(bench.receiver.wait("/late", 1).await[0].header("webhook-id"), message);
}

#[linchpin_testing::test]
async fn an_example_arrives_at_the_endpoint_that_is_tried_out() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    bench.endpoint(&app, "/other", json!({})).await;
    let schemas = json!({ "1": { "examples": [{ "n": 1 }, { "n": 2 }] } });
    let paid = json!({ "name": "paid", "description": "", "schemas": schemas });
    bench.svix.event_type().create(input(paid), None).await.expect("create");
    let send = async |body: Value| {
        bench.svix.endpoint().send_example(app.clone(), endpoint.clone(), input(body), None).await
    };
    let sent = send(json!({ "eventType": "paid", "exampleIndex": 1 })).await.expect("send");
    let received = bench.receiver.wait("/hook", 1).await;
    assert_eq!(
        (received[0].header("webhook-id"), received[0].text()),
        (sent.id.as_str(), r#"{"n":2}"#)
    );
    bench.verify(&app, &endpoint, &received[0]).await;
    send(json!({ "eventType": "svix.ping" })).await.expect("send");
    bench.receiver.wait("/hook", 2).await;
    bench.settled().await;
    assert!(bench.receiver.received("/other").is_empty());
    let none = send(json!({ "eventType": "paid", "exampleIndex": 2 })).await;
    assert_eq!(http_error(none), (400, "invalid_scheme".into()));
}

#[linchpin_testing::test]
async fn a_precheck_tells_whether_anybody_would_get_it() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    bench.endpoint(&app, "/hook", json!({ "channels": ["eu"] })).await;
    for (body, active) in [
        (json!({ "eventType": "a", "channels": ["eu"] }), true),
        (json!({ "eventType": "a" }), false),
    ] {
        let told = bench.svix.message().precheck(app.clone(), input(body), None).await;
        assert_eq!(told.expect("precheck").active, active);
    }
}
