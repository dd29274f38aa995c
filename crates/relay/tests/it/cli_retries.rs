//! What a command does when nobody answers, or a server that cannot: each against a server that is told what to answer.

use std::process::Output;

use http::Method;
use linchpin_testing::server::{Answer, TestServer};

use crate::process::Home;

const MADE: &str = r#"{"id":"app_1","name":"Shop"}"#;

async fn ask(server: &TestServer, args: &[&str]) -> Output {
    let variables = [("RELAY_URL", server.url()), ("RELAY_TOKEN", "of_somebody".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    Home::new().run_with(args, &variables).await
}

#[linchpin_testing::test]
async fn a_creation_is_tried_again_under_one_key() {
    let server = TestServer::spawn().await;
    server.next([Answer::Close, Answer::status(503), Answer::text(201, MADE)]);
    let made = ask(&server, &["app", "create", "Shop"]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert_eq!(String::from_utf8_lossy(&made.stdout).trim(), MADE);

    let tries = server.received();
    assert_eq!(tries.len(), 3);
    for one in &tries {
        assert_eq!((&one.method, one.uri.path()), (&Method::POST, "/api/v1/app"));
        assert_eq!(one.header("authorization"), Some("Bearer of_somebody"));
        assert_eq!(one.body, tries[0].body);
        assert_eq!(one.header("idempotency-key"), tries[0].header("idempotency-key"));
    }
    server.next([Answer::text(201, MADE)]);
    ask(&server, &["app", "create", "Shop"]).await;
    let keys = server.received();
    assert!(keys[0].header("idempotency-key").is_some());
    assert_ne!(keys[0].header("idempotency-key"), keys[3].header("idempotency-key"), "once each");
}

#[linchpin_testing::test]
async fn after_three_tries_it_is_told_what_came_of_the_last() {
    let server = TestServer::spawn().await;
    server.next([Answer::status(500), Answer::Close]);
    server.then(Answer::text(503, "no room"));
    let failed = ask(&server, &["app", "list"]).await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(String::from_utf8_lossy(&failed.stderr), "relay: 503 no room\n");
    assert_eq!(server.received().len(), 3);
}

#[linchpin_testing::test]
async fn what_is_refused_is_not_asked_again() {
    let server = TestServer::spawn().await;
    for (status, code) in [(400, 1), (401, 1), (404, 4), (409, 1), (422, 1), (429, 1)] {
        let before = server.received().len();
        server.next([Answer::status(status)]);
        let refused = ask(&server, &["app", "get", "shop"]).await;
        assert_eq!(refused.status.code(), Some(code), "{status}: {refused:?}");
        assert_eq!(server.received().len() - before, 1, "{status}");
    }
}

/// The first may have been heard, and the second would find nothing.
#[linchpin_testing::test]
async fn a_deletion_is_tried_once() {
    let server = TestServer::spawn().await;
    for answer in [Answer::status(503), Answer::Close] {
        let before = server.received().len();
        server.next([answer]);
        let failed = ask(&server, &["app", "delete", "shop", "--yes"]).await;
        assert_eq!(failed.status.code(), Some(1), "{failed:?}");
        assert_eq!(server.received().len() - before, 1, "{failed:?}");
    }
}
