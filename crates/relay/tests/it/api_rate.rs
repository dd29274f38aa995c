//! How often a principal may ask.

use http::Method;
use linchpin::time::Timestamp;
use relay::ids::OrgId;
use serde_json::Value;

use crate::api::{Api, Reply, org_token};

#[linchpin_testing::test]
async fn a_principal_over_its_rate_is_told_when_to_come_back_and_others_pass() {
    let api = Api::limited(2);
    let first = api.get("/app").await;
    assert_eq!(first.status, 200);
    assert_eq!(header(&first, "ratelimit-policy"), r#""api";q=2;w=1"#);
    assert_eq!(header(&first, "ratelimit"), r#""api";r=1;t=1"#);
    assert_eq!(api.get("/app").await.status, 200);
    let refused = api.get("/app").await;
    assert_eq!(refused.status, 429);
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(header(&refused, "ratelimit"), r#""api";r=0;t=1"#);
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((&body["code"], &body["status"]), (&"rate_limited".into(), &429.into()));
    assert_eq!(body["violated-policies"], serde_json::json!(["api"]));
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(body["title"], "Request cannot be satisfied as assigned quota has been exceeded");
    let other = org_token(OrgId::at(Timestamp::now()));
    assert_eq!(api.call_as(&other, Method::GET, "/app", Value::Null).await.status, 200);
}

#[linchpin_testing::test]
async fn who_has_no_good_token_is_told_that_and_uses_nothing_up() {
    let api = Api::limited(1);
    for _ in 0..3 {
        let reply = api.call_as("no token", Method::GET, "/app", Value::Null).await;
        assert_eq!(reply.status, 401);
        assert!(reply.headers.get("ratelimit").is_none());
    }
    assert_eq!(api.get("/app").await.status, 200);
}

#[linchpin_testing::test]
async fn without_a_rate_nothing_is_said_of_one() {
    let reply = Api::new().get("/app").await;
    assert!(reply.headers.get("ratelimit").is_none());
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).expect("that header").to_str().unwrap()
}
