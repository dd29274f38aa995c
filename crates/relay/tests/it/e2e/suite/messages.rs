//! Messages reach whom they should, as often as they should.

use serde_json::{Value, json};

use super::super::EVENT_TYPES;
use super::super::models::{MessageAttemptOut, MessageStatus};
use super::super::process::receiver::Reply;
use super::super::sdk::api::{
    MessageAttemptListByEndpointOptions, MessageAttemptListByMsgOptions, MessageCreateOptions,
};
use super::client::{Bench, http_error, input, invalid, view};

#[linchpin_testing::test]
async fn a_message_fans_out_to_the_endpoints_whose_filters_it_passes() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    for name in ["invoice.paid", "user.signup"] {
        let event_type = json!({ "name": name, "description": "" });
        bench.svix.event_type().create(input(event_type), None).await.expect("create");
    }
    let paid = |mut more: Value| {
        more[EVENT_TYPES] = json!(["invoice.paid"]);
        more
    };
    let all = bench.endpoint(&app, "/all", json!({})).await;
    let typed = bench.endpoint(&app, "/typed", paid(json!({}))).await;
    let channel = bench.endpoint(&app, "/channel", json!({ "channels": ["eu", "us"] })).await;
    let both = bench.endpoint(&app, "/both", paid(json!({ "channels": ["eu"] }))).await;
    let off = bench.endpoint(&app, "/off", json!({ "disabled": true })).await;

    let message = |event_type: &str, channels: Value| json!({ "eventType": event_type, "channels": channels, "payload": { "type": event_type } });
    let cases = [
        (message("invoice.paid", Value::Null), vec![&all, &typed]),
        (message("user.signup", json!(["eu"])), vec![&all, &channel]),
        (message("user.signup", json!(["asia"])), vec![&all]),
        (message("invoice.paid", json!(["asia", "eu"])), vec![&all, &typed, &channel, &both]),
        (message("never.declared", Value::Null), vec![&all]),
    ];
    let mut sent = Vec::new();
    for (body, expected) in cases {
        sent.push((bench.message(&app, body).await, expected));
    }
    bench.settled().await;

    for (message, mut expected) in sent {
        let mut reached: Vec<_> =
            attempts(&bench, &app, &message).await.into_iter().map(|one| one.endpoint_id).collect();
        reached.sort_unstable();
        expected.sort_unstable();
        assert_eq!(reached.iter().collect::<Vec<_>>(), expected, "message {message}");
    }
    for (path, endpoint, count) in
        [("/all", &all, 5), ("/typed", &typed, 2), ("/channel", &channel, 2), ("/both", &both, 1)]
    {
        let received = bench.receiver.received(path);
        assert_eq!(received.len(), count, "at {path}");
        for delivery in &received {
            bench.verify(&app, endpoint, delivery).await;
        }
    }

    bench
        .svix
        .endpoint()
        .patch(app.clone(), off.clone(), input(json!({ "disabled": false })))
        .await
        .expect("patch");
    let late = bench.message(&app, message("user.signup", Value::Null)).await;
    let received = bench.receiver.wait("/off", 1).await;
    assert_eq!(received[0].header("webhook-id"), late, "nothing came while it was disabled");
    bench.verify(&app, &off, &received[0]).await;
}

