//! Recoveries and replays, begun and followed through the client.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::models::BackgroundTaskStatus;
use super::super::process::eventually;
use super::super::process::receiver::Reply;
use super::super::sdk::api::BackgroundTaskListOptions;
use super::client::{Bench, http_error, input, view};

const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// So long ago that it covers the test, and near enough to be recovered.
fn recently() -> Value {
    let since = linchpin::time::Timestamp::now() - std::time::Duration::from_hours(1);
    json!({ "since": since.to_string() })
}

impl Bench {
    /// Waits until the task has come to its end, and returns it.
    async fn ended(&self, task: &str) -> Value {
        let get = async || self.svix.background_task().get(task.into()).await.expect("get");
        eventually("ended", async || get().await.status != BackgroundTaskStatus::Running).await;
        view(&get().await)
    }
}

#[linchpin_testing::test]
async fn a_recovery_delivers_what_had_failed() {
    let bench = Bench::start(&["--retry-schedule", ""]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    bench.receiver.reply("/hook", [500, 200, 503].map(Reply::Status));
    let mut messages = Vec::new();
    for n in 1..=3 {
        let body = json!({ "eventType": "a", "payload": { "n": n } });
        messages.push(bench.message(&app, body).await);
        // One after the other, so that each gets the answer meant for it.
        bench.receiver.wait("/hook", n).await;
    }
    bench.settled().await;

    let endpoints = bench.svix.endpoint();
    let begun = endpoints.recover(app.clone(), endpoint.clone(), input(recently()), None).await;
    let begun = begun.expect("recover");
    assert_eq!(view(&begun.task), "endpoint.recover");
    let ended = bench.ended(&begun.id).await;
    assert_eq!((&ended["status"], &ended["data"]["messagesSent"]), (&json!("finished"), &json!(2)));
    let received = bench.receiver.wait("/hook", 5).await;
    bench.settled().await;
    // Deliveries race, and ids made in the same millisecond have no order either.
    let again: BTreeSet<_> = received[3..].iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(again, BTreeSet::from([messages[0].as_str(), messages[2].as_str()]));
    for delivery in &received[3..] {
        bench.verify(&app, &endpoint, delivery).await;
    }
    let attempts = bench.svix.message_attempt().list_by_msg(app, messages[0].clone(), None).await;
    let attempts = view(&attempts.expect("list").data);
    let told = |n: usize| (&attempts[n]["responseStatusCode"], &attempts[n]["triggerType"]);
    assert_eq!(told(0), (&json!(200), &json!(1)), "by hand");
    assert_eq!(told(1), (&json!(500), &json!(0)));
}

#[linchpin_testing::test]
async fn a_replay_delivers_what_was_sent_before_the_endpoint_was_there() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let early = bench.message(&app, json!({ "eventType": "a", "payload": { "n": 1 } })).await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    let late = bench.message(&app, json!({ "eventType": "a", "payload": { "n": 2 } })).await;
    bench.receiver.wait("/hook", 1).await;
    bench.settled().await;

    let since = input(json!({ "since": LONG_AGO }));
    let endpoints = bench.svix.endpoint();
    let begun = endpoints.replay_missing(app.clone(), endpoint.clone(), since, None).await;
    let ended = bench.ended(&begun.expect("replay").id).await;
    assert_eq!((&ended["status"], &ended["data"]["messagesSent"]), (&json!("finished"), &json!(1)));
    let received = bench.receiver.wait("/hook", 2).await;
    bench.settled().await;
    let ids: Vec<_> = received.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(ids, [&late, &early]);

    let options = BackgroundTaskListOptions {
        status: Some(BackgroundTaskStatus::Finished),
        ..BackgroundTaskListOptions::default()
    };
    let tasks = bench.svix.background_task();
    let list = tasks.list(Some(options)).await.expect("list");
    assert_eq!(view(&list.data), json!([ended]));
    let missing = tasks.get("qtask_2KWPBeBvfIpdH7cf3xZi3GddiDo".into()).await;
    assert_eq!(http_error(missing), (404, "not_found".into()));
}
