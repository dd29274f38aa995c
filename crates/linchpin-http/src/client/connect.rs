//! Look-up, judgement and dial, in one step.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use linchpin::resilience::FailedKind;
use linchpin::sync::select;
use linchpin::sync::singleflight::{self, Group};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::address::AddressPolicy;
use super::error::{Blocked, BlockedPort};
use super::local::{Lack, LocalFault, told_apart};
use super::proxy::{Proxy, ProxyFault, Refused, tunnel};
use super::stream::Stream;

/// Looks names up.
///
/// An error of the kind [`NetworkDown`](io::ErrorKind::NetworkDown) says that no name server has answered, or none would: a
/// [fault of this side](super::LocalFault), as those of the system are that tell of its own want, such as `EMFILE`. Any other is one
/// of the name.
///
/// What it returns is judged for each connection anew, and only what passed is dialled. Connections to one name that are
/// opened at the same time share a call; nothing is kept for later.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, in the order to try.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await;
            Ok(found.map_err(told_apart)?.collect())
        })
    }
}

/// Dials what the policy lets pass.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    addresses: AddressPolicy,
    resolver: Arc<dyn Resolve>,
    lookups: Group<(Arc<str>, u16), Found, NoAddress>,
    /// The time for a look-up: within that of the whole connection, so that it shows who was silent.
    look_up: Duration,
    exit: Option<Exit>,
}

/// The proxy, and how to reach it.
pub(super) struct Exit {
    pub(super) proxy: Proxy,
    pub(super) tls: Arc<ClientConfig>,
    /// The time to reach the proxy itself. Within that of the whole connection, so that it shows who is slow.
    pub(super) limit: Duration,
}

/// A connector that has so much time for all that is before the first byte of a request. The pool opens connections that
/// no call may wait for any more, which the limits of calls do not reach.
#[derive(Clone)]
pub(super) struct InTime<S> {
    connector: S,
    limit: Duration,
}

/// What a name stands for.
type Found = Arc<[SocketAddr]>;

/// Why it is not known.
#[derive(Clone, Debug)]
struct NoAddress {
    /// If it is a fault of ours.
    lack: Option<Lack>,
    text: Arc<str>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Connector {
    pub(super) fn new(
        addresses: AddressPolicy,
        resolver: Arc<dyn Resolve>,
        timeout: Duration,
        exit: Option<Exit>,
    ) -> Self {
        // Without any time for a connection there is none for a look-up, and no flight gets far.
        let limit = Some(timeout).filter(|limit| !limit.is_zero());
        let options = singleflight::Options::default().name("look-up").max_flight(limit);
        let lookups = Group::new(options).expect("it lets others wait, and has time");
        let look_up = timeout * 4 / 5;
        Self { shared: Arc::new(Shared { addresses, resolver, lookups, look_up, exit }) }
    }
}

impl<S> InTime<S> {
    pub(super) fn new(connector: S, limit: Duration) -> Self {
        Self { connector, limit }
    }
}

impl<S> Service<Uri> for InTime<S>
where
    S: Service<Uri, Error = BoxError, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let late = format!("no connection to {uri} within {:?}", self.limit);
        let (limit, connecting) = (self.limit, self.connector.call(uri));
        Box::pin(async move {
            // The pool asks, for a call or for the next one: there is no context here.
            let root = linchpin::Context::root();
            select::within(&root, limit, connecting).await?.ok_or(late)?
        })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move { Ok(TokioIo::new(shared.connect(&uri).await?)) })
    }
}

impl Shared {
    async fn connect(&self, uri: &Uri) -> Result<Stream, BoxError> {
        let host = uri.host().ok_or("the URL has no host")?;
        // An IPv6 literal stands in brackets in a URL.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port =
            uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let found = self.find(host, port).await?;
        let mut last: Option<BoxError> = None;
        for &addr in &*found {
            match self.try_one((host, port), addr).await {
                Ok(stream) => return Ok(stream),
                // Another address would fare no better.
                Err(fault) if fault.is::<ProxyFault>() => return Err(fault),
                // What another address has told of the other side counts more.
                Err(fault) if last.is_some() && fault.is::<LocalFault>() => {}
                Err(fault) => last = Some(fault),
            }
        }
        Err(last.unwrap_or_else(|| format!("`{host}` has no address").into()))
    }

    /// Judges an address and dials it.
    async fn try_one(
        &self,
        (host, port): (&str, u16),
        addr: SocketAddr,
    ) -> Result<Stream, BoxError> {
        let address = addr.ip();
        if let Err(range) = self.addresses.judge(address) {
            return Err(Blocked { host: host.to_owned(), address, range }.into());
        }
        if !self.addresses.allows_port(Some(address), port) {
            return Err(BlockedPort { host: host.to_owned(), port }.into());
        }
        match &self.exit {
            Some(exit) if !exit.proxy.spares(host, address) => self.leave(exit, addr).await,
            _ => self.dial(host, addr).await,
        }
    }

