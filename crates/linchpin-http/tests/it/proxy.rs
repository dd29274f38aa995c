//! Calls through a proxy, and whose certificates are believed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use linchpin::Context;
use linchpin::task::{self, Task, Tracker};
use linchpin_http::client::{
    AddressPolicy, Client, ClientOptions, Exchange, Limits, Proxy, Resolve, Roots, SendError,
};
use linchpin_testing::proxy::{Asked, TestProxy};
use linchpin_testing::server::TestServer;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{any_port, ms, soon};

const CA: &[u8] = include_bytes!("fixtures/ca.pem");

/// Every name stands for this address.
#[derive(Clone, Copy)]
struct At(&'static str);

impl Resolve for At {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { Ok(vec![SocketAddr::new(self.0.parse().unwrap(), port)]) })
    }
}

fn options() -> ClientOptions {
    let addresses = AddressPolicy::public().allow_loopback();
    ClientOptions::default().addresses(addresses).resolver(At("127.0.0.1"))
}

fn through(proxy: &str) -> Client {
    Client::new(options().proxy(proxy.parse().unwrap())).unwrap()
}

async fn call(client: &Client, url: &str) -> Result<Exchange, SendError> {
    let request = Request::post(url).body(Full::<Bytes>::from("payload")).unwrap();
    soon("the call ends", client.send(&Context::root(), request, &Limits::default())).await
}

fn asked(target: SocketAddr, login: Option<&str>) -> Asked {
    Asked { target: target.to_string(), login: login.map(str::to_owned) }
}

/// Ends TLS in front of a server.
struct Tls {
    addr: SocketAddr,
    _accepting: Task<()>,
}

impl Tls {
    async fn before(server: SocketAddr) -> Self {
        let chain = CertificateDer::pem_slice_iter(include_bytes!("fixtures/server.pem"));
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepting = task::spawn("tls", async move {
            let connections = Tracker::new("tls");
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                connections.spawn("tls connection", async move {
                    let Ok(mut inner) = acceptor.accept(stream).await else { return };
                    let mut outer = TcpStream::connect(server).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut inner, &mut outer).await);
                });
            }
        });
        Self { addr, _accepting: accepting }
    }
}

#[linchpin_testing::test]
async fn a_call_goes_through_the_proxy_by_a_judged_address() {
    for scheme in ["http", "socks5"] {
        let (proxy, server) = (TestProxy::spawn().await, TestServer::spawn().await);
        let client = through(&format!("{scheme}://{}", proxy.addr()));
        let port = server.addr().port();
        for _ in 0..2 {
            let exchange = call(&client, &format!("http://hooks.test:{port}/hook?a=1")).await;
            assert_eq!(exchange.unwrap().status, 200);
        }
        // The address, which is the proxy's business, and not the name; once, since the connection is kept.
        assert_eq!(proxy.asked(), [asked(server.addr(), None)], "{scheme}");
        for received in server.received() {
            assert_eq!(received.uri, "/hook?a=1");
            assert_eq!(received.header("host"), Some(format!("hooks.test:{port}").as_str()));
            assert_eq!(received.header("proxy-authorization"), None);
        }
    }
}

#[linchpin_testing::test]
async fn a_refused_target_is_never_named_to_the_proxy() {
    let proxy = TestProxy::spawn().await;
    for scheme in ["http", "socks5"] {
        let options = ClientOptions::default()
            .resolver(At("10.0.0.1"))
            .proxy(format!("{scheme}://{}", proxy.addr()).parse().unwrap());
        let client = Client::new(options).unwrap();
        for url in ["http://hooks.test/", "https://hooks.test/", "http://127.0.0.1/"] {
            let refused = call(&client, url).await;
            assert!(matches!(refused, Err(SendError::Blocked(_))), "{url}: {refused:?}");
        }
    }
    assert_eq!(proxy.asked(), []);
}

#[linchpin_testing::test]
async fn the_proxy_learns_who_we_are_and_the_target_does_not() {
    let server = TestServer::spawn().await;
    for (scheme, login) in [("http", "Basic cmVsYXk6cEBzczp3b3Jk"), ("socks5", "relay:p@ss:word")] {
        let proxy = TestProxy::spawn().await;
        let client = through(&format!("{scheme}://relay:p%40ss%3Aword@{}", proxy.addr()));
        call(&client, &server.url()).await.unwrap();
        assert_eq!(proxy.asked(), [asked(server.addr(), Some(login))]);
    }
    assert!(server.received().iter().all(|one| one.header("proxy-authorization").is_none()));
}

