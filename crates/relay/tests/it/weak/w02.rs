//! Endpoints that only fail, and what the list says of deliveries that nobody sends.

use std::sync::Arc;
use std::time::Duration;

use linchpin::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

const DELIVERIES: &str = "SELECT count(*) FROM delivery";
const SINCE: &str = "SELECT coalesce(failing_since, 0) FROM endpoint";
const HOUR: i64 = 3_600_000_000;

/// An application whose one endpoint answers 500 unless told otherwise.
struct Failing {
    home: Home,
    receiver: Receiver,
    relay: Relay,
    app: String,
    endpoint: String,
}

impl Failing {
    async fn new(flags: &[&str]) -> Self {
        let (home, receiver) = (Home::new(), Receiver::start().await);
        let flags = [&["--retry-schedule", "10ms"], flags].concat();
        let relay = home.serve(&flags).await;
        let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
        let endpoint = format!("/app/{app}/endpoint/{}", endpoints[0]);
        Self { home, receiver, relay, app, endpoint }
    }

    /// Sends a message that is answered so at each of its attempts, and waits for the end of it.
    async fn message(&self, status: u16) -> String {
        let attempts = if status == 200 { 1 } else { 2 };
        self.receiver.reply("/hook", vec![Reply::Status(status); attempts]);
        let message = self.relay.message(&self.app, "{}").await;
        eventually("settled", async || self.home.query::<i64>(DELIVERIES) == [0]).await;
        message
    }

    /// Has its failures begun so many hours earlier, and those of the last day thirteen hours ago.
    fn long_ago(&self, hours: i64) {
        let (since, day) = (hours * HOUR, 13 * HOUR);
        let sql = format!(
            "UPDATE endpoint SET failing_since = failing_since - {since},
                    failing_day = (SELECT max(created_at) FROM attempt) - {day}"
        );
        self.home.write(&sql);
    }

    async fn shown(&self) -> Value {
        self.relay.call("GET", &self.endpoint, "").await.expect(200).json()
    }

    async fn patch(&self, body: Value) {
        self.relay.call("PATCH", &self.endpoint, &body.to_string()).await.expect(200);
    }

    /// Asks for a task of the last hour.
    async fn ask_for(&self, task: &str) {
        let since = Timestamp::now() - Duration::from_hours(1);
        let body = json!({ "since": since.to_string() }).to_string();
        let path = format!("{}/{task}", self.endpoint);
        self.relay.call("POST", &path, &body).await.expect(202);
    }

    async fn attempts(&self, message: &str) -> Vec<Value> {
        let path = format!("/app/{}/attempt/msg/{message}?with_content=true", self.app);
        let page = self.relay.call("GET", &path, "").await.expect(200).json();
        page["data"].as_array().expect("a list").clone()
    }
}

#[linchpin_testing::test]
async fn w02_five_days_of_failures_disable() {
    let failing = Failing::new(&[]).await;
    failing.message(500).await;
    failing.long_ago(119);
    failing.message(500).await;
    assert_eq!(failing.shown().await["disabled"], false, "not yet");
    failing.long_ago(1);
    failing.message(500).await;
    let shown = failing.shown().await;
    assert_eq!((&shown["disabled"], &shown["disabledReason"]), (&json!(true), &json!("failing")));
    let counted = r#"relay_endpoints_disabled_total{why="failing"} 1"#;
    assert!(failing.relay.metrics().await.contains(counted));
    // The retry of the attempt that was one too many is not made, and says so.
    let statuses: Vec<i64> = failing.home.query("SELECT status FROM attempt ORDER BY rowid");
    assert_eq!(statuses, [2, 2, 2, 2, 2, 4]);

    // Enabled it begins anew.
    failing.patch(json!({ "disabled": false })).await;
    assert_eq!(failing.shown().await["disabledReason"], Value::Null);
    assert_eq!(failing.home.query::<i64>(SINCE), [0]);
    failing.message(500).await;
    assert_eq!(failing.shown().await["disabled"], false);
}

#[linchpin_testing::test]
async fn w02_one_success_begins_the_five_days_anew() {
    let failing = Failing::new(&[]).await;
    failing.message(500).await;
    failing.long_ago(130);
    failing.message(200).await;
    assert_eq!(failing.home.query::<i64>(SINCE), [0]);
    failing.message(500).await;
    assert_eq!(failing.shown().await["disabled"], false);
    assert_ne!(failing.home.query::<i64>(SINCE), [0]);
}

