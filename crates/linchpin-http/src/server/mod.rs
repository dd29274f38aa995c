//! An HTTP/1.1 server whose every wait is bounded.
//!
//! | a client that | is closed after |
//! |---|---|
//! | sends nothing, or a byte of its header at a time | [`header_read`](Options::header_read) |
//! | keeps a connection idle between requests | the same: hyper counts both alike |
//! | stops in the middle of its body | [`body_read`](Options::body_read) |
//! | does not read what it asked for | [`write`](Options::write) |
//!
//! Handlers find the address of the peer as axum's `ConnectInfo<SocketAddr>`; who is behind one's own proxies tells
//! [`forwarded`](crate::forwarded).
//!
//! Beyond [`max_connections`](Options::max_connections) the server does not accept; the kernel's queue is the wait.
//!
//! What nobody reads of a body is read by the server, if it is little; else the answer says that the connection ends with it.
//!
//! No request is lost by a shutdown whose first byte came before the listener was closed: connections that wait in the
//! kernel's queue are served, and so is what waits in the kernel on a connection that looks idle.

mod body;
mod files;
mod io;
mod last;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{Request, StatusCode, Version, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use linchpin::error::ResultExt as _;
use linchpin::resilience::bulkhead::{self, Bulkhead};
use linchpin::sync::select;
use linchpin::task::Tracker;
use linchpin::{Error, Kind};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::{Service, ServiceExt as _};

use self::body::{Rest, TimedBody};
pub use self::files::raise_open_files;
use self::io::BoundedIo;
use crate::lifecycle::Lifecycle;

/// A bound address, not yet serving.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
}

/// A server with its routes and its life, ready to [`run`](Serve::run).
pub struct Serve<S> {
    server: Server,
    service: S,
    options: Options,
}

/// The bounds of a server.
#[derive(Clone, Debug)]
pub struct Options {
    header_read: Duration,
    body_read: Duration,
    write: Duration,
    max_connections: usize,
    /// Whether it ends as a server does that nobody has thought about; only a planted fault does.
    hasty: bool,
}

/// The longest head of a request, in bytes; hyper allows a hundred headers.
const HEAD: usize = 32 << 10;
/// So many connections wait in the kernel's queue, or as many as the system allows: beyond it a burst of clients waits a
/// second for the next try of its kernel.
const BACKLOG: u32 = 4096;
/// So long a connection that looks idle may still have a request, when the server stops: its bytes are in the kernel, or on
/// their way.
const LINGER: Duration = Duration::from_millis(50);
/// Between two tries to accept when the system has no descriptor or memory left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

// ===== impl Server =====

impl Server {
    /// Binds `addr`; port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// [`Kind::Unavailable`] with the address, if it is taken or not ours.
    ///
    /// # Cancel safety
    ///
    /// Safe: the address is free again.
    #[expect(clippy::unused_async, reason = "as tokio's own, in whose runtime it must be called")]
    pub async fn bind(addr: SocketAddr) -> linchpin::Result<Self> {
        let listener = listen(addr).map_err(|fault| {
            let hint = match fault.kind() {
                std::io::ErrorKind::AddrInUse => " (is another process listening there?)",
                _ => "",
            };
            Error::new(Kind::Unavailable, fault).context(format!("cannot listen on {addr}{hint}"))
        })?;
        let addr = listener.local_addr().kind(Kind::Internal)?;
        Ok(Self { listener, addr })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Gives it something to serve: an axum `Router`, or any service of that shape.
    pub fn serve<S>(self, service: S) -> Serve<S>
    where
        S: Service<Request<Body>, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        Serve { server: self, service, options: Options::default() }
    }
}

fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that starts again must not wait for what is left of the connections before it.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

// ===== impl Serve =====

