//! Deliveries that are held back: by a breaker, an operator, a rate, a receiver.

use std::time::Duration;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

/// Many retries, each soon; what is held back comes back soon, too.
const FLAGS: [&str; 6] = [
    "--retry-schedule",
    "10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms",
    "--breaker-open-for",
    "300ms",
    "--breaker-max-open-for",
    "300ms",
];
/// When the attempts were made, in microseconds.
const TIMES: &str = "SELECT created_at FROM attempt ORDER BY rowid";

#[linchpin_testing::test]
async fn an_endpoint_that_fails_is_left_alone_and_no_attempt_is_used_up() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&FLAGS).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", vec![Reply::Status(500); 10]);
    let message = relay.message(&app, "{}").await;
    eventually("open", async || state(&relay, &endpoints[0]).await == "open").await;
    let codes = relay.attempts(&app, &message, 11).await;
    assert_eq!(codes, [vec![500; 10], vec![200]].concat());
    let times: Vec<i64> = home.query(TIMES);
    let pause = Duration::from_micros((times[10] - times[9]) as u64);
    assert!(pause >= Duration::from_millis(240), "it came back after {pause:?}");
    assert!(postponed(&relay, "breaker").await >= 1);
    // Two of three probes that succeed close it.
    let second = relay.message(&app, "{}").await;
    relay.attempts(&app, &second, 1).await;
    assert_eq!(state(&relay, &endpoints[0]).await, "closed");
    assert_eq!(receiver.received("/hook").len(), 12);
}

#[linchpin_testing::test]
async fn an_operator_holds_an_endpoint_and_lets_it_go() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&FLAGS).await;
    let urls = [receiver.url("/held"), receiver.url("/free")];
    let (app, endpoints) = relay.application(&[&urls[0], &urls[1]]).await;
    let path = format!("/breakers/{}", endpoints[0]);
    let set = relay.operate("POST", &path, r#"{"state":"isolated"}"#).await.expect(200);
    assert_eq!(set.json()["state"], "forced_open");
    let message = relay.message(&app, "{}").await;
    receiver.wait("/free", 1).await;
    eventually("postponed", async || postponed(&relay, "breaker").await == 1).await;
    assert!(receiver.received("/held").is_empty());
    assert_eq!(relay.attempts(&app, &message, 1).await, [200], "that of the other");
    let set = relay.operate("POST", &path, r#"{"state":"reset"}"#).await.expect(200);
    assert_eq!(set.json()["state"], "closed");
    receiver.wait("/held", 1).await;
    assert_eq!(relay.attempts(&app, &message, 2).await, [200, 200]);
    relay.operate("POST", "/breakers/ep_no", r#"{"state":"open"}"#).await.expect(404);
    relay.operate("POST", &path, r#"{"state":"ajar"}"#).await.expect(422);
}

#[linchpin_testing::test]
async fn w01_what_is_over_the_rate_of_an_endpoint_waits_for_its_turn_once() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&FLAGS).await;
    let app = relay.call("POST", "/app", r#"{"name":"App"}"#).await.expect(201).text("id");
    let body = serde_json::json!({ "url": receiver.url("/hook"), "throttleRate": 5 });
    relay.call("POST", &format!("/app/{app}/endpoint"), &body.to_string()).await.expect(201);
    for _ in 0..10 {
        relay.message(&app, "{}").await;
    }
    receiver.wait("/hook", 10).await;
    eventually("recorded", async || home.query::<i64>(TIMES).len() == 10).await;
    let times: Vec<i64> = home.query(TIMES);
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    let took = Duration::from_micros((last - first) as u64);
    // Five at once, and five more at their times.
    assert!(took >= Duration::from_millis(700), "all within {took:?}");
    assert!((1..=5).contains(&postponed(&relay, "throttle").await));
}

#[linchpin_testing::test]
async fn w01_the_rate_of_an_application_holds_for_all_of_its_endpoints() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&FLAGS).await;
    let made = relay.call("POST", "/app", r#"{"name":"App","throttleRate":2}"#).await;
    let app = made.expect(201).text("id");
    for path in ["/a", "/b"] {
        let body = serde_json::json!({ "url": receiver.url(path) }).to_string();
        relay.call("POST", &format!("/app/{app}/endpoint"), &body).await.expect(201);
    }
    relay.message(&app, "{}").await;
    relay.message(&app, "{}").await;
    receiver.wait("/a", 2).await;
    receiver.wait("/b", 2).await;
    eventually("recorded", async || home.query::<i64>(TIMES).len() == 4).await;
    let times: Vec<i64> = home.query(TIMES);
    let took = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(took >= 700_000, "two at once, two half a second apart: {took} us");
}

#[linchpin_testing::test]
async fn a_receiver_that_asks_for_a_pause_has_it_from_all_of_its_deliveries() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&["--retry-schedule", "10ms"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Asks(429, "2")]);
    let first = relay.message(&app, "{}").await;
    relay.attempts(&app, &first, 1).await;
    let second = relay.message(&app, "{}").await;
    assert_eq!(relay.attempts(&app, &first, 2).await, [429, 200]);
    assert_eq!(relay.attempts(&app, &second, 1).await, [200]);
    let times: Vec<i64> = home.query(TIMES);
    assert!(times[1..].iter().all(|time| time - times[0] >= 2_000_000), "{times:?}");
    assert!(postponed(&relay, "asked").await >= 1);
}

#[linchpin_testing::test]
async fn what_was_held_back_when_the_process_was_killed_is_delivered_after_it() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&FLAGS).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    let path = format!("/breakers/{}", endpoints[0]);
    relay.operate("POST", &path, r#"{"state":"open"}"#).await.expect(200);
    let mut messages = Vec::new();
    for _ in 0..20 {
        messages.push(relay.message(&app, "{}").await);
    }
    eventually("postponed", async || postponed(&relay, "breaker").await >= 20).await;
    relay.kill().await;
    assert!(receiver.received("/hook").is_empty());
    let relay = home.serve(&FLAGS).await;
    receiver.wait("/hook", 20).await;
    for message in &messages {
        assert_eq!(relay.attempts(&app, message, 1).await, [200]);
    }
    assert_eq!(receiver.received("/hook").len(), 20);
}

/// How the breaker of an endpoint is.
async fn state(relay: &Relay, endpoint: &str) -> String {
    let all = relay.operate("GET", "/policies", "").await.expect(200).json();
    let all = all["data"].as_array().expect("a list");
    let of_all = all.iter().filter(|one| one["key"].is_null());
    let names = of_all
        .map(|one| [&one["policy"], &one["instance"]].map(|name| name.as_str().expect("a name")));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            ["adaptive", "api"],
            ["limiter", "application-throttle"],
            ["limiter", "endpoint-pause"],
            ["limiter", "endpoint-throttle"],
            ["shed", "api"],
        ]
    );
    let of = all.iter().find(|one| one["key"] == endpoint);
    of.map_or("unknown", |one| one["state"].as_str().expect("a word")).to_owned()
}

/// How often deliveries were put off for this reason.
async fn postponed(relay: &Relay, why: &str) -> u64 {
    let name = format!("relay_deliveries_postponed_total{{why=\"{why}\"}} ");
    let metrics = relay.metrics().await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    value.map_or(0, |value| value.parse().expect("a number"))
}
