//! What clients read of a rate limit.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use linchpin::Kind;
use linchpin::resilience::limiter::{Limiter, Options, Rate};
use linchpin::time::Instant;
use linchpin_http::rate_limit::{RateLimit, retry_after};
use serde_json::{Value, json};

fn in_a_minute(burst: u32) -> Limiter {
    Limiter::new("inner", Rate::per_minute(100), Options::default().burst(burst)).unwrap()
}

fn fields() -> RateLimit {
    RateLimit::new("burst").unwrap()
}

#[linchpin_testing::test]
fn who_passes_reads_the_policy_and_what_is_left() {
    let (limiter, now) = (in_a_minute(100), Instant::now());
    let decision = limiter.try_acquire_at(now, 50).unwrap();
    assert_eq!(fields().policy(&decision), r#""burst";q=100;w=60"#);
    assert_eq!(fields().left(&decision), r#""burst";r=50;t=30"#);
}

#[linchpin_testing::test]
fn times_are_rounded_up_and_windows_to_the_nearest() {
    let limiter = Limiter::new("inner", Rate::per_second(10), Options::default().burst(7)).unwrap();
    let decision = limiter.try_acquire_at(Instant::now(), 1).unwrap();
    assert_eq!(fields().policy(&decision), r#""burst";q=7;w=1"#);
    assert_eq!(fields().left(&decision), r#""burst";r=6;t=1"#);
    let windows = Limiter::new("inner", Rate::per_hour(9), Options::default().fixed_window());
    let decision = windows.unwrap().try_acquire(4).unwrap();
    assert_eq!(fields().policy(&decision), r#""burst";q=9;w=3600"#);
    assert!(fields().left(&decision).to_str().unwrap().starts_with(r#""burst";r=5;t="#));
}

#[linchpin_testing::test]
async fn who_does_not_pass_reads_when_to_come_back_and_which_limit_it_was() {
    let (limiter, now) = (in_a_minute(5), Instant::now());
    limiter.try_acquire_at(now, 3).unwrap();
    let refusal = limiter.try_acquire_at(now, 4).unwrap_err();
    assert_eq!(refusal.retry_after, Some(Duration::from_millis(1_200)));
    assert_eq!(retry_after(&refusal).unwrap(), "2");
    let response = fields().refused(&refusal);
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("retry-after"), "2");
    assert_eq!(header("ratelimit"), r#""burst";r=2;t=2"#);
    assert_eq!(header("content-type"), "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let expected = json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded", "status": 429, "code": "resource_exhausted",
        "detail": "too many requests; try again in 2 s", "violated-policies": ["burst"],
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
}

#[linchpin_testing::test]
fn a_cost_that_never_passes_has_no_time_at_which_it_would() {
    let refusal = in_a_minute(5).try_acquire(6).unwrap_err();
    assert_eq!(retry_after(&refusal), None);
    let response = fields().refused(&refusal);
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["ratelimit"], r#""burst";r=0"#);
    assert!(!response.headers().contains_key("retry-after"));
}

#[linchpin_testing::test]
fn several_limits_are_several_lines() {
    let (mut headers, now) = (HeaderMap::new(), Instant::now());
    for (name, burst) in [("burst", 5), ("daily", 50)] {
        let decision = in_a_minute(burst).try_acquire_at(now, 1).unwrap();
        RateLimit::new(name).unwrap().passed(&mut headers, &decision);
    }
    let lines: Vec<_> = headers.get_all("ratelimit").iter().collect();
    assert_eq!(lines, [r#""burst";r=4;t=1"#, r#""daily";r=49;t=1"#]);
    assert_eq!(headers.get_all("ratelimit-policy").iter().count(), 2);
    assert!(!headers.contains_key("x-ratelimit-limit"));
}

#[linchpin_testing::test]
fn with_a_share_only_those_hear_of_it_who_are_near_the_end() {
    let (limiter, now) = (in_a_minute(10), Instant::now());
    let fields = fields().only_below(0.2).unwrap().legacy();
    let mut headers = HeaderMap::new();
    fields.passed(&mut headers, &limiter.try_acquire_at(now, 8).unwrap());
    assert!(headers.is_empty(), "two of ten are not less than a fifth");
    fields.passed(&mut headers, &limiter.try_acquire_at(now, 1).unwrap());
    assert_eq!(headers["ratelimit"], r#""burst";r=1;t=6"#);
    let legacy =
        ["limit", "remaining", "reset"].map(|what| &headers[format!("x-ratelimit-{what}")]);
    assert_eq!(legacy, ["10", "1", "6"]);
}

#[linchpin_testing::test]
fn a_name_is_quoted_and_what_cannot_be_is_refused() {
    let decision = in_a_minute(5).try_acquire(0).unwrap();
    let odd = RateLimit::new(r#"a "b" \c"#).unwrap();
    assert_eq!(odd.left(&decision), r#""a \"b\" \\c";r=5;t=0"#);
    for name in ["", "größe", "a\nb"] {
        assert_eq!(RateLimit::new(name).unwrap_err().kind(), Kind::InvalidArgument);
    }
    for share in [0.0, -1.0, 1.1, f64::NAN] {
        assert_eq!(fields().only_below(share).unwrap_err().kind(), Kind::InvalidArgument);
    }
}
