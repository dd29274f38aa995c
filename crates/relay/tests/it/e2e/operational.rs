//! What an organisation is told of its endpoints and deliveries, by the process that makes them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

/// Four retries, each soon; both families of headers.
const FLAGS: [&str; 4] = ["--retry-schedule", "10ms,10ms,10ms,10ms", "--webhook-headers", "both"];
const ENDPOINTS: &str = "/operational-webhook/endpoint";
const DELIVERIES: &str = "SELECT count(*) FROM delivery";
const HOUR: i64 = 3_600_000_000;

/// An application `shop` with an endpoint `hook`, and who is told of them at `/ops`.
struct Shop {
    home: Home,
    receiver: Receiver,
    relay: Relay,
}

impl Shop {
    async fn open() -> Self {
        let (home, receiver) = (Home::new(), Receiver::start().await);
        let relay = home.serve(&FLAGS).await;
        let shop = Self { home, receiver, relay };
        shop.call("POST", "/app", json!({ "name": "Shop", "uid": "shop" })).await;
        shop
    }

    /// Has `path` of the receiver told of what becomes of endpoints and deliveries.
    async fn listen(&self, path: &str) -> String {
        let body = json!({ "url": self.receiver.url(path) });
        self.call("POST", ENDPOINTS, body).await["id"].as_str().expect("an id").to_owned()
    }

    /// The endpoint `hook`, with this much more; its id.
    async fn hook(&self, more: Value) -> String {
        let mut body = more;
        body["url"] = self.receiver.url("/hook").into();
        body["uid"] = "hook".into();
        let made = self.call("POST", "/app/shop/endpoint", body).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// A call that succeeds.
    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.relay.call(method, path, &body.to_string()).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Sends a message that is answered so, and waits until that is on record.
    async fn message(&self, event: &str, answers: &[u16]) -> String {
        self.receiver.reply("/hook", answers.iter().copied().map(Reply::Status));
        let body = json!({ "eventType": "a", "eventId": event, "payload": {} });
        let message = self.call("POST", "/app/shop/msg", body).await;
        let id = message["id"].as_str().expect("an id").to_owned();
        assert_eq!(self.relay.attempts("shop", &id, answers.len()).await.len(), answers.len());
        id
    }

    async fn settled(&self) {
        eventually("settled", async || self.home.query::<i64>(DELIVERIES) == [0]).await;
    }

    /// What came to `path`, each message once, in the order of the messages: type and data.
    fn told(&self, path: &str) -> Vec<(String, Value)> {
        let received = self.receiver.received(path);
        let by_id: BTreeMap<_, _> = received
            .iter()
            .map(|one| (one.header("webhook-id").to_owned(), one.text().to_owned()))
            .collect();
        let rows = self.home.query::<String>("SELECT CAST(payload AS TEXT) FROM message");
        let told = by_id.values().map(|body| {
            assert!(rows.contains(body), "sent as it is stored");
            let mut body: Value = serde_json::from_str(body).expect("JSON");
            (body["type"].as_str().expect("a type").to_owned(), body["data"].take())
        });
        told.collect()
    }
}

#[linchpin_testing::test]
async fn the_seven_events_arrive_signed_and_once() {
    let mut shop = Shop::open().await;
    let listener = shop.listen("/ops").await;
    // The first that is sent there is still under way when the process is killed.
    shop.receiver.reply("/ops", [Reply::Hang]);
    let hook = shop.hook(json!({})).await;
    shop.receiver.wait("/ops", 1).await;
    let late = shop.message("late", &[500, 500, 500, 500, 200]).await;
    shop.call("PATCH", "/app/shop/endpoint/hook", json!({ "retrySchedule": [] })).await;
    let lost = shop.message("lost", &[503]).await;
    let gone = shop.message("gone", &[410]).await;
    shop.relay.kill().await;
    shop.relay = shop.home.serve(&FLAGS).await;
    shop.call("DELETE", "/app/shop/endpoint/hook", Value::Null).await;
    shop.receiver.wait("/ops", 9).await;
    shop.settled().await;

    let told = shop.told("/ops");
    let mut counts = BTreeMap::new();
    for (kind, data) in &told {
        *counts.entry(kind.as_str()).or_insert(0) += 1;
        assert_eq!((&data["appUid"], &data["endpointUid"]), (&json!("shop"), &json!("hook")));
        assert_eq!(data["endpointId"], *hook);
        assert!(data["appId"].as_str().is_some_and(|id| id.starts_with("app_")), "{data}");
    }
    let expected = [
        ("endpoint.created", 1),
        ("endpoint.deleted", 1),
        ("endpoint.disabled", 1),
        ("endpoint.updated", 1),
        ("message.attempt.exhausted", 2),
        ("message.attempt.failing", 1),
        ("message.attempt.recovered", 1),
    ];
    assert_eq!(counts, BTreeMap::from(expected));

    let of = |kind: &str, message: &str| {
        let mut all = told.iter().filter(|(is, data)| is == kind && data["msgId"] == *message);
        all.next().unwrap_or_else(|| panic!("{kind} of {message} in {told:?}")).1.clone()
    };
    for (kind, message, event, code, number) in [
        ("message.attempt.failing", &late, "late", 500, 4),
        ("message.attempt.recovered", &late, "late", 200, 5),
        ("message.attempt.exhausted", &lost, "lost", 503, 1),
        ("message.attempt.exhausted", &gone, "gone", 410, 1),
    ] {
        let data = of(kind, message);
        let path = format!("/app/shop/attempt/msg/{message}");
        let attempts = shop.call("GET", &path, Value::Null).await;
        let attempts = attempts["data"].as_array().expect("a list");
        let attempt = &attempts[attempts.len() - number];
        let last = json!({ "id": attempt["id"], "responseStatusCode": code, "timestamp": attempt["timestamp"] });
        assert_eq!((&data["msgEventId"], &data["lastAttempt"]), (&json!(event), &last), "{kind}");
    }
    // That of the 503, which nothing but failures came after.
    let disabled = told.iter().find(|(kind, _)| kind == "endpoint.disabled").expect("told");
    let since = of("message.attempt.exhausted", &lost)["lastAttempt"]["timestamp"].clone();
    assert_eq!(disabled.1["failSince"], since);

    let path = format!("{ENDPOINTS}/{listener}/secret");
    let secret = shop.call("GET", &path, Value::Null).await;
    let secret = Webhook::new(secret["key"].as_str().expect("a key")).expect("a secret");
    for one in shop.receiver.received("/ops") {
        secret.verify(&one.body, &one.headers).expect("signed");
    }
}

#[linchpin_testing::test]
async fn an_operational_endpoint_that_fails_tells_nobody() {
    let shop = Shop::open().await;
    let bad = shop.listen("/bad").await;
    shop.listen("/good").await;
    // One arrives late, then it is gone.
    shop.receiver.reply("/bad", [500, 500, 500, 500, 200, 410].map(Reply::Status));
    shop.hook(json!({})).await;
    shop.settled().await;
    for description in ["one", "two"] {
        let patch = json!({ "description": description });
        shop.call("PATCH", "/app/shop/endpoint/hook", patch).await;
        shop.settled().await;
    }
    let kinds: Vec<_> = shop.told("/good").into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["endpoint.created", "endpoint.updated", "endpoint.updated"]);
    assert_eq!(shop.receiver.received("/bad").len(), 6);
    let shown = shop.call("GET", &format!("{ENDPOINTS}/{bad}"), Value::Null).await;
    assert_eq!((&shown["disabled"], &shown["disabledReason"]), (&json!(true), &json!("gone")));