impl<S> Serve<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    /// Other bounds than the default ones.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Serves until `life` stops accepting and every connection has ended, or was aborted at the hard stop.
    ///
    /// While draining, idle connections are closed as soon as it is sure that they are, requests under way are answered
    /// with `connection: close`.
    ///
    /// # Errors
    ///
    /// [`Kind::InvalidArgument`] at once if `max_connections` is zero or too many to count. A failed accept is logged
    /// and tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener and aborts the connections.
    pub async fn run(self, life: &Lifecycle) -> linchpin::Result<()> {
        let Self { server, service, options } = self;
        // Only the loop below ever waits.
        let waiting = bulkhead::Options::default().max_queue(1).max_wait(Duration::MAX);
        let places = Bulkhead::new("connections", options.max_connections, waiting)
            .context("bad options for Server: max_connections")?;
        let tracker = Tracker::new("http");
        let connections = metrics::gauge!("linchpin_http_connections");
        let accepting = life.accepting();
        let serve = |accepted, place: Option<_>| {
            let guard = life.guard();
            let (life, service, options) = (life.clone(), service.clone(), options.clone());
            let connections = connections.clone();
            tracker.spawn("connection", async move {
                let open = Open::new(connections);
                connection(accepted, service, &life, &options).await;
                drop((open, guard, place));
            });
        };
        while let Ok(place) = places.enter_owned(accepting).await {
            let accepted = match accepting.run(server.listener.accept()).await {
                Ok(Ok(accepted)) => accepted,
                Ok(Err(fault)) => {
                    tracing::warn!(%fault, "cannot accept a connection");
                    drop(accepting.sleep(ACCEPT_AGAIN).await);
                    continue;
                }
                Err(_) => break,
            };
            serve(accepted, Some(place));
        }
        if options.hasty {
            drop(server.listener);
        } else {
            // Over the limit, if it must be: they are as many as the queue is long.
            last::connections(server.listener, life.hard(), |accepted| serve(accepted, None)).await;
        }
        tracker.close();
        if life.hard().run(tracker.wait()).await.is_err() {
            tracker.abort_all();
            tracker.wait().await;
        }
        Ok(())
    }
}

/// A connection in the gauge, until it is dropped.
struct Open(metrics::Gauge);

impl Open {
    fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

async fn connection<S>(
    (stream, peer): (TcpStream, SocketAddr),
    service: S,
    life: &Lifecycle,
    options: &Options,
) where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    // Small answers must not wait for the client's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    let (body_read, accepting, hard) = (options.body_read, life.accepting(), life.hard());
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let service = service.clone();
        async move {
            if let Some(fault) = fault(&request) {
                return Ok::<_, Infallible>(closing(refuse(fault)));
            }
            // Who waits to be told to send its body must not be told so once it is answered.
            let waits = request.headers().contains_key(header::EXPECT);
            let rest = Rest::default();
            let timed = |body| Body::new(TimedBody::new(body, body_read, rest.clone()));
            let mut request = request.map(timed);
            request.extensions_mut().insert(ConnectInfo(peer));
            let response = service.oneshot(request).await?;
            let is_read = rest.is_read(!waits, hard).await;
            // hyper says so itself only of what came before it was told to end.
            Ok(if accepting.is_cancelled() || !is_read { closing(response) } else { response })
        }
    });
    let io = BoundedIo::new(stream, options.write);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_read)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = match accepting.run(connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            let ended = if options.hasty {
                Ok(None)
            } else {
                select::within(life.hard(), LINGER, connection.as_mut()).await
            };
            match ended {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(_) => {
                    // Closes an idle connection, and a silent one, at once.
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "a connection ended early");
    }
}

/// What is wrong with a request, by RFC 9112, that hyper lets through.
fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Some("the Host header is missing\n"),
        (Some(_), Some(_)) => Some("there is more than one Host header\n"),
        _ => None,
    }
}

fn refuse(fault: &'static str) -> Response {
    let mut response = Response::new(Body::from(fault));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The last response of its connection.
fn closing(mut response: Response) -> Response {
    let close = http::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("addr", &self.server.addr).finish_non_exhaustive()
    }
}

// ===== impl Options =====

impl Default for Options {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(30),
            body_read: Duration::from_secs(30),
            write: Duration::from_secs(30),
            max_connections: 10_000,
            hasty: false,
        }
    }
}

impl Options {
    /// The time for a whole header, from the accept or from the end of the answer before. Default 30 s.
    #[must_use]
    pub fn header_read(mut self, duration: Duration) -> Self {
        self.header_read = duration;
        self
    }

    /// The time between two pieces of a request's body. Default 30 s.
    #[must_use]
    pub fn body_read(mut self, duration: Duration) -> Self {
        self.body_read = duration;
        self
    }

    /// The time in which a client must take something of what is written to it. Default 30 s.
    #[must_use]
    pub fn write(mut self, duration: Duration) -> Self {
        self.write = duration;
        self
    }

    /// Whether it ends as a server does that nobody has thought about: the fault that a drill must find.
    #[cfg(feature = "planted-faults")]
    #[must_use]
    pub fn hasty(mut self, hasty: bool) -> Self {
        self.hasty = hasty;
        self
    }

    /// How many connections are open at once. Default 10,000.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }
}