#[linchpin_testing::test]
async fn a_failed_delivery_is_made_again_under_the_same_id_with_a_fresh_timestamp() {
    // Longer than a second, so that the timestamps, whole seconds, must differ.
    let bench = Bench::start(&["--retry-schedule", "1100ms"]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    bench.receiver.reply("/hook", [Reply::Status(500)]);
    let message = bench.message(&app, json!({ "eventType": "a", "payload": { "n": 1 } })).await;

    let received = bench.receiver.wait("/hook", 2).await;
    bench.settled().await;
    let [first, second] = &received[..] else { panic!("{received:?}") };
    for delivery in &received {
        assert_eq!(delivery.header("svix-id"), message);
        assert_eq!(delivery.header("webhook-id"), message);
        assert_eq!(delivery.text(), r#"{"n":1}"#);
        bench.verify(&app, &endpoint, delivery).await;
    }
    let second_of = |delivery: &super::super::process::receiver::Delivery| {
        delivery.header("svix-timestamp").parse::<i64>().expect("seconds")
    };
    assert!(second_of(second) > second_of(first));
    assert_ne!(first.header("svix-signature"), second.header("svix-signature"));

    let attempts = attempts(&bench, &app, &message).await;
    assert_eq!(outcomes(&attempts), [(200, MessageStatus::Success), (500, MessageStatus::Fail)]);
    assert_eq!(attempts[1].response, "answer 500");
    assert_eq!(attempts[0].url, bench.receiver.url("/hook"));
    let options =
        MessageAttemptListByEndpointOptions { with_content: Some(true), ..Default::default() };
    let list = bench.svix.message_attempt();
    let by_endpoint = list.list_by_endpoint(app.clone(), endpoint, Some(options)).await;
    assert_eq!(view(&by_endpoint.expect("list").data), view(&attempts));
    let one = bench.svix.message_attempt().get(app, message, attempts[0].id.clone(), None).await;
    assert_eq!(one.expect("get").response_status_code, 200);
    let next = "SELECT next_attempt IS NULL FROM attempt ORDER BY rowid";
    assert_eq!(bench.home.query::<bool>(next), [false, true], "a retry was planned, then none");
}

#[linchpin_testing::test]
async fn a_delivery_that_exhausts_its_schedule_ends_as_a_failure() {
    let bench = Bench::start(&["--retry-schedule", "20ms,30ms"]).await;
    let app = bench.application().await;
    bench.endpoint(&app, "/hook", json!({})).await;
    bench.receiver.reply("/hook", vec![Reply::Status(503); 9]);
    let message = bench.message(&app, json!({ "eventType": "a", "payload": {} })).await;
    bench.receiver.wait("/hook", 3).await;
    bench.settled().await;
    let attempts = attempts(&bench, &app, &message).await;
    assert_eq!(outcomes(&attempts), [(503, MessageStatus::Fail); 3]);
    assert_eq!(bench.receiver.received("/hook").len(), 3);
    let next = "SELECT next_attempt IS NULL FROM attempt ORDER BY rowid";
    assert_eq!(bench.home.query::<bool>(next), [false, false, true]);
}

#[linchpin_testing::test]
async fn a_repeated_key_makes_one_message_and_one_delivery() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    bench.endpoint(&app, "/hook", json!({})).await;
    let send = async |key: &str, body: Value| {
        let options =
            MessageCreateOptions { idempotency_key: Some(key.into()), ..Default::default() };
        bench.svix.message().create(app.clone(), input(body), Some(options)).await
    };
    let body = |n: u32| json!({ "eventType": "a", "payload": { "n": n } });
    let first = send("key", body(1)).await.expect("create");
    let again = send("key", body(1)).await.expect("create again");
    assert_eq!(view(&first), view(&again));
    assert_eq!(invalid(send("key", body(2)).await), ["header.idempotency-key"]);
    let other = send("other", body(1)).await.expect("another key");
    assert_ne!(other.id, first.id);
    bench.settled().await;
    let mut received: Vec<_> = bench
        .receiver
        .received("/hook")
        .iter()
        .map(|one| one.header("svix-id").to_owned())
        .collect();
    received.sort_unstable();
    let mut expected = [first.id, other.id];
    expected.sort_unstable();
    assert_eq!(received, expected);
}

#[linchpin_testing::test]
async fn an_event_id_is_taken_once() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let body = json!({ "eventType": "a", "eventId": "order-1", "payload": { "n": 1 } });
    let made = bench.message(&app, body.clone()).await;
    let again = bench.svix.message().create(app.clone(), input(body.clone()), None).await;
    assert_eq!(http_error(again), (409, "conflict".into()));
    let found = bench.svix.message().get(app, "order-1".into(), None).await.expect("by event id");
    assert_eq!((found.id, found.event_id.as_deref()), (made, Some("order-1")));
    let elsewhere = bench.application().await;
    bench.message(&elsewhere, body).await;
}

async fn attempts(bench: &Bench, app: &str, message: &str) -> Vec<MessageAttemptOut> {
    // Version 2 leaves responses out by default.
    let options = MessageAttemptListByMsgOptions { with_content: Some(true), ..Default::default() };
    let list = bench.svix.message_attempt();
    let page = list.list_by_msg(app.into(), message.into(), Some(options)).await;
    page.expect("list").data
}

/// Newest first, as listed.
fn outcomes(attempts: &[MessageAttemptOut]) -> Vec<(i16, MessageStatus)> {
    attempts.iter().map(|one| (one.response_status_code, one.status)).collect()
}
