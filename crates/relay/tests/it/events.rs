//! What operators see of deliveries while they happen.

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use linchpin::time::Timestamp;
use linchpin_http::lifecycle::{self, Lifecycle};
use metrics_exporter_prometheus::PrometheusBuilder;
use relay::admin::{self, AdminState};
use relay::events::{Attempted, Events, Outcome};
use relay::ids::{AppId, EndpointId, MessageId};
use relay::model::time::Time;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::api::Api;
use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, PATIENCE, Relay};

#[linchpin_testing::test]
async fn attempts_are_told_while_they_are_made_and_the_stream_ends_with_the_service() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    receiver.reply("/bad", [Reply::Status(500)]);
    let mut relay = home.serve(&["--retry-schedule", "1h"]).await;
    let mut all = Listener::to(&relay, "attempt.*").await;
    let mut failures = Listener::to(&relay, "attempt.failed").await;
    let (app, endpoints) =
        relay.application(&[&receiver.url("/good"), &receiver.url("/bad")]).await;
    let message = relay.message(&app, "{}").await;

    let mut told = [all.event().await, all.event().await];
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let [(delivered, good), (failed, bad)] = told;
    assert_eq!((&*delivered, &*failed), ("attempt.delivered", "attempt.failed"));
    for (event, endpoint, code) in [(&good, &endpoints[0], 200), (&bad, &endpoints[1], 500)] {
        assert_eq!(event["appId"], *app);
        assert_eq!(event["msgId"], *message);
        assert_eq!(event["endpointId"], **endpoint);
        assert_eq!((&event["attempt"], &event["responseStatusCode"]), (&1.into(), &code.into()));
        assert_eq!(event["nextAttempt"].is_string(), code == 500, "{event}");
    }
    assert_eq!(failures.event().await, (failed, bad));

    // It is told what is on record.
    assert_eq!(home.query::<i64>("SELECT count(*) FROM attempt"), [2]);
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);
    all.end().await;
    failures.end().await;
}

#[linchpin_testing::test]
async fn who_reads_too_slowly_is_told_how_many_it_missed() {
    let (events, router) = operators();
    let answer = router.clone().oneshot(request("")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for n in 0..1024 + 7 {
        events.tell(Outcome::Exhausted, attempted(n));
    }
    events.close();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    let mut parts = text.split("\n\n");
    assert_eq!(parts.next(), Some(": listening"));
    assert_eq!(parts.next(), Some("event: missed\ndata: 7"));
    let first = parts.next().unwrap();
    assert!(first.starts_with("event: attempt.exhausted\n"), "{first}");
    assert!(first.contains(r#""attempt":7,"#), "{first}");
    // All but the last part, which is empty.
    assert_eq!(parts.count(), 1024);
}

#[linchpin_testing::test]
async fn a_topic_that_makes_no_sense_is_refused_with_the_reason() {
    let answer = operators().1.oneshot(request("?topic=a..b")).await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&text).unwrap().contains("an empty one"));
}

#[linchpin_testing::test]
async fn who_goes_listens_no_more() {
    let (events, router) = operators();
    let answer = router.clone().oneshot(request("")).await.unwrap();
    assert_eq!(events.listeners(), 1);
    drop(answer);
    assert_eq!(events.listeners(), 0);
}

fn operators() -> (Events, Router) {
    let (api, events) = (Api::new(), Events::new().unwrap());
    let router = admin::router(AdminState {
        life: Lifecycle::new(lifecycle::Options::default()).unwrap(),
        database: api.database.clone(),
        queue: api.queue.clone(),
        store: api.store.clone(),
        events: events.clone(),
        policies: api.policies.clone(),
        rate_limit: None,
        gate: relay::api::Gate::new().unwrap(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    });
    (events, router)
}

fn request(query: &str) -> Request<Body> {
    Request::get(format!("/events{query}")).body(Body::empty()).unwrap()
}

fn attempted(attempt: u32) -> Attempted {
    let now = Timestamp::now();
    Attempted {
        app_id: AppId::at(now),
        msg_id: MessageId::at(now),
        endpoint_id: EndpointId::at(now),
        attempt,
        response_status_code: 500,
        response_duration_ms: 1,
        timestamp: Time(now),
        next_attempt: None,
    }
}

/// A client that follows the stream of a running service.
struct Listener {
    stream: TcpStream,
    text: String,
}

impl Listener {
    /// Returns once it misses nothing more.
    async fn to(relay: &Relay, topic: &str) -> Self {
        let host = relay.admin.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(host).await.expect("connect");
        let head = format!("GET /events?topic={topic} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("send");
        let mut listener = Self { stream, text: String::new() };
        listener.after(": listening\n\n").await;
        listener
    }

    /// The next event: its name and its data.
    async fn event(&mut self) -> (String, Value) {
        self.after("event: ").await;
        let name = self.after("\ndata: ").await;
        let data = self.after("\n\n").await;
        (name, serde_json::from_str(&data).expect("JSON"))
    }

    /// Reads on until `mark` has come; what was before it.
    async fn after(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.text.find(mark) {
                let rest = self.text.split_off(at + mark.len());
                let mut before = std::mem::replace(&mut self.text, rest);
                before.truncate(at);
                return before;
            }
            assert!(self.more().await, "no `{mark}` in `{}`", self.text);
        }
    }

    /// Whether there was more.
    async fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await.expect("in time");
        let many = read.unwrap_or(0);
        self.text.push_str(std::str::from_utf8(&bytes[..many]).expect("text"));
        many > 0
    }

    async fn end(mut self) {
        while self.more().await {}
        assert!(!self.text.contains("event: "), "{}", self.text);
    }
}