    async fn find(&self, host: &str, port: u16) -> Result<Found, BoxError> {
        match host.parse::<IpAddr>() {
            Ok(literal) => Ok(Arc::from([SocketAddr::new(literal, port)])),
            Err(_) => self.look_up(host.into(), port).await,
        }
    }

    async fn dial(&self, host: &str, addr: SocketAddr) -> Result<Stream, BoxError> {
        let stream = open(addr).await?;
        self.checked(stream, host).map(Stream::Plain)
    }

    /// Through the proxy, which is told an address that was judged.
    async fn leave(&self, exit: &Exit, addr: SocketAddr) -> Result<Stream, BoxError> {
        let root = linchpin::Context::root();
        let reached = select::within(&root, exit.limit, self.reach(exit)).await?;
        let late = || format!("no connection to it within {:?}", exit.limit).into();
        let reached = reached.unwrap_or_else(|| Err(late()));
        let mut stream = reached.map_err(|fault| exit.proxy.fault(&fault))?;
        match tunnel(&exit.proxy, &mut stream, addr).await {
            Ok(()) => Ok(stream),
            Err(Refused::ByProxy(why)) => Err(exit.proxy.fault(&why).into()),
            Err(Refused::ByTarget(why)) => Err(why.into()),
        }
    }

    /// Connects with the proxy. Operators have chosen its address, which is not judged.
    async fn reach(&self, exit: &Exit) -> Result<Stream, BoxError> {
        let host = exit.proxy.host();
        let mut last: BoxError = "it has no address".into();
        for &addr in &*self.find(host, exit.proxy.port()).await? {
            let stream = match TcpStream::connect(addr).await {
                Ok(stream) if stream.peer_addr()? == addr => stream,
                Ok(_) => return Err(format!("somebody else answers at {addr}").into()),
                Err(fault) => {
                    last = format!("{addr}: {fault}").into();
                    continue;
                }
            };
            drop(stream.set_nodelay(true));
            if !exit.proxy.is_https() {
                return Ok(Stream::Plain(stream));
            }
            let tls = TlsConnector::from(exit.tls.clone());
            let stream = tls.connect(ServerName::try_from(host.to_owned())?, stream).await?;
            return Ok(Stream::Tls(Box::new(stream)));
        }
        Err(last)
    }

    /// One look-up for all who want the same name at the same time, as a crowd of deliveries to one host does.
    async fn look_up(&self, host: Arc<str>, port: u16) -> Result<Found, BoxError> {
        let (resolver, name, limit) = (self.resolver.clone(), host.clone(), self.look_up);
        let look_up = move |_: singleflight::Flight<'_>| async move {
            let root = linchpin::Context::root();
            match select::within(&root, limit, resolver.resolve(&name, port)).await {
                Ok(Some(found)) => found.map(Arc::from).map_err(|fault| NoAddress::of(&fault)),
                Ok(None) | Err(_) => Err(NoAddress::late(limit)),
            }
        };
        // Who waits has a time limit of its own, for the connection as a whole.
        let root = linchpin::Context::root();
        let found = self.lookups.run(&root, (host.clone(), port), look_up).await;
        found.map_err(|failed| {
            let text = format!("cannot look up `{host}`: {failed}");
            match failed.into_kind() {
                FailedKind::Callee(NoAddress { lack: Some(lack), .. }) => {
                    LocalFault { lack, text }.into()
                }
                _ => text.into(),
            }
        })
    }

    /// The second lock: whom we are really connected to.
    fn checked(&self, stream: TcpStream, host: &str) -> Result<TcpStream, BoxError> {
        let address = stream.peer_addr()?.ip();
        match self.addresses.judge(address) {
            Err(range) => Err(Blocked { host: host.to_owned(), address, range }.into()),
            Ok(()) => {
                // Signed bodies are small and must not wait for an acknowledgement.
                drop(stream.set_nodelay(true));
                Ok(stream)
            }
        }
    }
}

/// Connects, and says by the type of the error whether it is this side that could not.
async fn open(addr: SocketAddr) -> Result<TcpStream, BoxError> {
    let mut connecting = pin!(TcpStream::connect(addr));
    let mut polls = 0;
    let opened = poll_fn(|cx| {
        polls += 1;
        connecting.as_mut().poll(cx)
    });
    opened.await.map_err(|fault| {
        let text = format!("{addr}: {fault}");
        // The kernel has refused where nothing had to be waited for.
        match Lack::for_dial(&fault, polls == 1) {
            Some(lack) => LocalFault { lack, text }.into(),
            None => text.into(),
        }
    })
}

// ===== impl NoAddress =====

impl NoAddress {
    fn of(fault: &io::Error) -> Self {
        Self { lack: Lack::for_look_up(fault), text: fault.to_string().into() }
    }

    fn late(limit: Duration) -> Self {
        let text = format!("no answer within {limit:?}").into();
        Self { lack: Some(Lack::Resolver), text }
    }
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
