//! Requests whose bodies let them wait, and the places that they do not have meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::stream;
use http::{Request, StatusCode};
use linchpin::Context;
use linchpin::resilience::adaptive::Adaptive;
use linchpin::task::{self, Task};
use linchpin_http::middleware::{Admission, Ctx, StackOptions, stack};
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::admission::{ask, limit, text};

const SECOND: Duration = Duration::from_secs(1);

/// A router that lets one request in at a time and answers what came, and a request whose body comes when it is sent.
fn one_at_a_time() -> (Router, Adaptive) {
    let limit = limit(1);
    let slow = |Ctx(ctx): Ctx| async move {
        ctx.sleep(SECOND).await.unwrap();
        "done"
    };
    let router =
        Router::new().route("/", post(|body: String| async { body })).route("/slow", get(slow));
    let admission = Admission::default().adaptive(&limit);
    (stack(router, &Context::root(), &StackOptions::default().admission(admission)), limit)
}

/// Sends pieces, the next when it is asked to; ends with the sender.
fn piecewise(router: &Router) -> (mpsc::Sender<&'static str>, Task<Response>) {
    let (send, mut pieces) = mpsc::channel::<&'static str>(1);
    let body = Body::from_stream(stream::poll_fn(move |cx| {
        pieces.poll_recv(cx).map(|piece| piece.map(Ok::<_, Infallible>))
    }));
    let router = router.clone();
    let response = task::spawn("slow body", async move {
        router.oneshot(Request::post("/").body(body).unwrap()).await.unwrap()
    });
    (send, response)
}

#[linchpin_testing::test(start_paused)]
async fn a_request_whose_body_does_not_come_has_no_place_meanwhile() {
    let (router, limit) = one_at_a_time();
    let (body, response) = piecewise(&router);
    tokio::time::sleep(SECOND / 20).await;
    assert_eq!(limit.numbers().inflight, 1, "it may be on its way");
    assert_eq!(ask(&router, "/slow", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);

    // A piece now and then is none the better.
    for piece in ["a", "b", "c"] {
        tokio::time::sleep(SECOND / 5).await;
        assert_eq!(limit.numbers().inflight, 0);
        body.send(piece).await.unwrap();
    }
    assert_eq!(ask(&router, "/slow", &[]).await.status(), StatusCode::OK);
    drop(body);
    let response = response.join().await;
    assert_eq!((response.status(), limit.numbers().inflight), (StatusCode::OK, 1));
    assert_eq!((text(response).await.as_str(), limit.numbers().inflight), ("abc", 0));
}

#[linchpin_testing::test(start_paused)]
async fn a_request_whose_body_has_come_while_there_is_no_place_is_refused_like_any_other() {
    let (router, limit) = one_at_a_time();
    let (body, response) = piecewise(&router);
    tokio::time::sleep(SECOND / 5).await;
    let other = router.clone();
    let other = task::spawn("other", async move { ask(&other, "/slow", &[]).await });
    tokio::time::sleep(SECOND / 5).await;
    drop(body);
    let response = response.join().await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = serde_json::from_str(&text(response).await).unwrap();
    assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{problem}");
    assert_eq!(other.join().await.status(), StatusCode::OK);
    assert_eq!(limit.numbers().inflight, 0);
}
