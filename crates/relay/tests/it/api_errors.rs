//! Bodies that are not understood, paths that are not there, and how both are told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::IntoResponse as _;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use linchpin::task;
use relay::api::error::ApiError;
use serde_json::{Value, json};
use tokio::task::yield_now;

use crate::api::{Api, org_token};

#[linchpin_testing::test]
async fn a_body_that_does_not_parse_is_a_422_that_says_where() {
    let api = Api::new();
    let token = org_token(api.org);
    for (body, place) in [
        ("", json!(["body", "?"])),
        ("{", json!(["body", "?"])),
        (r#"{"name":"a"} x"#, json!(["body", "?"])),
        ("{}", json!(["body", "", ""])),
        ("[]", json!(["body", "", ""])),
        ("7", json!(["body", "", ""])),
        (r#"{"name":7}"#, json!(["body", "name"])),
        (r#"{"name":"a","throttleRate":-1}"#, json!(["body", "throttleRate"])),
        (r#"{"name":"a","throttleRate":65536}"#, json!(["body", "throttleRate"])),
        (r#"{"name":"a","metadata":{"k":1}}"#, json!(["body", "metadata", "k"])),
    ] {
        let reply = api.raw(Method::POST, "/app", &token, &[], body).await;
        reply.faults("value_error.jsondecode");
        assert_eq!(reply.json()["detail"][0]["loc"], place, "{body}");
    }
    api.app("shop").await;
    let endpoint = r#"{"url":"https://example.com/","channels":["a",2]}"#;
    let reply = api.raw(Method::POST, "/app/shop/endpoint", &token, &[], endpoint).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.channels.[1]"]);
    let message = r#"{"eventType":"a","payload":{"a":}}"#;
    let reply = api.raw(Method::POST, "/app/shop/msg", &token, &[], message).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.?"]);
}

#[linchpin_testing::test]
async fn what_does_not_parse_is_told_in_the_words_of_json() {
    let api = Api::new();
    let token = org_token(api.org);
    for (body, wanted) in [
        (r#"{"name":7}"#, "invalid type: integer `7`, expected a string"),
        (
            r#"{"name":"a","throttleRate":"7"}"#,
            "invalid type: string \"7\", expected a whole number from 0 to 65535",
        ),
        (
            r#"{"name":"a","throttleRate":-1}"#,
            "invalid value: integer `-1`, expected a whole number from 0 to 65535",
        ),
        (r#"{"name":"a","metadata":[]}"#, "invalid type: list, expected an object"),
        (r#"{"name":{}}"#, "invalid type: object, expected a string"),
        ("{}", "missing field `name`"),
        ("7", "invalid type: integer `7`, expected an object"),
        // No name leads there, so the place stands in the text.
        ("{", "EOF while parsing an object at line 1 column 1"),
    ] {
        let reply = api.raw(Method::POST, "/app", &token, &[], body).await;
        assert_eq!(reply.json()["detail"][0]["msg"], wanted, "{body}");
    }
    api.app("shop").await;
    let bare = api.post("/app/shop/endpoint", json!({ "url": "example.com/hook" })).await;
    assert_eq!(bare.faults("value_error"), ["body.url"]);
    let said = &bare.json()["detail"][0]["msg"];
    assert_eq!(said, "a URL to call begins with `http://` or `https://`");
}

#[linchpin_testing::test]
async fn a_query_that_does_not_parse_is_told_by_the_parameter() {
    let api = Api::new();
    api.app("shop").await;
    let content = "/app/shop/msg?with_content=maybe";
    for (path, wanted) in [
        ("/app?limit=many", "The query parameter `limit` is wrong: it must be a whole number"),
        (content, "The query parameter `with_content` is wrong: it must be `true` or `false`"),
        (
            "/app?limit=99999999999999999999",
            "The query parameter `limit` is wrong: the number is too large",
        ),
        (
            "/app?order=up",
            "The query parameter `order` is wrong: unknown variant `up`, expected `ascending` or `descending`",
        ),
    ] {
        let reply = api.get(path).await;
        reply.error(400, "generic_error");
        assert_eq!(reply.json()["detail"], wanted, "{path}");
    }
}

#[linchpin_testing::test]
async fn a_status_that_is_none_is_refused_with_those_that_are() {
    let api = Api::new();
    api.app("shop").await;
    let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
    api.post("/app/shop/endpoint", endpoint).await.ok(201);
    for list in ["/app/shop/attempt/endpoint/hook", "/app/shop/endpoint/hook/msg"] {
        for status in ["5", "7", "-1", "fail", "", "256"] {
            let reply = api.get(&format!("{list}?status={status}")).await;
            assert_eq!(reply.faults("value_error"), ["query.status"], "{list} {status}");
            let said = reply.json()["detail"][0]["msg"].to_string();
            assert!(said.contains("0 (success), 1 (pending), 2 (failed)"), "{said}");
        }
        api.get(&format!("{list}?status=4")).await.ok(200);
    }
}

#[linchpin_testing::test]
async fn the_members_of_a_problem_stand_beside_the_faults() {
    let api = Api::new();
    let reply = api.post("/app", json!({ "name": "" })).await;
    assert_eq!(
        reply.ok(422),
        json!({
            "detail": [{ "loc": ["body", "name"], "msg": "must not be empty", "type": "value_error" }],
            "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
        })
    );
}

#[linchpin_testing::test]
async fn a_422_that_names_no_place_is_a_list_too() {
    let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "odd", "is odd").into_response();
    let body = error.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], "odd");
    assert_eq!(body["detail"], json!([{ "loc": [], "msg": "is odd", "type": "odd" }]));
}

#[linchpin_testing::test]
async fn a_body_over_a_mebibyte_is_a_413() {
    let api = Api::new();
    api.app("shop").await;
    let token = org_token(api.org);
    let body = |size: usize| {
        let (head, tail) = (r#"{"eventType":"a","payload":{"x":""#, r#""}}"#);
        format!("{head}{}{tail}", "x".repeat(size - head.len() - tail.len()))
    };
    api.raw(Method::POST, "/app/shop/msg", &token, &[], body(1 << 20)).await.ok(202);
    let reply = api.raw(Method::POST, "/app/shop/msg", &token, &[], body((1 << 20) + 1)).await;
    reply.error(413, "payload_too_large");
}

/// A body of a known length that arrives in pieces.
struct Pieces {
    pieces: VecDeque<Bytes>,
    bytes: u64,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

#[linchpin_testing::test]
async fn a_body_in_pieces_is_put_together_in_a_buffer_that_comes_back() {
    let api = Api::new();
    api.app("shop").await;
    let token = org_token(api.org);
    let payload = json!({ "x": "x".repeat(100_000) });
    let text = json!({ "eventType": "a", "payload": payload }).to_string();
    for _ in 0..2 {
        let pieces = text.as_bytes().chunks(7_000).map(Bytes::copy_from_slice).collect();
        let body = Body::new(Pieces { pieces, bytes: text.len() as u64 });
        let reply = api.raw(Method::POST, "/app/shop/msg", &token, &[], body).await.ok(202);
        assert_eq!(reply["payload"], payload);
    }
    let stats = api.bodies.stats();
    assert_eq!((stats.made, stats.reused, stats.out), (1, 1, 0));
}

/// A body of one piece, of which there is more that never comes.
fn stuck(bytes: usize) -> Body {
    let piece = stream::once(ready(Ok::<_, Infallible>(Bytes::from(vec![b' '; bytes]))));
    Body::from_stream(piece.chain(stream::pending()))
}

#[linchpin_testing::test(start_paused)]
async fn bodies_share_32_mebibytes() {
    let api = Arc::new(Api::new());
    api.app("shop").await;
    let all = api.bodies.free();
    assert_eq!(all, 32 << 20);
    let stuck: Vec<_> = (0..32)
        .map(|_| {
            let (api, token) = (api.clone(), org_token(api.org));
            let send = async move {
                api.raw(Method::POST, "/app/shop/msg", &token, &[], stuck(1 << 20)).await
            };
            task::spawn("stuck", send)
        })
        .collect();
    while api.bodies.free() > 0 {
        yield_now().await;
    }
    let small = json!({ "eventType": "a", "payload": {} });
    let refused = api.post("/app/shop/msg", small.clone()).await;
    refused.error(503, "unavailable");
    assert_eq!(refused.headers["retry-after"], "1");
    // One that goes makes room for who waits.
    let mut stuck = stuck.into_iter();
    let (reply, ()) = tokio::join!(api.post("/app/shop/msg", small), async {
        yield_now().await;
        drop(stuck.next());
    });
    reply.ok(202);
    drop(stuck);
    while api.bodies.free() < all {
        yield_now().await;
    }
}

#[linchpin_testing::test]
async fn a_body_is_json_or_says_nothing() {
    let api = Api::new();
    let token = org_token(api.org);
    let post = async |kind: Option<&str>| {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        api.raw(Method::POST, "/app", &token, &headers, r#"{"name":"shop"}"#).await
    };
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"]
    {
        post(Some(kind)).await.ok(201);
    }
    post(None).await.ok(201);
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", "json", "\u{e9}"]
    {
        post(Some(kind)).await.error(415, "unsupported_media_type");
    }
}

#[linchpin_testing::test]
async fn unknown_paths_and_methods_have_json_bodies() {
    let api = Api::new();
    let token = org_token(api.org);
    for path in ["/nope", "/app/a/b/c/d", "/stream"] {
        let reply = api.raw(Method::GET, path, &token, &[], "").await;
        reply.error(404, "not_found");
    }
    api.send(Request::get("/nowhere").body(Body::empty()).unwrap()).await.error(404, "not_found");
    let reply = api.raw(Method::DELETE, "/app", &token, &[], "").await;
    reply.error(405, "method_not_allowed");
    let allow = reply.headers["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[linchpin_testing::test]
async fn slashes_at_both_ends_are_tolerated() {
    let api = Api::new();
    let id = api.app("shop").await.to_string();
    let token = org_token(api.org);
    for path in ["//api/v1/app", "/api/v1/app/", "///api/v1/app//", "//api/v1/app/?limit=1"] {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        let page = api.send(request.body(Body::empty()).unwrap()).await.ok(200);
        assert_eq!(page["iterator"], id, "{path}");
    }
    api.get("/app/shop/").await.ok(200);
    // Elsewhere a doubled slash is an empty name.
    assert_eq!(api.get("/app//msg").await.status, 404);
}

#[linchpin_testing::test]
async fn names_in_the_path_may_be_escaped() {
    let api = Api::new();
    api.app("sh-o_p.1").await;
    api.get("/app/sh%2Do%5Fp%2E1").await.ok(200);
    api.get("/app/%ff").await.not_found();
    api.get("/app/a%2Fb").await.not_found();
}

#[linchpin_testing::test]
async fn any_origin_may_ask() {
    let api = Api::new();
    let preflight = Request::options("/api/v1/app")
        .header("origin", "https://portal.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,x-own");
    let reply = api.send(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    assert_eq!(reply.headers["access-control-allow-methods"], "*");
    assert_eq!(reply.headers["access-control-allow-headers"], "authorization,x-own");
    assert_eq!(reply.headers["access-control-max-age"], "600");
    let reply = api.raw(Method::GET, "/app", "", &[("origin", "https://portal.example")], "").await;
    assert_eq!(
        (reply.status, &reply.headers["access-control-allow-origin"]),
        (401, &"*".parse().unwrap())
    );
}

#[linchpin_testing::test]
async fn health_needs_no_token() {
    let api = Api::new();
    let ok = json!({ "status": "ok" });
    let reply = api.raw(Method::GET, "/health", "", &[], "").await;
    assert_eq!(reply.ok(200), json!({ "database": ok, "queue": ok, "cache": ok }));
    api.raw(Method::HEAD, "/health", "", &[], "").await.empty(200);
    api.raw(Method::GET, "/health/ping", "", &[], "").await.empty(204);
    api.raw(Method::HEAD, "/health/ping", "", &[], "").await.empty(204);
}

#[linchpin_testing::test]
async fn health_tells_the_part_that_hangs_from_those_that_answer() {
    let api = Api::new();
    let held = api.hold_the_writer().await;
    let reply = api.raw(Method::GET, "/health", "", &[], "").await;
    let (ok, error) = (json!({ "status": "ok" }), json!({ "status": "error" }));
    assert_eq!(reply.ok(500), json!({ "database": ok, "queue": error, "cache": ok }));
    held.release().await;
    let reply = api.raw(Method::GET, "/health", "", &[], "").await;
    assert_eq!(reply.ok(200), json!({ "database": ok, "queue": ok, "cache": ok }));
}

#[linchpin_testing::test]
async fn a_store_that_is_closed_is_a_failure_of_ours() {
    let api = Api::new();
    api.database.close(&linchpin::Context::root()).await.unwrap();
    let reply = api.raw(Method::GET, "/health", "", &[], "").await;
    assert_eq!(reply.ok(500)["database"], json!({ "status": "error" }));
    let reply = api.post("/app", json!({ "name": "n" })).await;
    reply.error(503, "unavailable");
    assert_eq!(reply.headers["retry-after"], "1");
}

#[linchpin_testing::test]
async fn a_database_fault_shows_its_public_text_only() {
    let api = Api::new();
    let drop = |tx: &mut linchpin_data::sqlite::Tx<'_>| {
        use linchpin_data::sqlite::Sql as _;
        tx.execute_batch("DROP TABLE application").sql("drop")
    };
    api.database.writer().submit(&linchpin::Context::root(), drop).await.unwrap();
    let reply = api.get("/app").await;
    reply.error(500, "internal");
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!text.contains("application") || !text.contains("table"), "{text}");
    assert_ne!(reply.json(), Value::Null);
}
