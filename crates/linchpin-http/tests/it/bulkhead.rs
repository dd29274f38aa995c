//! A bulkhead around handlers: to the end of the body, by the request's context, with an answer for who is refused.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use http::{Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use linchpin::Context;
use linchpin::resilience::bulkhead::{Bulkhead, Options};
use linchpin_http::middleware::{Inside, StackOptions, bulkhead, stack};
use linchpin_testing::steps;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::support::{Running, ms, soon};

fn one(options: Options) -> Bulkhead {
    Bulkhead::new("reports", 1, options).unwrap()
}

fn in_use(bulkhead: &Bulkhead) -> (usize, u64) {
    let numbers = bulkhead.numbers();
    (numbers.in_use, numbers.failures)
}

/// A handler that sends what it is given, piece by piece.
fn streams(inside: Inside) -> (Router, mpsc::Sender<Result<&'static str, &'static str>>) {
    let (pieces, sent) = mpsc::channel(4);
    let sent = std::sync::Arc::new(std::sync::Mutex::new(Some(sent)));
    let handler = move || async move {
        let sent = sent.lock().unwrap().take();
        let body = stream::unfold(sent, async |sent| {
            let mut sent = sent?;
            Some((sent.recv().await?, Some(sent)))
        });
        Body::from_stream(body)
    };
    let router = Router::new()
        .route("/", get(handler))
        .route("/short", get(async || "short"))
        .route("/empty", get(async || ()))
        .route("/sick", get(async || StatusCode::BAD_GATEWAY))
        .route("/panic", get(async || panic!("boom") as &'static str))
        .layer(from_fn_with_state(inside, bulkhead));
    (router, pieces)
}

async fn ask(router: &Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

#[linchpin_testing::test]
async fn a_place_is_taken_until_the_last_piece_is_there() {
    let door = one(Options::default());
    let (router, pieces) = streams(Inside::new(door.clone()));
    let mut body = ask(&router, "/").await.into_body();
    assert_eq!(in_use(&door), (1, 0), "the head is there, the work is not done");
    pieces.try_send(Ok("one")).unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(ask(&router, "/short").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(pieces);
    assert!(body.frame().await.is_none());
    assert_eq!(in_use(&door), (0, 0));
    assert_eq!(ask(&router, "/short").await.status(), StatusCode::OK);
}

#[linchpin_testing::test]
async fn a_place_is_free_when_the_body_is_dropped_or_fails() {
    let door = one(Options::default());
    let (router, _pieces) = streams(Inside::new(door.clone()));
    let body = ask(&router, "/").await.into_body();
    assert_eq!(in_use(&door), (1, 0));
    drop(body);
    assert_eq!(in_use(&door), (0, 0), "a client that went says nothing");

    let (router, pieces) = streams(Inside::new(door.clone()));
    let mut body = ask(&router, "/").await.into_body();
    pieces.try_send(Err("broken")).unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(in_use(&door), (0, 1), "before the body is dropped");
}

#[linchpin_testing::test]
async fn a_body_that_is_whole_is_over_with_its_only_piece_and_an_empty_one_at_once() {
    let door = one(Options::default());
    let (router, _pieces) = streams(Inside::new(door.clone()));
    let empty = ask(&router, "/empty").await;
    assert_eq!(in_use(&door), (0, 0));
    drop(empty);
    let mut body = ask(&router, "/short").await.into_body();
    assert_eq!((in_use(&door), body.is_end_stream()), ((1, 0), false));
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!((in_use(&door), body.is_end_stream()), ((0, 0), true));
}

#[linchpin_testing::test]
async fn a_head_alone_may_be_covered() {
    let door = one(Options::default());
    let (router, _pieces) = streams(Inside::new(door.clone()).cover_body(false));
    let _body = ask(&router, "/").await.into_body();
    assert_eq!(in_use(&door), (0, 0));
}

#[linchpin_testing::test]
async fn a_failure_is_counted_and_a_handler_that_panics_keeps_no_place() {
    let door = one(Options::default());
    let (router, _pieces) = streams(Inside::new(door.clone()));
    let router = stack(router, &Context::root(), &StackOptions::default());
    assert_eq!(ask(&router, "/sick").await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(in_use(&door), (0, 1));
    assert_eq!(ask(&router, "/panic").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(in_use(&door), (0, 2));
}

#[linchpin_testing::test]
async fn who_is_refused_has_a_problem_or_the_page_of_the_service() {
    let door = one(Options::default());
    let _taken = door.try_enter().unwrap();
    let (router, _pieces) = streams(Inside::new(door.clone()));
    let response = ask(&router, "/short").await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&problem["status"], &problem["request_id"]), (&503.into(), &Value::Null));

    let page = Inside::new(door.clone())
        .on_error(|page| (page.status, format!("for {}", page.request_id)).into_response());
    let (router, _pieces) = streams(page);
    let router = stack(router, &Context::root(), &StackOptions::default());
    let response = ask(&router, "/short").await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, format!("for {id}"));
}

#[linchpin_testing::test(start_paused)]
async fn the_context_of_the_request_bounds_the_wait() {
    let door = one(Options::default().max_queue(1).max_wait(Duration::MAX));
    let _taken = door.try_enter().unwrap();
    let (router, _pieces) = streams(Inside::new(door.clone()));
    let options = StackOptions::default().timeout(ms(50));
    let router = stack(router, &Context::root(), &options);
    assert_eq!(ask(&router, "/short").await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(door.numbers().queued, 0);
}

#[linchpin_testing::test(start_paused)]
async fn a_request_that_is_dropped_anywhere_leaves_no_place_taken() {
    steps::drop_at_each(
        async || {
            let door = one(Options::default().max_queue(1).max_wait(ms(100)));
            let held = door.try_enter_owned().unwrap();
            let holder = linchpin::task::spawn("holder", async move {
                tokio::time::sleep(ms(10)).await;
                drop(held);
            });
            let router = Router::new()
                .route(
                    "/",
                    get(async || {
                        tokio::task::yield_now().await;
                        Body::from_stream(stream::iter([Ok::<_, Infallible>(Bytes::from("a"))]))
                    }),
                )
                .layer(from_fn_with_state(Inside::new(door.clone()), bulkhead));
            (door, router, holder)
        },
        async |(_, router, _)| {
            let body = ask(router, "/").await.into_body();
            assert_eq!(body.collect().await.unwrap().to_bytes(), "a");
        },
        async |(door, _, holder)| {
            while !holder.is_finished() {
                tokio::time::sleep(ms(10)).await;
            }
            assert_eq!((door.numbers().in_use, door.numbers().queued), (0, 0));
        },
    )
    .await;
}

/// Through the server: the place is free once the client has read all, or has gone.
#[linchpin_testing::test]
async fn a_served_stream_holds_its_place_until_it_has_been_sent() {
    let door = one(Options::default());
    let (router, pieces) = streams(Inside::new(door.clone()));
    let server = Running::plain(router).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    let taken = async |places| {
        while in_use(&door).0 != places {
            tokio::time::sleep(ms(1)).await;
        }
    };
    soon("it is inside", taken(1)).await;
    pieces.try_send(Ok("one")).unwrap();
    drop(pieces);
    assert!(client.rest().await.contains("one"));
    soon("its place is free", taken(0)).await;
    assert_eq!(in_use(&door), (0, 0));
    server.life.shutdown("test");
    server.ended().await;
}
