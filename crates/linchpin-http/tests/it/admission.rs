//! What stands in front of the handlers: D6 and D7 of the specification, how a refusal looks, and how long a place is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::adaptive::{self, Adaptive, Algorithm};
use linchpin::resilience::shed::{self, Level, Load, Shedder};
use linchpin::resilience::{Outcome, Priority};
use linchpin::time::Instant;
use linchpin_http::middleware::{Admission, Ctx, ErrorPage, StackOptions, stack};
use linchpin_http::problem::Registered;
use linchpin_testing::steps;
use serde_json::Value;
use tower::ServiceExt as _;
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SECOND: Duration = Duration::from_secs(1);

fn shedder(load: &Load) -> Shedder {
    Shedder::new("api", options(load)).unwrap()
}

fn options(load: &Load) -> shed::Options {
    shed::Options::default().load(load.clone()).by_priority().random(|| 0.5)
}

pub(crate) fn limit(calls: u32) -> Adaptive {
    Adaptive::new("api", adaptive::Options::default().min(calls).max(calls)).unwrap()
}

async fn class(Ctx(ctx): Ctx) -> String {
    let level = ctx.get::<Level>().map_or(-1, |level| i32::from(level.get()));
    format!("{} {level}", ctx.get::<Priority>().unwrap())
}

