//! The server: whom it refuses, and that nobody else notices. How long it waits is in `server_slow`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http_body::Frame;
use linchpin::{Kind, task};
use linchpin_http::lifecycle::{self, Lifecycle};
use linchpin_http::middleware::{StackOptions, stack};
use linchpin_http::server::{Options, Server};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::support::{Raw, Running, any_port, ms, soon};

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/panic", get(|| async { panic!("boom") as &'static str }))
}

#[linchpin_testing::test]
async fn a_request_without_a_host_is_refused_and_closed() {
    let server = Running::plain(router()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[linchpin_testing::test]
async fn http_1_0_needs_no_host() {
    let server = Running::plain(router()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("hello"), "{answer}");
}

#[linchpin_testing::test]
async fn a_request_with_two_hosts_is_refused_and_closed() {
    let server = Running::plain(router()).await;
    for second in ["host: a", "Host: b"] {
        let mut client = server.connect().await;
        client.send(&format!("GET / HTTP/1.1\r\nhost: a\r\n{second}\r\n\r\n")).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[linchpin_testing::test]
async fn a_panic_outside_the_middleware_costs_its_own_connection_only() {
    let server = Running::plain(router()).await;
    let mut neighbour = server.connect().await;
    neighbour.get("/").await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(client.rest().await, "");
    assert!(neighbour.get("/").await.ends_with("hello"));
    assert!(server.connect().await.get("/").await.ends_with("hello"));
}

#[linchpin_testing::test]
async fn a_panic_in_a_response_body_costs_its_own_connection_only() {
    struct Panicking;
    impl http_body::Body for Panicking {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("boom")
        }
    }
    let routes = router().route("/body", get(|| async { Body::new(Panicking) }));
    let work = linchpin::Context::root();
    let server = Running::plain(stack(routes, &work, &StackOptions::default())).await;
    let mut neighbour = server.connect().await;
    neighbour.get("/").await;
    let mut client = server.connect().await;
    client.send("GET /body HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(!client.rest().await.contains("boom"));
    assert!(neighbour.get("/").await.ends_with("hello"));
}

#[linchpin_testing::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let server = Running::plain(router()).await;
    let mut client = server.connect().await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nfirst\
             POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nsecond",
        )
        .await;
    assert!(client.answer().await.ends_with("first"));
    assert!(client.answer().await.ends_with("second"));
}

#[linchpin_testing::test]
async fn beyond_the_most_connections_the_next_waits_for_a_place() {
    let (enter, entered) = oneshot::channel::<()>();
    let (open, opened) = oneshot::channel::<()>();
    let once = Arc::new(Mutex::new(Some((enter, opened))));
    let slow = move || async move {
        let (enter, opened) = once.lock().unwrap().take().unwrap();
        enter.send(()).unwrap();
        opened.await.unwrap();
        "slow"
    };
    let options = Options::default().max_connections(1);
    let routes = router().route("/slow", get(slow));
    let server = Running::start(routes, options, lifecycle::Options::default()).await;
    let mut first = server.connect().await;
    first.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    soon("the handler runs", entered).await.unwrap();
    // The kernel takes it; the server does not.
    let mut second = server.connect().await;
    second.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let early = tokio::time::timeout(ms(50), second.0.readable()).await;
    assert!(early.is_err(), "the second connection was served beside the first");

    open.send(()).unwrap();
    assert!(first.answer().await.ends_with("slow"));
    assert!(second.answer().await.ends_with("hello"));
}

#[linchpin_testing::test]
async fn an_address_that_is_taken_is_named_with_a_hint() {
    let server = Server::bind(any_port()).await.unwrap();
    let fault = Server::bind(server.local_addr()).await.unwrap_err();
    assert_eq!(fault.kind(), Kind::Unavailable);
    let text = fault.to_string();
    assert!(text.contains(&server.local_addr().to_string()), "{text}");
    assert!(text.contains("another process"), "{text}");
}

#[linchpin_testing::test]
async fn dropping_the_server_closes_the_listener_and_its_connections() {
    let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
    let (come, came) = oneshot::channel::<()>();
    let come = Arc::new(Mutex::new(Some(come)));
    let hang = move || async move {
        if let Some(come) = come.lock().unwrap().take() {
            come.send(()).unwrap();
        }
        std::future::pending::<&'static str>().await
    };
    let server = Server::bind(any_port()).await.unwrap();
    let addr = server.local_addr();
    let serving = task::spawn("dropped server", async move {
        server.serve(Router::new().route("/", get(hang))).run(&life).await
    });
    let mut client = Raw(TcpStream::connect(addr).await.unwrap());
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    soon("the handler runs", came).await.unwrap();

    drop(serving);
    assert_eq!(client.rest().await, "");
    let refused = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon("the listener is closed", refused).await;
}

#[linchpin_testing::test]
async fn a_length_beside_a_transfer_encoding_smuggles_nothing() {
    let server = Running::plain(router()).await;
    for lengths in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
    ] {
        let mut client = server.connect().await;
        let hidden = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
        client
            .send(&format!(
                "POST /echo HTTP/1.1\r\nhost: test\r\n{lengths}\r\n\r\n0\r\n\r\n{hidden}"
            ))
            .await;
        // The encoding wins and the connection ends with the answer, as RFC 9112 wants: what follows is never read.
        let answer = client.rest().await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[linchpin_testing::test]
async fn bounds_that_cannot_be_are_refused() {
    let plain = Options::default;
    for (options, name) in [
        (plain().max_connections(0), "max_connections"),
        (plain().max_connections(usize::MAX), "max_connections"),
        (plain().min_rate(0), "min_rate"),
    ] {
        let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
        let server = Server::bind(any_port()).await.unwrap();
        let run = task::spawn("refused options", async move {
            server.serve(router()).options(options).run(&life).await
        });
        let outcome = soon("the options are judged", run.outcome()).await;
        let fault = outcome.expect("bad options are no panic").unwrap_err();
        assert_eq!(fault.kind(), Kind::InvalidArgument);
        assert!(fault.report().to_string().contains(name), "{}", fault.report());
    }
}

/// A POST that no handler reads, with a body of so many bytes.
fn unread(bytes: usize, more: &str) -> String {
    let body = "x".repeat(bytes);
    format!("POST / HTTP/1.1\r\nhost: test\r\n{more}content-length: {bytes}\r\n\r\n{body}")
}

#[linchpin_testing::test]
async fn a_connection_outlives_a_small_body_that_nobody_reads() {
    let server = Running::plain(router()).await;
    let mut client = server.connect().await;
    for bytes in [1, 8_000, 64 << 10] {
        client.send(&unread(bytes, "")).await;
        let answer = client.answer().await;
        assert!(
            answer.starts_with("HTTP/1.1 405") && !answer.contains("connection: close"),
            "{answer}"
        );
    }
    assert!(client.get("/").await.ends_with("hello"));
}

#[linchpin_testing::test]
async fn an_answer_to_a_large_body_that_nobody_reads_says_that_the_connection_ends() {
    let server = Running::plain(router()).await;
    for request in [
        unread((64 << 10) + 1, ""),
        // It may never come, or not be sent at all.
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
            .to_owned(),
        "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
            .to_owned(),
    ] {
        let mut client = server.connect().await;
        client.send(&request).await;
        let all = client.rest().await;
        assert!(all.starts_with("HTTP/1.1 405") && all.contains("connection: close"), "{all}");
    }
    // One that was read to its end is as any other.
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    assert!(client.answer().await.ends_with("hello"));
    assert!(client.get("/").await.ends_with("hello"));
}

/// A connection that is closed with something unread is reset, and the answer in it is lost.
#[linchpin_testing::test]
async fn who_sends_more_than_anybody_wants_is_answered_all_the_same() {
    let server = Running::plain(router()).await;
    for _ in 0..10 {
        let mut client = server.connect().await;
        client.send(&unread(8 << 20, "")).await;
        let answer = client.answer().await;
        assert!(
            answer.starts_with("HTTP/1.1 405") && answer.contains("connection: close"),
            "{answer}"
        );
        assert_eq!(client.0.read(&mut [0]).await.expect("an end, and no reset"), 0);
    }
}
