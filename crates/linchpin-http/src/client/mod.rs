//! Outbound calls to addresses that strangers give.
//!
//! Every address is judged just before it is dialled, IP literals included: a name that resolves differently the second
//! time gains nothing, because there is no second time. Redirects are not followed, proxies from the environment are not
//! used (one of the options is: see [`Proxy`]), nothing is decompressed. One time limit covers everything from the look-up to the last byte of the body, and of
//! the body no more than a bound is read.

mod address;
mod connect;
mod error;
mod local;
mod proxy;
mod roots;
mod stream;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::TokioTimer;
use linchpin::context::Context;
use linchpin::sync::select;
use linchpin::task::Tracker;
use linchpin::time::Instant;
use linchpin::{Error, Kind};

pub use self::address::{AddressPolicy, ParseSubnetError, Subnet};
use self::connect::{Connector, Exit, InTime};
pub use self::connect::{Resolve, SystemResolver};
pub use self::error::{Blocked, BlockedPort, SendError};
pub use self::local::{Lack, LocalFault};
pub use self::proxy::{ParseProxyError, Proxy, ProxyFault};
pub use self::roots::{BadPem, Roots};
pub use self::url::{Url, UrlFault, validate_url};

/// A pooled HTTP/1.1 client. Clones share the pool.
#[derive(Clone)]
pub struct Client {
    pooled: Pooled<InTime<HttpsConnector<Connector>>, Full<Bytes>>,
}

/// Runs the client's connections as tasks that end with it.
#[derive(Clone)]
struct Owned(Tracker);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Owned {
    fn execute(&self, connection: F) {
        self.0.spawn("client connection", connection);
    }
}

/// The longest head of a response, in bytes.
const HEAD: usize = 16 << 10;

/// How a client connects.
#[derive(Clone)]
pub struct ClientOptions {
    addresses: AddressPolicy,
    resolver: Arc<dyn Resolve>,
    connect: Duration,
    idle: Duration,
    idle_per_host: usize,
    proxy: Option<Proxy>,
    roots: Option<Roots>,
}

/// The bounds of one call.
#[derive(Clone, Debug)]
pub struct Limits {
    timeout: Duration,
    keep: usize,
    read: usize,
}

/// A call that was answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// What was kept of the body.
    pub body: Bytes,
    /// Whether there was more of the body.
    pub truncated: bool,
    /// From the call to the last byte read.
    pub took: Duration,
}

// ===== impl Client =====

impl Client {
    /// A client with no connections yet.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up at all.
    pub fn new(options: ClientOptions) -> linchpin::Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|fault| Error::new(Kind::Internal, fault).context("set up TLS"))?;
        let roots = options.roots.unwrap_or_else(Roots::system).into_store();
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let exit = options.proxy.map(|proxy| Exit {
            proxy,
            tls: Arc::new(tls.clone()),
            limit: options.connect / 2,
        });
        let connector = Connector::new(options.addresses, options.resolver, options.connect, exit);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let connector = InTime::new(connector, options.connect);
        let pooled = Pooled::builder(Owned(Tracker::new("http client")))
            .http1_max_buf_size(HEAD)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle)
            .pool_max_idle_per_host(options.idle_per_host)
            .build(connector);
        Ok(Self { pooled })
    }

    /// Sends `request` and reads the answer, within `limits`.
    ///
    /// # Errors
    ///
    /// [`SendError`]: the address was refused, no connection came about, time ran out, the context ended, or the other
    /// side does not speak HTTP. A status is never an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection. The other side may have acted.
    pub async fn send(
        &self,
        ctx: &Context,
        request: Request<Full<Bytes>>,
        limits: &Limits,
    ) -> Result<Exchange, SendError> {
        let began = Instant::now();
        let exchange = async {
            let response = self.pooled.request(request).await.map_err(SendError::from_client)?;
            let (head, body) = response.into_parts();
            let (body, truncated) = read(body, limits).await?;
            let (status, headers, took) = (head.status, head.headers, began.elapsed());
            Ok(Exchange { status, headers, body, truncated, took })
        };
        match select::within(ctx, limits.timeout, exchange).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(SendError::TimedOut { limit: limits.timeout }),
            Err(ended) => Err(SendError::Ended(ended)),
        }
    }
}

/// Keeps the beginning of the body; reads a little more, so that the connection can be used again.
async fn read(mut body: Incoming, limits: &Limits) -> Result<(Bytes, bool), SendError> {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(SendError::body)?;
        let Ok(data) = frame.into_data() else { continue };
        let room = limits.keep.saturating_sub(kept.len()).min(data.len());
        kept.extend_from_slice(&data[..room]);
        seen += data.len();
        if seen > limits.read {
            // Dropping the rest closes the connection.
            break;
        }
    }
    let truncated = seen > kept.len();
    Ok((kept.freeze(), truncated))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

// ===== impl ClientOptions =====

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            addresses: AddressPolicy::public(),
            resolver: Arc::new(SystemResolver),
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            idle_per_host: 32,
            proxy: None,
            roots: None,
        }
    }
}

impl ClientOptions {
    /// Which addresses may be dialled. Default: [`AddressPolicy::public`].
    #[must_use]
    pub fn addresses(mut self, addresses: AddressPolicy) -> Self {
        self.addresses = addresses;
        self
    }

    /// Who looks names up. Default: the system.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// The time for look-up, connect and the handshake of TLS, over all addresses of a name; the look-up has four fifths of it.
    /// Default 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect = timeout;
        self
    }

    /// How long an idle connection is kept. Default 30 s.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle = timeout;
        self
    }

    /// How many idle connections are kept a host. Default 32.
    #[must_use]
    pub fn idle_per_host(mut self, connections: usize) -> Self {
        self.idle_per_host = connections;
        self
    }

    /// The proxy that every call goes through. It has half of the connect timeout to answer. Default: none.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Whose certificates are believed. Default: [`Roots::system`].
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = Some(roots);
        self
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

// ===== impl Limits =====

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(15), keep: 20_000, read: 64 << 10 }
    }
}

impl Limits {
    /// From the call to the last byte of the body. Default 15 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How much of the body is kept, in bytes. Default 20,000; at most 64 KiB are read, or what is kept if that is more.
    #[must_use]
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self.read = self.read.max(bytes);
        self
    }
}