fn routed(admission: Admission) -> Router {
    let router = Router::new()
        .route("/", get(class))
        .route("/health", get(|| async { "well" }))
        .route("/busy", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/panic", get(|| async { panic!("secret") as &'static str }));
    stack(router, &Context::root(), &StackOptions::default().admission(admission))
}

pub(crate) async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[linchpin_testing::test]
async fn d6_health_is_answered_when_everything_else_is_shed() {
    let load = Load::given();
    let router = routed(Admission::default().shedder(shedder(&load)).adaptive(&limit(1)));
    load.set(1.0);
    assert_eq!(ask(&router, "/", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let health = ask(&router, "/health", &[]).await;
    assert_eq!((health.status(), text(health).await.as_str()), (StatusCode::OK, "well"));
    load.set(0.0);
    assert_eq!(ask(&router, "/", &[]).await.status(), StatusCode::OK);
    // And by one's own word.
    let open = routed(
        Admission::default().shedder(shedder(&load)).bypass(|parts| parts.uri.path() == "/busy"),
    );
    load.set(1.0);
    assert_eq!(text(ask(&open, "/busy", &[]).await).await, "");
    assert_eq!(ask(&open, "/health", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[linchpin_testing::test]
async fn d7_only_a_peer_that_is_trusted_says_how_critical_it_is() {
    let load = Load::given();
    let admission = || Admission::default().shedder(shedder(&load));
    let most = [("x-priority", "critical_plus"), ("x-priority-level", "99")];
    let strangers = routed(admission());
    assert_eq!(text(ask(&strangers, "/", &most).await).await, "critical -1");
    let peers = routed(admission().trusted(|parts| parts.headers.contains_key("x-peer")));
    assert_eq!(text(ask(&peers, "/", &most).await).await, "critical -1");
    let peer = [most[0], most[1], ("x-peer", "yes")];
    assert_eq!(text(ask(&peers, "/", &peer).await).await, "critical_plus 99");
    load.set(0.95);
    assert_eq!(ask(&peers, "/", &most).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&peers, "/", &peer).await.status(), StatusCode::OK);
    load.set(0.0);
    for (name, value) in [
        ("x-priority", "urgent"),
        ("x-priority", ""),
        ("x-priority-level", "100"),
        ("x-priority-level", "-1"),
    ] {
        let odd = [("x-peer", "yes"), (name, value)];
        assert_eq!(text(ask(&peers, "/", &odd).await).await, "critical -1", "{name}: {value}");
    }
    let edge = routed(admission().class(|_| Priority::Sheddable).level(|_| Level::new(7)));
    assert_eq!(text(ask(&edge, "/", &most).await).await, "sheddable 7");
}

#[linchpin_testing::test]
async fn what_is_shed_is_a_problem_with_a_time_to_come_back() {
    let load = Load::given();
    let shedder = shedder(&load);
    let router = routed(Admission::default().shedder(shedder.clone()));
    load.set(1.0);
    let response = ask(&router, "/", &[("x-request-id", "order-7")]).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers();
    assert_eq!(headers["retry-after"], "2");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["x-request-id"], "order-7");
    assert!(!headers.contains_key("x-retry") && !headers.contains_key("connection"));
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(
        body["type"],
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    );
    assert_eq!(
        body["title"],
        "Request cannot be satisfied due to temporary server capacity constraints"
    );
    assert_eq!((&body["status"], &body["request_id"]), (&503.into(), &"order-7".into()));
}

#[linchpin_testing::test(start_paused)]
async fn clients_hear_that_they_had_better_not_come_back() {
    let load = Load::given();
    let router = routed(Admission::default().shedder(shedder(&load)));
    load.set(1.0);
    ask(&router, "/", &[]).await;
    tokio::time::advance(SECOND).await;
    let response = ask(&router, "/", &[]).await;
    assert_eq!(response.headers()["x-retry"], "no");
}

#[linchpin_testing::test]
async fn a_full_limit_is_reduced_capacity_too_and_a_class_has_its_share() {
    let limit =
        Adaptive::new("api", adaptive::Options::default().min(1).max(1).partition("critical", 0.5))
            .unwrap();
    let inside = limit.admit(Instant::now()).unwrap();
    let by_header = |parts: &http::request::Parts| match parts.headers.get("x-batch") {
        Some(_) => Priority::Sheddable,
        None => Priority::Critical,
    };
    let router = routed(Admission::default().adaptive(&limit).class(by_header));
    let response = ask(&router, "/", &[("x-batch", "yes")]).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let wait = response.headers()["retry-after"].to_str().unwrap().to_owned();
    assert!(["1", "2"].contains(&wait.as_str()), "{wait}");
    assert_eq!(ask(&router, "/", &[]).await.status(), StatusCode::OK, "its share is guaranteed");
    drop(inside);
    assert_eq!(ask(&router, "/", &[("x-batch", "yes")]).await.status(), StatusCode::OK);
}

#[linchpin_testing::test(start_paused)]
async fn a_service_that_stops_closes_and_one_that_is_too_late_says_so() {
    let (load, accepting) = (Load::given(), Context::root().child());
    let options = options(&load).in_time().accepting((*accepting).clone());
    let shedder = Shedder::new("api", options).unwrap();
    for _ in 0..20 {
        let one = shedder.admit(&Context::root(), Instant::now()).unwrap();
        tokio::time::advance(SECOND).await;
        one.record(Outcome::Success);
    }
    let router = routed(Admission::default().shedder(shedder));
    let late = ask(&router, "/", &[("x-request-timeout-ms", "100")]).await;
    assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(!late.headers().contains_key("retry-after"));
    accepting.cancel(Cause::Shutdown);
    let gone = ask(&router, "/", &[]).await;
    assert_eq!(
        (gone.status(), &gone.headers()["connection"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"close".parse().unwrap())
    );
    assert!(!gone.headers().contains_key("retry-after"), "another one may be asked at once");
}

#[linchpin_testing::test(start_paused)]
async fn a_place_is_taken_until_the_body_has_gone_and_the_time_is_that_of_the_head() {
    let limit =
        Adaptive::new("api", adaptive::Options::default().algorithm(Algorithm::Aimd)).unwrap();
    let shedder = shedder(&Load::given());
    let router = routed(Admission::default().shedder(shedder.clone()).adaptive(&limit));
    let response = ask(&router, "/", &[]).await;
    assert_eq!(
        (limit.numbers().inflight, limit.numbers().samples),
        (1, 1),
        "measured, and there still"
    );
    assert_eq!(shedder.numbers().inflight, 1);
    tokio::time::advance(SECOND).await;
    text(response).await;
    assert_eq!((limit.numbers().inflight, shedder.numbers().inflight), (0, 0));
    assert_eq!(limit.numbers().rtt, Some(Duration::ZERO), "a slow client is not a slow service");
    // A client that goes before the end.
    drop(ask(&router, "/", &[]).await);
    assert_eq!((limit.numbers().inflight, shedder.numbers().inflight), (0, 0));
}

#[linchpin_testing::test]
async fn the_status_says_whether_there_was_too_much() {
    for (path, expected, samples) in
        [("/", 20, 1), ("/broken", 20, 0), ("/busy", 18, 1), ("/panic", 20, 0)]
    {
        let options = adaptive::Options::default().algorithm(Algorithm::Aimd);
        let limit = Adaptive::new("api", options).unwrap();
        let router = routed(Admission::default().adaptive(&limit));
        text(ask(&router, path, &[]).await).await;
        let numbers = limit.numbers();
        assert_eq!(
            (numbers.limit, numbers.samples, numbers.inflight),
            (expected, samples, 0),
            "{path}"
        );
    }
}

#[linchpin_testing::test(start_paused)]
async fn a_request_that_is_dropped_in_front_of_its_handler_leaves_its_place() {
    let world = async || (limit(1), shedder(&Load::given()));
    let send = async |(limit, shedder): &(Adaptive, Shedder)| {
        let router = Router::new().route(
            "/",
            get(|Ctx(ctx): Ctx| async move {
                ctx.sleep(SECOND).await.unwrap();
                "done"
            }),
        );
        let admission = Admission::default().shedder(shedder.clone()).adaptive(limit);
        let router = stack(router, &Context::root(), &StackOptions::default().admission(admission));
        assert_eq!(text(ask(&router, "/", &[]).await).await, "done");
    };
    let left = async |(limit, shedder): &(Adaptive, Shedder)| {
        assert_eq!((limit.numbers().inflight, shedder.numbers().inflight), (0, 0));
        drop(limit.admit(Instant::now()).unwrap());
    };
    let report = steps::drop_at_each(world, send, left).await;
    assert!(report.steps >= 2, "{report:?}");
}

#[linchpin_testing::test]
async fn a_service_keeps_its_shape_of_errors() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let load = Load::given();
    let on_error = |page: ErrorPage<'_>| {
        SEEN.fetch_add(1, Ordering::Relaxed);
        assert_eq!(page.problem, Some(Registered::REDUCED_CAPACITY));
        (page.status, "in our shape").into_response()
    };
    let options = StackOptions::default()
        .admission(Admission::default().shedder(shedder(&load)))
        .on_error(on_error);
    let router = stack(Router::new().route("/", get(class)), &Context::root(), &options);
    load.set(1.0);
    let response = ask(&router, "/", &[]).await;
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(text(response).await, "in our shape");
    assert_eq!(SEEN.load(Ordering::Relaxed), 1);
}

#[linchpin_testing::test]
async fn what_is_refused_costs_no_handler() {
    let load = Load::given();
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let handler = move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { "done" }
    };
    let options = StackOptions::default().admission(Admission::default().shedder(shedder(&load)));
    let router = stack(Router::new().route("/", get(handler)), &Context::root(), &options);
    load.set(1.0);
    for _ in 0..100 {
        assert_eq!(ask(&router, "/", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

/// Counts what is logged as an error.
#[derive(Clone, Default)]
struct Errors(Arc<AtomicU32>);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[linchpin_testing::test]
async fn what_is_refused_is_no_error_in_the_log_and_what_fails_is() {
    let load = Load::given();
    let router = routed(Admission::default().shedder(shedder(&load)));
    let errors = Errors::default();
    let log = tracing::Dispatch::new(errors.clone());
    let logged = async |path| {
        let before = errors.0.load(Ordering::Relaxed);
        let response = ask(&router, path, &[]).with_subscriber(log.clone()).await;
        (response.status().as_u16(), errors.0.load(Ordering::Relaxed) - before)
    };
    assert_eq!(logged("/broken").await, (500, 1));
    // A handler's own 503 is its failure.
    assert_eq!(logged("/busy").await, (503, 1));
    load.set(1.0);
    assert_eq!(logged("/broken").await, (503, 0));
}
