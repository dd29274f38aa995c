//! How often a caller may ask, and what it reads.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use linchpin::Context;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Options, Rate};
use linchpin_http::middleware::{PerCaller, StackOptions, rate_limit, stack};
use linchpin_http::rate_limit::RateLimit;
use serde_json::Value;
use tower::ServiceExt as _;

/// A limit by the header `who`.
pub(crate) fn limit(rate: Rate, burst: u32) -> PerCaller<String> {
    let options = Options::default().burst(burst);
    let limiter = Keyed::new("test", rate, options, KeyedOptions::default()).unwrap();
    PerCaller::new(RateLimit::new("test").unwrap(), limiter, |parts| {
        Some(parts.headers.get("who")?.to_str().ok()?.to_owned())
    })
}

fn router(limit: PerCaller<String>) -> Router {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let router = router.layer(from_fn_with_state(limit, rate_limit::<String>));
    stack(router, &Context::root(), &StackOptions::default())
}

async fn ask(router: &Router, who: Option<&str>) -> Response {
    let mut request = Request::get("/");
    if let Some(who) = who {
        request = request.header("who", who);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).expect("that header").to_str().unwrap()
}

#[linchpin_testing::test]
async fn each_reply_says_what_is_left_and_a_refusal_when_to_come_back() {
    // One in forty seconds, three at once.
    let router = router(limit(Rate::new(3, Duration::from_mins(2)), 3));
    for (left, reset) in [(2, 40), (1, 80), (0, 120)] {
        let reply = ask(&router, Some("ann")).await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(header(reply.headers(), "ratelimit-policy"), r#""test";q=3;w=120"#);
        assert_eq!(header(reply.headers(), "ratelimit"), format!(r#""test";r={left};t={reset}"#));
    }
    let refused = ask(&router, Some("ann")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(refused.headers(), "retry-after"), "40");
    assert_eq!(header(refused.headers(), "ratelimit"), r#""test";r=0;t=40"#);
    assert_eq!(header(refused.headers(), "content-type"), "application/problem+json");
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(ask(&router, Some("bob")).await.status(), StatusCode::OK);
}

#[linchpin_testing::test]
async fn a_request_without_a_key_is_not_limited() {
    let router = router(limit(Rate::per_minute(1), 1));
    for _ in 0..3 {
        let reply = ask(&router, None).await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert!(reply.headers().get("ratelimit").is_none());
    }
}

#[linchpin_testing::test]
async fn a_refusal_has_the_shape_of_the_service() {
    let limit = limit(Rate::per_minute(1), 1).on_error(|page| {
        let mut response = Response::new(Body::from(page.detail.to_owned()));
        *response.status_mut() = page.status;
        response
    });
    let router = router(limit);
    ask(&router, Some("ann")).await;
    let refused = ask(&router, Some("ann")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(refused.headers(), "retry-after"), "60");
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "too many requests");
}