#[linchpin_testing::test]
async fn w02_nobody_is_disabled_where_that_is_turned_off() {
    let failing = Failing::new(&["--endpoint-disable-after", "0s"]).await;
    failing.message(500).await;
    failing.long_ago(1_000);
    failing.message(500).await;
    assert_eq!(failing.shown().await["disabled"], false);
}

#[linchpin_testing::test]
async fn w02_the_list_says_why_what_was_due_was_not_sent() {
    let failing = Failing::new(&["--retry-schedule", "1h"]).await;
    failing.receiver.reply("/hook", [Reply::Status(500)]);
    let message = failing.relay.message(&failing.app, "{}").await;
    failing.relay.attempts(&failing.app, &message, 1).await;
    failing.patch(json!({ "disabled": true })).await;
    // It comes due.
    failing.home.write("UPDATE delivery SET due = 0");
    failing.patch(json!({ "description": "looked at" })).await;
    eventually("skipped", async || failing.home.query::<i64>(DELIVERIES) == [0]).await;
    let attempts = failing.attempts(&message).await;
    let newest = &attempts[0];
    assert_eq!(newest["status"], 4);
    assert_eq!(newest["statusText"], "canceled");
    assert_eq!(newest["response"], "not sent: the endpoint is disabled");
    assert_eq!(newest["responseStatusCode"], 0);
    assert_eq!(attempts.len(), 2);
    // What was skipped is sent by who asks for it, once it may be.
    failing.patch(json!({ "disabled": false })).await;
    failing.ask_for("recover").await;
    failing.receiver.wait("/hook", 2).await;
}

#[linchpin_testing::test]
async fn w02_what_was_never_sent_is_missing_though_the_list_says_why() {
    let failing = Failing::new(&["--delivery-concurrency", "1"]).await;
    let gate = Arc::new(Semaphore::new(0));
    failing.receiver.reply("/hook", [Reply::After(gate.clone())]);
    failing.relay.message(&failing.app, "{}").await;
    failing.receiver.wait("/hook", 1).await;
    failing.relay.message(&failing.app, "{}").await;
    failing.patch(json!({ "disabled": true })).await;
    gate.add_permits(1);
    eventually("skipped", async || failing.home.query::<i64>(DELIVERIES) == [0]).await;
    let statuses = "SELECT status FROM attempt ORDER BY rowid";
    assert_eq!(failing.home.query::<i64>(statuses), [0, 4]);
    failing.patch(json!({ "disabled": false })).await;
    failing.ask_for("replay-missing").await;
    failing.receiver.wait("/hook", 2).await;
}

#[linchpin_testing::test]
async fn w02_another_url_begins_the_five_days_anew_and_hears_no_word_of_the_old() {
    let failing = Failing::new(&["--retry-schedule", "1h"]).await;
    failing.receiver.reply("/hook", [Reply::Status(500)]);
    let first = failing.relay.message(&failing.app, "{}").await;
    failing.relay.attempts(&failing.app, &first, 1).await;
    failing.long_ago(130);
    // Another attempt is under way while the URL changes, and is told that its receiver is gone.
    let gate = Arc::new(Semaphore::new(0));
    failing.receiver.reply("/hook", [Reply::FailAfter(gate.clone(), 410)]);
    let second = failing.relay.message(&failing.app, "{}").await;
    failing.receiver.wait("/hook", 2).await;
    failing.patch(json!({ "url": failing.receiver.url("/new") })).await;
    assert_eq!(failing.home.query::<i64>(SINCE), [0]);
    gate.add_permits(1);
    assert_eq!(failing.relay.attempts(&failing.app, &second, 1).await, [410]);
    assert_eq!(failing.shown().await["disabled"], false);
    failing.receiver.reply("/new", [Reply::Status(500)]);
    let third = failing.relay.message(&failing.app, "{}").await;
    failing.relay.attempts(&failing.app, &third, 1).await;
    assert_eq!(failing.shown().await["disabled"], false);
}

#[linchpin_testing::test]
async fn w02_a_message_that_nobody_gets_is_kept_and_counted() {
    let failing = Failing::new(&[]).await;
    failing.patch(json!({ "disabled": true })).await;
    let message = failing.relay.message(&failing.app, "{}").await;
    let path = format!("/app/{}/msg/{message}", failing.app);
    failing.relay.call("GET", &path, "").await.expect(200);
    assert_eq!(failing.relay.counted("relay_messages_unrouted_total").await, 1);
}