#[linchpin_testing::test]
async fn what_fails_at_the_proxy_is_told_from_what_fails_behind_it() {
    let (proxy, server) = (TestProxy::spawn().await, TestServer::spawn().await);
    for (scheme, answers) in [
        ("http", &[(403, true), (407, true), (502, false), (503, false), (504, false)][..]),
        ("socks5", &[(1, false), (2, true), (4, false), (5, false), (7, true)]),
    ] {
        for &(answer, is_ours) in answers {
            proxy.refuse(Some(answer));
            let client = through(&format!("{scheme}://relay:word@{}", proxy.addr()));
            let error = call(&client, &server.url()).await.unwrap_err();
            assert_eq!(matches!(error, SendError::Proxy(_)), is_ours, "{answer}: {error}");
            assert_eq!(matches!(error, SendError::Connect(_)), !is_ours, "{answer}: {error}");
            assert!(!error.to_string().contains("word"), "{error}");
        }
    }
    assert!(server.received().is_empty());
    // Nobody there, and somebody who is no proxy.
    let gone = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    for proxy in [format!("http://{gone}"), format!("socks5://{}", server.addr())] {
        let error = call(&through(&proxy), &server.url()).await.unwrap_err();
        assert!(matches!(error, SendError::Proxy(_)), "{error:?}");
    }
    // One that accepts and says nothing more.
    let silent = TcpListener::bind(any_port()).await.unwrap();
    let proxy = format!("https://{}", silent.local_addr().unwrap()).parse().unwrap();
    let client = Client::new(options().proxy(proxy).connect_timeout(ms(200))).unwrap();
    let error = call(&client, &server.url()).await.unwrap_err();
    assert!(matches!(error, SendError::Proxy(_)), "{error:?}");
}

#[linchpin_testing::test]
async fn a_spared_target_is_dialled_directly() {
    let (proxy, server) = (TestProxy::spawn().await, TestServer::spawn().await);
    let port = server.addr().port();
    for (spared, host, is_direct) in [
        ("Hooks.Test", "hooks.test", true),
        ("hooks.test", "hooks.test.", true),
        ("hooks.test", "eu.hooks.test", false),
        (".test", "eu.hooks.test", true),
        (".hooks.test", "hooks.test", false),
        (".hooks.test", "evilhooks.test", false),
        ("127.0.0.1", "hooks.test", true),
        ("127.0.0.0/8", "127.0.0.1", true),
        ("10.0.0.0/8", "hooks.test", false),
    ] {
        let before = proxy.asked().len();
        let way: Proxy = format!("http://{}", proxy.addr()).parse().unwrap();
        let client = Client::new(options().proxy(way.spare(spared).unwrap())).unwrap();
        call(&client, &format!("http://{host}:{port}/")).await.unwrap();
        assert_eq!(proxy.asked().len() == before, is_direct, "{spared} and {host}");
    }
    for text in ["", ".", "*.test", "10.0.0.0/33", "a:1", "a b"] {
        let way: Proxy = "http://proxy".parse().unwrap();
        assert!(way.spare(text).is_err(), "{text}");
    }
}

#[linchpin_testing::test]
async fn a_private_ca_is_trusted_and_a_stranger_is_not() {
    let server = TestServer::spawn().await;
    let tls = Tls::before(server.addr()).await;
    let url = format!("https://hooks.test:{}/", tls.addr.port());
    let ours = || Roots::none().and_pem(CA).unwrap();
    for (roots, host, is_believed) in [
        (ours(), "hooks.test", true),
        (Roots::system().and_pem(CA).unwrap(), "hooks.test", true),
        (Roots::system(), "hooks.test", false),
        (ours(), "other.test", false),
    ] {
        let client = Client::new(options().roots(roots)).unwrap();
        let answered = call(&client, &url.replace("hooks.test", host)).await;
        assert_eq!(answered.is_ok(), is_believed, "{host}: {answered:?}");
    }
    for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        Roots::none().and_pem(bad.as_bytes()).unwrap_err();
    }
}

#[linchpin_testing::test]
async fn tls_to_the_proxy_and_through_it() {
    let (proxy, server) = (TestProxy::spawn().await, TestServer::spawn().await);
    let (front, target) = (Tls::before(proxy.addr()).await, Tls::before(server.addr()).await);
    let url = format!("https://hooks.test:{}/", target.addr.port());
    let way = format!("https://localhost:{}", front.addr.port());
    let ours = Roots::none().and_pem(CA).unwrap();
    let client = options().proxy(way.parse().unwrap()).roots(ours);
    call(&Client::new(client).unwrap(), &url).await.unwrap();
    assert_eq!(proxy.asked(), [asked(target.addr, None)]);
    // A proxy that nobody vouches for is told nothing.
    let stranger = options().proxy(way.parse().unwrap());
    let error = call(&Client::new(stranger).unwrap(), &url).await.unwrap_err();
    assert!(matches!(error, SendError::Proxy(_)), "{error:?}");
    assert_eq!(proxy.asked().len(), 1);
}

#[linchpin_testing::test]
fn a_proxy_is_shown_without_its_login() {
    for (text, shown) in [
        ("http://proxy", "http://proxy:80"),
        ("https://proxy/", "https://proxy:443"),
        ("socks5://relay:hidden@10.0.0.1", "socks5://10.0.0.1:1080"),
        ("http://relay:hidden@[fd00::1]:3128", "http://[fd00::1]:3128"),
    ] {
        let proxy: Proxy = text.parse().unwrap();
        assert_eq!(proxy.to_string(), shown);
        assert_eq!(format!("{proxy:?}"), format!("Proxy({shown})"));
    }
    let long = format!("socks5://{}@proxy", "x".repeat(256));
    for text in [
        "",
        "proxy:3128",
        "ftp://proxy",
        "socks4://proxy",
        "http://",
        "http://proxy/path",
        "http://proxy?query",
        "http://:word@proxy",
        "http://a%3Ab:c@proxy",
        "http://a:%0d@proxy",
        &long,
    ] {
        assert!(text.parse::<Proxy>().is_err(), "{text}");
    }
}
