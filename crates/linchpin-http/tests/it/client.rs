//! The outbound client: what arrives, what it reads of an answer, and when it gives up.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin_http::client::{AddressPolicy, Client, ClientOptions, Exchange, Limits, SendError};
use linchpin_testing::server::{Answer, TestServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client_dial::Scripted;
use crate::support::{any_port, ms, soon};

pub(crate) fn local() -> ClientOptions {
    ClientOptions::default().addresses(AddressPolicy::public().allow_loopback())
}

pub(crate) fn client(options: ClientOptions) -> Client {
    Client::new(options).unwrap()
}

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("payload")).unwrap()
}

async fn send(client: &Client, url: &str, limits: &Limits) -> Result<Exchange, SendError> {
    soon("the call ends", client.send(&Context::root(), post(url), limits)).await
}

pub(crate) async fn call(client: &Client, url: &str) -> Result<Exchange, SendError> {
    send(client, url, &Limits::default()).await
}

#[linchpin_testing::test]
async fn a_request_arrives_as_it_was_sent() {
    let server = TestServer::spawn().await;
    server.next([Answer::text(201, "made")]);
    let request = Request::post(format!("{}hook?a=1", server.url()))
        .header("Webhook-Id", "msg_1")
        .body(Full::from("payload"))
        .unwrap();
    let exchange = client(local()).send(&Context::root(), request, &Limits::default()).await;
    let exchange = exchange.unwrap();
    assert_eq!((exchange.status, &exchange.body[..]), (StatusCode::CREATED, &b"made"[..]));
    assert!(!exchange.truncated);

    let received = &server.received()[0];
    assert_eq!(
        (received.uri.to_string().as_str(), &received.body[..]),
        ("/hook?a=1", &b"payload"[..])
    );
    assert_eq!(received.header("webhook-id"), Some("msg_1"));
    assert_eq!(received.header("host"), Some(server.addr().to_string().as_str()));
    assert_eq!(received.header("accept-encoding"), None);
}

#[linchpin_testing::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (server, target) = (TestServer::spawn().await, TestServer::spawn().await);
    let mut headers = HeaderMap::new();
    headers.insert("location", HeaderValue::from_str(&target.url()).unwrap());
    server.next([Answer::Reply(StatusCode::TEMPORARY_REDIRECT, headers, Bytes::new())]);
    let exchange = call(&client(local()), &server.url()).await.unwrap();
    assert_eq!(exchange.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(exchange.headers["location"], target.url());
    assert!(target.received().is_empty());
}

#[linchpin_testing::test]
async fn an_answer_that_never_comes_is_given_up_at_the_limit() {
    let server = TestServer::spawn().await;
    server.then(Answer::Hang);
    let limits = Limits::default().timeout(ms(60));
    let fault = send(&client(local()), &server.url(), &limits).await.unwrap_err();
    assert!(matches!(fault, SendError::TimedOut { limit } if limit == ms(60)), "{fault:?}");
}

#[linchpin_testing::test]
async fn a_body_that_drips_for_ever_is_cut_at_the_limit() {
    let server = TestServer::spawn().await;
    server.then(Answer::Drip(StatusCode::OK));
    let limits = Limits::default().timeout(ms(80));
    let fault = send(&client(local()), &server.url(), &limits).await;
    assert!(matches!(fault, Err(SendError::TimedOut { .. })), "{fault:?}");
}

#[linchpin_testing::test]
async fn the_context_ends_a_call() {
    let server = TestServer::spawn().await;
    server.then(Answer::Hang);
    let (ctx, client, url) = (Context::root().child(), client(local()), server.url());
    let limits = Limits::default();
    let calling = client.send(&ctx, post(&url), &limits);
    let cancelling = async {
        server.wait_for(1).await;
        ctx.cancel("the operator");
    };
    let (fault, ()) = soon("the call ends", async { tokio::join!(calling, cancelling) }).await;
    let Err(SendError::Ended(ended)) = fault else { panic!("{fault:?}") };
    assert!(matches!(ended.cause(), Cause::Because(_)));

    // Ended before: nothing is sent.
    let again = client.send(&ctx, post(&url), &Limits::default()).await;
    assert!(matches!(again, Err(SendError::Ended(_))), "{again:?}");
    assert_eq!(server.received().len(), 1);
}