    // The other one is gone, too, and nobody is left. What is enabled behind the service's back is not looked for.
    shop.receiver.reply("/good", [Reply::Status(410)]);
    let stored = "SELECT count(*) FROM message";
    for messages in [4, 4] {
        shop.call("PATCH", "/app/shop/endpoint/hook", json!({ "description": "more" })).await;
        shop.settled().await;
        assert_eq!(shop.home.query::<i64>(stored), [messages]);
        shop.home.write("UPDATE endpoint SET disabled = 0");
    }
}

#[linchpin_testing::test]
async fn five_days_of_failures_tell_since_when() {
    let shop = Shop::open().await;
    shop.hook(json!({ "retrySchedule": [] })).await;
    shop.message("first", &[500]).await;
    shop.home.write(&format!(
        "UPDATE endpoint SET failing_since = failing_since - {}, failing_day = failing_day - {}",
        120 * HOUR,
        13 * HOUR,
    ));
    let since = shop.home.query::<i64>("SELECT failing_since FROM endpoint");
    shop.listen("/ops").await;
    shop.message("second", &[500]).await;
    shop.receiver.wait("/ops", 2).await;
    let told: BTreeMap<_, _> = shop.told("/ops").into_iter().collect();
    let since = linchpin::time::Timestamp::from_micros(since[0]).to_string();
    assert_eq!(told["endpoint.disabled"]["failSince"], since);
    assert!(told.contains_key("message.attempt.exhausted"), "{told:?}");
}

#[linchpin_testing::test]
async fn a_rate_of_failures_does_not_double_the_writes() {
    let shop = Shop::open().await;
    shop.hook(json!({})).await;
    // Failing, recovered, exhausted: and nobody has asked to be told.
    shop.message("late", &[500, 500, 500, 500, 200]).await;
    shop.message("lost", &[500, 500, 500, 500, 500]).await;
    shop.settled().await;
    let tables = ["message", "attempt", "application", "endpoint", "delivery"];
    let rows =
        tables.map(|table| shop.home.query::<i64>(&format!("SELECT count(*) FROM {table}"))[0]);
    assert_eq!(rows, [2, 10, 1, 1, 0]);
}
