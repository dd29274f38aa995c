//! The stack around handlers: ids, contexts, panics, limits, and their order.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use linchpin::context::Cause;
use linchpin::{Context, task};
use linchpin_http::middleware::{Ctx, ErrorPage, RequestId, StackOptions, stack};
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::support::{Running, soon};

async fn remaining(Ctx(ctx): Ctx) -> String {
    ctx.remaining().map_or("for ever".to_owned(), |left| left.as_millis().to_string())
}

async fn id_in_context(Ctx(ctx): Ctx) -> String {
    ctx.get::<RequestId>().map_or_else(String::new, ToString::to_string)
}

fn router(options: &StackOptions) -> Router {
    let router = Router::new()
        .route("/remaining", get(remaining))
        .route("/id", get(id_in_context))
        .route("/panic", get(|| async { panic!("secret text") as &'static str }))
        .route("/echo", post(|body: Bytes| async { body }));
    stack(router, &Context::root(), options)
}

struct Answer {
    status: StatusCode,
    id: String,
    body: String,
}

async fn ask(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let id = response.headers().get("x-request-id").expect("every answer names its request");
    let (id, status) = (id.to_str().unwrap().to_owned(), response.status());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, id, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn get_with(options: &StackOptions, path: &str, header: Option<(&str, &str)>) -> Answer {
    let mut request = Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    ask(router(options), request.body(Body::empty()).unwrap()).await
}

#[linchpin_testing::test]
async fn a_well_formed_id_is_taken_and_reaches_context_and_answer() {
    let longest = "x".repeat(128);
    for id in ["a", "0f.9-~!", longest.as_str()] {
        let answer = get_with(&StackOptions::default(), "/id", Some(("x-request-id", id))).await;
        assert_eq!((answer.id.as_str(), answer.body.as_str()), (id, id));
    }
}

#[linchpin_testing::test]
async fn an_id_that_is_not_well_formed_is_replaced() {
    let long = "x".repeat(129);
    for id in ["", "two words", "\t", long.as_str()] {
        let answer = get_with(&StackOptions::default(), "/id", Some(("x-request-id", id))).await;
        assert_ne!(answer.id, id);
        assert!((1..=40).contains(&answer.id.len()), "{}", answer.id);
        assert_eq!(answer.id, answer.body);
    }
}

#[linchpin_testing::test]
async fn made_ids_differ() {
    let options = StackOptions::default();
    let first = get_with(&options, "/id", None).await;
    assert_ne!(first.id, get_with(&options, "/id", None).await.id);
}

#[linchpin_testing::test(start_paused)]
async fn the_shorter_of_what_is_asked_and_what_is_allowed_is_the_deadline() {
    let header = |value| Some(("x-request-timeout-ms", value));
    let limited = StackOptions::default().timeout(Duration::from_secs(2));
    for (options, asked, expected) in [
        (StackOptions::default(), None, "for ever"),
        (StackOptions::default(), header("500"), "500"),
        (limited.clone(), None, "2000"),
        (limited.clone(), header("500"), "500"),
        (limited.clone(), header("5000"), "2000"),
        (limited.clone(), header("soon"), "2000"),
        (limited.clone(), header("-1"), "2000"),
    ] {
        assert_eq!(get_with(&options, "/remaining", asked).await.body, expected, "{asked:?}");
    }
}

#[linchpin_testing::test]
async fn a_panic_is_a_500_that_names_the_request_and_nothing_else_and_the_service_goes_on() {
    let router = router(&StackOptions::default());
    let request = Request::get("/panic").header("x-request-id", "r-1").body(Body::empty());
    let answer = ask(router.clone(), request.unwrap()).await;
    assert_eq!((answer.status, answer.id.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "r-1"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["request_id"], "r-1");
    assert!(!answer.body.contains("secret text"));

    let request = Request::get("/id").body(Body::empty()).unwrap();
    assert_eq!(ask(router, request).await.status, StatusCode::OK);
}

#[linchpin_testing::test]
async fn a_service_gives_its_errors_a_shape_of_its_own() {
    fn own(page: ErrorPage<'_>) -> Response {
        (page.status, format!("mine: {}", page.request_id)).into_response()
    }
    let options = StackOptions::default().on_error(own);
    let answer = get_with(&options, "/panic", Some(("x-request-id", "r-1"))).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "mine: r-1"));
}

#[linchpin_testing::test]
async fn a_body_is_taken_up_to_the_limit_and_refused_beyond() {
    let options = StackOptions::default().body_limit(10);
    for (length, expected) in [(10, StatusCode::OK), (11, StatusCode::PAYLOAD_TOO_LARGE)] {
        let request = Request::post("/echo").body(Body::from("x".repeat(length))).unwrap();
        assert_eq!(ask(router(&options), request).await.status, expected, "{length}");
    }
}

#[linchpin_testing::test]
async fn the_default_limit_is_one_mebibyte() {
    let options = StackOptions::default();
    for (length, expected) in [(1 << 20, 200), ((1 << 20) + 1, 413)] {
        let request = Request::post("/echo").body(Body::from("x".repeat(length))).unwrap();
        assert_eq!(ask(router(&options), request).await.status.as_u16(), expected);
    }
}

#[linchpin_testing::test]
async fn a_handler_that_wants_a_context_without_the_stack_is_a_500() {
    let router = Router::new().route("/", get(remaining));
    let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// A route that hands its context out and then waits for ever.
fn hanging(work: &Context) -> (Router, mpsc::Receiver<Context>) {
    let (tell, told) = mpsc::channel(1);
    let hang = move |Ctx(ctx): Ctx| async move {
        tell.send(ctx.clone()).await.unwrap();
        let cause = ctx.cancelled().await;
        format!("{cause:?}")
    };
    let router = Router::new().route("/", get(hang));
    (stack(router, work, &StackOptions::default()), told)
}

#[linchpin_testing::test]
async fn the_context_ends_when_the_client_goes_away() {
    let (router, mut told) = hanging(&Context::root());
    let server = Running::plain(router).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let ctx = soon("the handler runs", told.recv()).await.unwrap();
    assert!(!ctx.is_cancelled());

    drop(client);
    let cause = soon("the context ends", ctx.cancelled()).await;
    assert!(matches!(cause, Cause::Dropped), "{cause:?}");
}

#[linchpin_testing::test]
async fn the_context_ends_with_the_works_and_the_handler_can_answer() {
    let work = Context::root().child();
    let (router, mut told) = hanging(&work);
    let asked = task::spawn("asked", async move {
        ask(router, Request::get("/").body(Body::empty()).unwrap()).await.body
    });
    told.recv().await.unwrap();
    work.cancel(Cause::Shutdown);
    assert_eq!(soon("the handler answers", asked.join()).await, "Shutdown");
}

#[linchpin_testing::test]
async fn the_context_ends_with_the_handler() {
    let (tell, mut told) = mpsc::channel(1);
    let keep = move |Ctx(ctx): Ctx| async move { tell.send(ctx).await.unwrap() };
    let router = Router::new().route("/", get(keep));
    let router = stack(router, &Context::root(), &StackOptions::default());
    ask(router, Request::get("/").body(Body::empty()).unwrap()).await;
    assert!(told.recv().await.unwrap().is_cancelled());
}