#[linchpin_testing::test]
async fn a_peer_that_closes_without_an_answer_broke_the_protocol() {
    let server = TestServer::spawn().await;
    server.next([Answer::Close]);
    let fault = call(&client(local()), &server.url()).await;
    assert!(matches!(fault, Err(SendError::Protocol(_))), "{fault:?}");
}

/// A peer that answers its first request with these bytes and closes.
async fn answering(bytes: Vec<u8>) -> (String, linchpin::task::Task<()>) {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answering = linchpin::task::spawn("raw peer", async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        // The client may have gone before all is written.
        drop(stream.write_all(&bytes).await);
        drop(stream.shutdown().await);
    });
    (url, answering)
}

#[linchpin_testing::test]
async fn what_is_not_http_broke_the_protocol() {
    let (url, _peer) = answering(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).await;
    let fault = call(&client(local()), &url).await;
    assert!(matches!(fault, Err(SendError::Protocol(_))), "{fault:?}");
}

#[linchpin_testing::test]
async fn a_body_that_breaks_off_is_an_error() {
    let (url, _peer) =
        answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()).await;
    let fault = call(&client(local()), &url).await;
    assert!(matches!(fault, Err(SendError::Body(_))), "{fault:?}");
}

#[linchpin_testing::test]
async fn a_header_without_end_is_refused_long_before_it_fills_the_memory() {
    const SENT: usize = 4 << 20;
    let mut endless = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    endless.resize(SENT, b'a');
    let (url, _peer) = answering(endless).await;
    let fault = call(&client(local()), &url).await;
    assert!(matches!(fault, Err(SendError::Protocol(_))), "{fault:?}");
}

#[linchpin_testing::test]
async fn of_a_big_body_the_beginning_is_kept() {
    let server = TestServer::spawn().await;
    let client = client(local());
    for (length, kept, truncated) in
        [(20_000, 20_000, false), (20_001, 20_000, true), (1 << 20, 20_000, true)]
    {
        server.next([Answer::text(200, vec![b'x'; length])]);
        let exchange = call(&client, &server.url()).await.unwrap();
        assert_eq!((exchange.body.len(), exchange.truncated), (kept, truncated), "{length}");
    }
    server.next([Answer::text(200, "0123456789")]);
    let exchange = send(&client, &server.url(), &Limits::default().keep(4)).await.unwrap();
    assert_eq!((&exchange.body[..], exchange.truncated), (&b"0123"[..], true));
}

#[linchpin_testing::test]
async fn a_compressed_body_stays_as_it_is() {
    let server = TestServer::spawn().await;
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", HeaderValue::from_static("gzip"));
    server.next([Answer::Reply(StatusCode::OK, headers, Bytes::from_static(b"\x1f\x8bbomb"))]);
    let exchange = call(&client(local()), &server.url()).await.unwrap();
    assert_eq!(&exchange.body[..], b"\x1f\x8bbomb");
}

/// How many connections a client opens for two calls, the first answered with a body of `length`.
async fn connections_for(length: usize) -> usize {
    let server = TestServer::spawn().await;
    server.next([Answer::text(200, vec![b'x'; length])]);
    let names = Scripted::new([vec![server.addr()], vec![server.addr()]]);
    let client = client(local().resolver(names.clone()));
    for _ in 0..2 {
        call(&client, "http://hook.example/").await.unwrap();
        // A connection goes back to the pool on a task of its own.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    2 - names.left()
}

#[linchpin_testing::test]
async fn a_connection_is_used_again_after_a_body_that_was_read_to_its_end() {
    assert_eq!(connections_for(5).await, 1);
    assert_eq!(connections_for(30_000).await, 1);
}

#[linchpin_testing::test]
async fn a_connection_is_not_used_again_after_a_body_too_big_to_read() {
    assert_eq!(connections_for(8 << 20).await, 2);
}
