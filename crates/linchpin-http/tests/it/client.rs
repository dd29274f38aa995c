//! The outbound client: whom it refuses to dial, what it reads, and when it gives up.
//!
//! One file because all of it calls with the same few resolvers and helpers.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin_http::client::{
    AddressPolicy, Client, ClientOptions, Exchange, Lack, Limits, Resolve, SendError,
};
use linchpin_testing::server::{Answer, TestServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{any_port, ms, soon};

fn local() -> ClientOptions {
    ClientOptions::default().addresses(AddressPolicy::public().allow_loopback())
}

fn client(options: ClientOptions) -> Client {
    Client::new(options).unwrap()
}

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url).body(Full::from("payload")).unwrap()
}

async fn send(client: &Client, url: &str, limits: &Limits) -> Result<Exchange, SendError> {
    soon("the call ends", client.send(&Context::root(), post(url), limits)).await
}

async fn call(client: &Client, url: &str) -> Result<Exchange, SendError> {
    send(client, url, &Limits::default()).await
}

/// A resolver with one list of addresses for each look-up, in order.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<VecDeque<Vec<SocketAddr>>>>);

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Vec<SocketAddr>>) -> Self {
        Self(Arc::new(Mutex::new(answers.into_iter().collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        _: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        let next = self.0.lock().unwrap().pop_front();
        Box::pin(async move { next.ok_or_else(|| io::Error::other("looked up too often")) })
    }
}

/// A resolver that never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        _: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
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

/// A resolver that counts its calls, and answers when others had a turn.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>, SocketAddr);

impl Resolve for Counted {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        _: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(vec![self.1])
        })
    }
}

#[linchpin_testing::test]
async fn connections_to_one_name_at_the_same_time_share_a_look_up() {
    let server = TestServer::spawn().await;
    server.next((0..4).map(|_| Answer::text(200, "here")));
    let looked_up = Arc::new(AtomicUsize::new(0));
    let resolver = Counted(looked_up.clone(), server.addr());
    let client = client(local().resolver(resolver));
    let url = format!("http://example.test:{}/", server.addr().port());
    let calls = futures_util::future::join_all((0..4).map(|_| call(&client, &url))).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
    assert_eq!(looked_up.load(Ordering::SeqCst), 1);
}

#[linchpin_testing::test]
async fn a_literal_that_is_not_public_is_refused_before_it_is_dialled() {
    let server = TestServer::spawn().await;
    let port = server.addr().port();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "10.0.0.1", "169.254.169.254"] {
        let fault =
            call(&client(ClientOptions::default()), &format!("http://{host}:{port}/")).await;
        let Err(SendError::Blocked(blocked)) = fault else { panic!("{host}: {fault:?}") };
        assert_eq!(blocked.host, host.trim_matches(['[', ']']));
    }
    assert!(server.received().is_empty());
}

#[linchpin_testing::test]
async fn a_refusal_over_tls_is_found_too() {
    let fault = call(&client(ClientOptions::default()), "https://127.0.0.1/").await.unwrap_err();
    let SendError::Blocked(blocked) = &fault else { panic!("{fault:?}") };
    assert_eq!(blocked.range, "loopback");
    assert_eq!(
        fault.to_string(),
        "requests to `127.0.0.1` are blocked: 127.0.0.1 is loopback, not a public address"
    );
}

#[linchpin_testing::test]
async fn a_name_is_judged_by_the_addresses_that_it_stands_for() {
    let server = TestServer::spawn().await;
    let names = Scripted::new([vec![server.addr()]]);
    let options = ClientOptions::default().resolver(names);
    let fault = call(&client(options), "http://hook.example/").await.unwrap_err();
    let SendError::Blocked(blocked) = fault else { panic!("{fault:?}") };
    assert_eq!((blocked.host.as_str(), blocked.address), ("hook.example", server.addr().ip()));
    assert!(server.received().is_empty());
}

#[linchpin_testing::test]
async fn a_name_is_looked_up_once_a_connection_so_rebinding_gains_nothing() {
    let server = TestServer::spawn().await;
    let metadata: SocketAddr = (Ipv4Addr::new(169, 254, 169, 254), 80).into();
    let names = Scripted::new([vec![server.addr()], vec![metadata]]);
    let client = client(local().resolver(names.clone()).idle_per_host(0));

    assert_eq!(call(&client, "http://hook.example/").await.unwrap().status, StatusCode::OK);
    assert_eq!(names.left(), 1, "the first call looked up more than once");
    // The name now points inside: a new connection is judged anew.
    let fault = call(&client, "http://hook.example/").await;
    assert!(matches!(fault, Err(SendError::Blocked(_))), "{fault:?}");
    assert_eq!(server.received().len(), 1);
}

