//! How the client comes by a connection: what it looks up, whom it refuses to dial, and whose fault it is if there is none.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use linchpin_http::client::{AddressPolicy, ClientOptions, Lack, Resolve, SendError};
use linchpin_testing::server::{Answer, TestServer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::client::{call, client, local};
use crate::support::{any_port, ms};

/// A resolver with one list of addresses for each look-up, in order.
#[derive(Clone, Default)]
pub(crate) struct Scripted(Arc<Mutex<VecDeque<Vec<SocketAddr>>>>);

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Vec<SocketAddr>>) -> Self {
        Self(Arc::new(Mutex::new(answers.into_iter().collect())))
    }

    pub(crate) fn left(&self) -> usize {
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
