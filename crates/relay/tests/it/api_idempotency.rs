//! Idempotency keys: a creation takes place once, and says the same again.

use http::Method;
use serde_json::{Value, json};

use crate::api::{Api, app_token};

#[linchpin_testing::test]
async fn a_repeat_gets_the_first_reply_byte_for_byte() {
    let api = Api::new();
    api.app("shop").await;
    for (path, body) in [
        ("/app", r#"{"name":"n"}"#),
        ("/event-type", r#"{"name":"paid","description":""}"#),
        ("/app/shop/endpoint", r#"{"url":"https://example.com/"}"#),
        ("/app/shop/msg?with_content=false", r#"{"eventType":"paid","payload":{"a":1}}"#),
    ] {
        let first = api.post_once("key", path, body).await;
        assert!(matches!(first.status, 201 | 202), "{path} {:?}", first.body);
        assert!(!first.headers.contains_key("idempotent-replayed"));
        let again = api.post_once("key", path, body).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(again.headers["content-type"], "application/json");
        let other = api.post_once("other", path, &body.replace("paid", "sent")).await;
        assert_ne!(other.body, first.body);
    }
    assert_eq!(api.number("SELECT count(*) FROM message").await, 2);
    // Both endpoints were there for the second message, as for the first.
    assert_eq!(api.number("SELECT count(*) FROM delivery").await, 4);
}

#[linchpin_testing::test]
async fn another_body_or_query_under_the_same_key_is_refused() {
    let api = Api::new();
    api.app("shop").await;
    let body = r#"{"eventType":"paid","payload":{}}"#;
    api.post_once("key", "/app/shop/msg", body).await.ok(202);
    for (path, body) in [
        ("/app/shop/msg", r#"{"eventType":"sent","payload":{}}"#),
        ("/app/shop/msg", r#"{"eventType":"paid", "payload":{}}"#),
        ("/app/shop/msg?with_content=false", body),
    ] {
        let reply = api.post_once("key", path, body).await;
        assert_eq!(reply.faults("idempotency_key_reused"), ["header.idempotency-key"]);
    }
    assert_eq!(api.number("SELECT count(*) FROM message").await, 1);
}

#[linchpin_testing::test]
async fn the_same_key_elsewhere_is_another_key() {
    let api = Api::new();
    let own = api.app("shop").await;
    api.app("stall").await;
    let body = r#"{"eventType":"paid","payload":{}}"#;
    let first = api.post_once("key", "/app/shop/msg", body).await.ok(202);
    let second = api.post_once("key", "/app/stall/msg", body).await.ok(202);
    assert_ne!(first["id"], second["id"]);

    // Nor do tokens of the organisation and of the application share theirs.
    let endpoint = r#"{"url":"https://example.com/"}"#;
    let first = api.post_once("key", "/app/shop/endpoint", endpoint).await.ok(201);
    let token = app_token(api.org, own);
    let headers = [("idempotency-key", "key")];
    let reply = api.raw(Method::POST, "/app/shop/endpoint", &token, &headers, endpoint).await;
    assert_ne!(reply.ok(201)["id"], first["id"]);
}

#[linchpin_testing::test]
async fn a_refusal_is_not_kept() {
    let api = Api::new();
    let body = r#"{"eventType":"paid","payload":{}}"#;
    api.post_once("key", "/app/shop/msg", body).await.not_found();
    api.app("shop").await;
    api.post_once("key", "/app/shop/msg", body).await.ok(202);

    api.post_once("k", "/app", r#"{"name":""}"#).await.faults("value_error");
    api.post_once("k", "/app", r#"{"name":"n","uid":"shop"}"#).await.error(409, "conflict");
    api.post_once("k", "/app", r#"{"name":"n","uid":"new"}"#).await.ok(201);
    assert_eq!(api.number("SELECT count(*) FROM idempotency").await, 2);
}

#[linchpin_testing::test]
async fn keys_have_1_to_256_bytes() {
    let api = Api::new();
    for key in [String::new(), "k".repeat(257)] {
        let reply = api.post_once(&key, "/app", r#"{"name":"n"}"#).await;
        assert_eq!(reply.faults("value_error"), ["header.idempotency-key"]);
    }
    api.post_once(&"k".repeat(256), "/app", r#"{"name":"n"}"#).await.ok(201);
}

#[linchpin_testing::test]
async fn repeats_at_the_same_moment_have_one_effect() {
    let api = Api::new();
    api.app("shop").await;
    let body = json!({ "eventType": "paid", "payload": {} }).to_string();
    let calls = (0..16).map(|_| api.post_once("key", "/app/shop/msg", &body));
    let replies: Vec<Value> =
        futures_util::future::join_all(calls).await.iter().map(|reply| reply.ok(202)).collect();
    assert!(replies.iter().all(|reply| reply == &replies[0]));
    assert_eq!(api.number("SELECT count(*) FROM message").await, 1);
}