#[linchpin_testing::test]
async fn of_several_addresses_only_those_that_pass_are_dialled_in_order() {
    let server = TestServer::spawn().await;
    let closed = {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        listener.local_addr().unwrap()
    };
    let private: SocketAddr = (Ipv4Addr::new(10, 0, 0, 1), 80).into();
    let names = Scripted::new([vec![private, closed, server.addr()]]);
    let exchange = call(&client(local().resolver(names)), "http://hook.example/").await.unwrap();
    assert_eq!(exchange.status, StatusCode::OK);
}

#[linchpin_testing::test]
async fn a_name_without_addresses_or_without_an_answer_is_no_connection() {
    let empty = Scripted::new([vec![]]);
    let fault = call(&client(local().resolver(empty)), "http://hook.example/").await.unwrap_err();
    assert!(matches!(fault, SendError::Connect(_)), "{fault:?}");
    assert_eq!(fault.to_string(), "cannot connect: `hook.example` has no address");

    let failing = Scripted::default();
    let fault = call(&client(local().resolver(failing)), "http://hook.example/").await.unwrap_err();
    assert!(fault.to_string().contains("cannot look up `hook.example`"), "{fault}");
}

#[linchpin_testing::test]
async fn a_look_up_that_hangs_is_given_up_within_the_connect_timeout_and_is_no_fault_of_the_other_side()
 {
    let options = local().resolver(Silent).connect_timeout(ms(30));
    let fault = call(&client(options), "http://hook.example/").await.unwrap_err();
    assert_eq!(lack(&fault), Some(Lack::Resolver));
    assert!(fault.to_string().contains("within 24ms"), "{fault}");
}

/// What is lacking here, if it is here.
fn lack(fault: &SendError) -> Option<Lack> {
    match fault {
        SendError::Local(fault) => Some(fault.lack()),
        _ => None,
    }
}

/// A resolver that fails.
struct Failing(fn() -> io::Error);

impl Resolve for Failing {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        _: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async { Err((self.0)()) })
    }
}

#[linchpin_testing::test]
async fn a_resolver_that_cannot_be_reached_is_told_from_a_name_that_is_not_there() {
    const EMFILE: i32 = 24;
    let faults: [(fn() -> io::Error, _); 3] = [
        (|| io::ErrorKind::NetworkDown.into(), Some(Lack::Resolver)),
        (|| io::Error::from_raw_os_error(EMFILE), Some(Lack::Files)),
        (|| io::Error::other("Name or service not known"), None),
    ];
    for (fault, wanted) in faults {
        let fault = call(&client(local().resolver(Failing(fault))), "http://hook.example/").await;
        let fault = fault.unwrap_err();
        assert_eq!(lack(&fault), wanted, "{fault:?}");
        assert!(fault.to_string().contains("cannot look up `hook.example`"), "{fault}");
    }
}

#[linchpin_testing::test]
async fn an_address_without_a_route_is_a_fault_of_ours_unless_another_has_answered() {
    let addresses =
        AddressPolicy::public().allow_loopback().allow("255.255.255.255/32".parse().unwrap());
    let here = TcpListener::bind(any_port()).await.unwrap();
    let refuses = here.local_addr().unwrap();
    drop(here);
    // Broadcast: no kernel connects to it.
    let nowhere: SocketAddr = "255.255.255.255:1".parse().unwrap();
    for (found, wanted) in [
        (vec![nowhere], Some(Lack::Route)),
        (vec![nowhere, refuses], None),
        (vec![refuses, nowhere], None),
    ] {
        let options = local().addresses(addresses.clone()).resolver(Scripted::new([found]));
        let fault = call(&client(options), "http://hook.example/").await.unwrap_err();
        assert_eq!(lack(&fault), wanted, "{fault:?}");
    }
}

#[linchpin_testing::test]
async fn a_closed_port_is_no_connection() {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let fault = call(&client(local()), &url).await;
    assert!(matches!(fault, Err(SendError::Connect(_))), "{fault:?}");
}

#[linchpin_testing::test]
async fn a_peer_that_does_not_speak_tls_is_no_connection() {
    let server = TestServer::spawn().await;
    let url = format!("https://{}/", server.addr());
    let fault = call(&client(local()), &url).await;
    assert!(matches!(fault, Err(SendError::Connect(_))), "{fault:?}");
}

/// A peer that takes a connection and says nothing is one whose handshake never ends: the pool would keep it.
#[linchpin_testing::test]
async fn a_peer_that_is_silent_in_tls_is_given_up_with_the_connect_timeout() {
    let silent = TcpListener::bind(any_port()).await.unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let client = client(local().connect_timeout(ms(50)));
    let (fault, accepted) = tokio::join!(call(&client, &url), silent.accept());
    let (fault, mut connection) = (fault.unwrap_err(), accepted.unwrap().0);
    assert!(fault.to_string().contains("cannot connect: no connection to https"), "{fault}");
    // Its hello, and then the end of it.
    let mut hello = Vec::new();
    connection.read_to_end(&mut hello).await.unwrap();
    assert!(!hello.is_empty());
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
