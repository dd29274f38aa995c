//! What operators see of a service that runs.

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use linchpin_http::lifecycle::{self, Lifecycle};
use metrics_exporter_prometheus::PrometheusBuilder;
use relay::admin::{self, AdminState};
use relay::api::Gate;
use relay::events::Events;
use tower::ServiceExt as _;

use crate::api::Api;
use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

#[linchpin_testing::test]
async fn panics_are_counted_from_the_start() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let metrics = relay.metrics().await;
    assert!(metrics.lines().any(|line| line == "linchpin_panics_total 0"), "{metrics}");
}

#[linchpin_testing::test]
async fn a_peak_between_two_scrapes_is_seen_once() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/a"), &receiver.url("/b")]).await;
    let hold = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    for path in ["/a", "/b"] {
        receiver.reply(path, [Reply::After(hold.clone())]);
    }
    let message = relay.message(&app, "{}").await;
    for path in ["/a", "/b"] {
        receiver.wait(path, 1).await;
    }
    assert_eq!(in_memory(&relay).await, ("2".to_owned(), "2".to_owned()));
    hold.add_permits(2);
    relay.attempts(&app, &message, 2).await;
    // An attempt is seen a moment before its place is free; the peak is what there was since the last look.
    let mut before = "2".to_owned();
    eventually("out of memory", async || {
        let (level, peak) = in_memory(&relay).await;
        assert_eq!(peak, std::mem::replace(&mut before, level.clone()));
        level == "0"
    })
    .await;
    assert_eq!(in_memory(&relay).await, ("0".to_owned(), "0".to_owned()));
}

/// What the metrics say of deliveries in memory, now and at most.
async fn in_memory(relay: &Relay) -> (String, String) {
    let metrics = relay.metrics().await;
    let of = |name: &str| {
        let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
        lines.find_map(|rest| rest.strip_prefix(' ')).expect("a line of that name").to_owned()
    };
    (of("relay_deliveries_in_memory"), of("relay_deliveries_in_memory_peak"))
}

#[linchpin_testing::test]
async fn readiness_says_what_does_not_answer() {
    let api = Api::new();
    let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
    let router = watched(&api, &life);
    let down = "not ready: starting or shutting down\n";
    assert_eq!(ready(&router).await, (503, down.to_owned()));
    life.ready();
    assert_eq!(ready(&router).await, (200, "ready\n".to_owned()));
    let held = api.hold_the_writer().await;
    assert_eq!(ready(&router).await, (503, "not ready: no answer from queue\n".to_owned()));
    held.release().await;
    assert_eq!(ready(&router).await.0, 200);
    life.shutdown("enough");
    assert_eq!(ready(&router).await, (503, down.to_owned()));
}

/// The state of each part, by its name.
fn states(components: &serde_json::Value) -> std::collections::BTreeMap<&str, &str> {
    let all = components["data"].as_array().expect("a list").iter();
    all.map(|one| (one["name"].as_str().expect("a name"), one["state"].as_str().expect("a state")))
        .collect()
}

#[linchpin_testing::test]
async fn status_shows_each_part_of_a_relay_that_runs() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let said = relay.operate("GET", "/components", "").await.expect(200).json();
    let states = states(&said);
    let parts = [
        "backlog",
        "background tasks",
        "breakers",
        "deliveries",
        "events",
        "idempotency",
        "lanes",
        "metrics",
        "pruning",
        "readers",
        "requests",
        "retention",
        "service",
        "storage",
        "writer",
    ];
    assert_eq!(states, parts.map(|part| (part, "ok")).into());
    let variables = [("RELAY_ADMIN_URL", relay.admin.as_str())];
    let shown = home.run_with(&["status", "-o", "table"], &variables).await;
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.lines().count(), 1 + parts.len(), "{shown}");
    let nobody = [("RELAY_ADMIN_URL", "http://127.0.0.1:9")];
    let failed = home.run_with(&["status"], &nobody).await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
}

#[linchpin_testing::test]
async fn components_say_which_part_fails() {
    let api = Api::new();
    let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
    let router = watched(&api, &life);
    let components = async || {
        let request = Request::get("/components").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()
    };
    let said = components().await;
    // Nothing is sent here, and nothing swept.
    let wanted =
        [("service", "warn"), ("deliveries", "fail"), ("retention", "fail"), ("writer", "ok")];
    for (part, state) in wanted {
        assert_eq!(states(&said)[part], state, "{part} of {said}");
    }
    life.ready();
    let held = api.hold_the_writer().await;
    let said = components().await;
    for (part, state) in [("service", "ok"), ("writer", "fail"), ("readers", "ok")] {
        assert_eq!(states(&said)[part], state, "{part} of {said}");
    }
    held.release().await;
    assert_eq!(states(&components().await)["writer"], "ok");
}

/// What operators see of an API that is driven without a socket.
fn watched(api: &Api, life: &Lifecycle) -> Router {
    admin::router(AdminState {
        life: life.clone(),
        database: api.database.clone(),
        queue: api.queue.clone(),
        store: api.store.clone(),
        events: Events::new().unwrap(),
        policies: api.policies.clone(),
        rate_limit: None,
        gate: Gate::new().unwrap(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    })
}

async fn ready(router: &Router) -> (u16, String) {
    let request = Request::get("/ready").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
