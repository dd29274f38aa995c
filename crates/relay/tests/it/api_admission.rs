//! Who is let in while there is more to do than the service bears.

use std::pin::pin;

use axum::body::{Body, Bytes};
use futures_util::FutureExt as _;
use futures_util::stream;
use http::Method;
use linchpin::resilience::adaptive::{self, Adaptive};
use linchpin::resilience::shed::{self, Load, Shedder};
use linchpin_http::middleware::StackOptions;
use relay::api::Gate;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::api::Api;

const REDUCED: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
const TITLE: &str = "Request cannot be satisfied due to temporary server capacity constraints";

/// That lets one request at a time in.
fn narrow() -> (Api, Gate) {
    let shedder = Shedder::new("test", shed::Options::default()).unwrap();
    let one = adaptive::Options::default().initial(1).max(1);
    let gate = Gate::of(shedder, Adaptive::new("test", one).unwrap());
    (Api::with(0, StackOptions::default().admission(gate.admission())), gate)
}

#[linchpin_testing::test]
async fn what_is_too_much_is_told_when_to_come_back_and_health_is_always_answered() {
    let (api, gate) = narrow();
    let (more, rest) = oneshot::channel::<Result<Bytes, std::io::Error>>();
    let body = Body::from_stream(stream::once(async { rest.await.expect("the rest comes") }));
    let json = [("content-type", "application/json")];
    let token = api.token();
    let mut slow = pin!(api.raw(Method::POST, "/app", &token, &json, body));
    assert!((&mut slow).now_or_never().is_none(), "its body is on its way");

    // Nobody looks at its token before.
    let refused = api.call_as("no token", Method::GET, "/app", Value::Null).await;
    assert_eq!(refused.status, 503);
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(
        body,
        json!({
            "code": "unavailable", "detail": "Not available for the moment",
            "type": REDUCED, "title": TITLE, "status": 503,
        })
    );
    for path in ["/health", "/health/ping"] {
        assert!(api.get(path).await.status < 300, "{path}");
    }
    let [_, limit] = gate.snapshots();
    assert_eq!((limit.policy, limit.instance), ("adaptive", "test"));

    more.send(Ok(Bytes::from_static(br#"{"name":"slow"}"#))).unwrap();
    assert_eq!(slow.await.status, 201);
    assert_eq!(api.get("/app").await.status, 200, "its place is free again");
}

#[linchpin_testing::test]
async fn a_busy_process_sheds_what_it_does_not_bear_and_keeps_what_it_has_accepted() {
    let load = Load::given();
    let busy = shed::Options::default().load(load.clone());
    let wide = adaptive::Options::default().initial(1_000).max(1_000);
    let limit = Adaptive::new("test", wide).unwrap();
    let gate = Gate::of(Shedder::new("test", busy).unwrap(), limit);
    let api = Api::with(0, StackOptions::default().admission(gate.admission()));
    api.app("shop").await;
    let endpoint = json!({ "url": "https://example.com/hook" });
    api.post("/app/shop/endpoint", endpoint).await.ok(201);
    let post = || api.post("/app/shop/msg", json!({ "eventType": "paid", "payload": {} }));

    // Twenty are under way, which is no trouble as long as the processors are not busy ...
    let held = api.hold_the_writer().await;
    let mut waiting: Vec<_> = (0..20).map(|_| Box::pin(post())).collect();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none(), "the writer is held");
    }
    assert_eq!(api.get("/app").await.status, 200);
    // ... and more than it bears when they are.
    load.set(1.0);
    let refused = post().await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.json()["type"], REDUCED);
    assert_eq!(api.get("/health/ping").await.status, 204);
    let [shedder, _] = gate.snapshots();
    assert!(shedder.numbers.contains(&("shed", 1.0)), "{shedder:?}");

    held.release().await;
    for one in waiting {
        assert_eq!(one.await.status, 202);
    }
    assert_eq!(api.number("SELECT count(*) FROM message").await, 20);
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, 20, "each to its endpoint");
}
