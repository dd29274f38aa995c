//! What operators see of a service that runs.

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use linchpin_http::lifecycle::{self, Lifecycle};
use metrics_exporter_prometheus::PrometheusBuilder;
use relay::admin::{self, AdminState};
use tower::ServiceExt as _;

use crate::api::Api;
use crate::process::Home;

#[tokio::test]
async fn panics_are_counted_from_the_start() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let metrics = relay.metrics().await;
    assert!(metrics.lines().any(|line| line == "linchpin_panics_total 0"), "{metrics}");
}

#[tokio::test]
async fn readiness_says_what_does_not_answer() {
    let api = Api::new();
    let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
    let router = admin::router(AdminState {
        life: life.clone(),
        database: api.database.clone(),
        queue: api.queue.clone(),
        store: api.store.clone(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    });
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

async fn ready(router: &Router) -> (u16, String) {
    let request = Request::get("/ready").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
