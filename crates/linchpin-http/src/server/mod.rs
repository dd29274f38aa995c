//! An HTTP/1.1 server whose every wait is bounded.
//!
//! | a client that | is closed after |
//! |---|---|
//! | sends nothing, or a byte of its header at a time | [`header_read`](Options::header_read) |
//! | keeps a connection idle between requests | [`idle`](Options::idle) |
//! | sends its body too slowly, or stops in the middle of it | [`body_read`](Options::body_read), after the handler's answer |
//! | reads its answer too slowly, or not at all | [`write`](Options::write) |
//!
//! Of these the first two are not answered. `linchpin_http_connections_closed_total` counts by reason.
//!
//! Handlers find the address of the peer as axum's `ConnectInfo<SocketAddr>`; who is behind one's own proxies tells
//! [`forwarded`](crate::forwarded).
//!
//! When more than four of five places for connections ([`max_connections`](Options::max_connections)) are taken, each that
//! comes sends the one away that has waited longest for a request, unless that is less than a second, and a header has two
//! seconds. A request under way is never cut for others. When all are taken, each answer is the last of its connection, and
//! the server does not accept; the kernel's queue is the wait.
//!
//! What nobody reads of a body is read by the server, if it is little; else the answer says that the connection ends with it, and what
//! still comes is read for a second at most, so that the answer is not lost in a reset.
//!
//! No request is lost by a shutdown whose first byte came before the listener was closed: connections that wait in the
//! kernel's queue are served, and so is what waits in the kernel on a connection that looks idle.
//!
//! HTTP/2 is not spoken: who begins with it is closed at once, so that there are no streams, settings or resets to bound.
//! Nor is a connection handed over to another protocol.

mod body;
mod closed;
mod connection;
mod crowd;
mod files;
mod io;
mod last;
mod options;
mod pace;
mod seat;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use linchpin::error::ResultExt as _;
use linchpin::resilience::bulkhead::{self, Bulkhead};
use linchpin::task::Tracker;
use linchpin::{Error, Kind};
use tokio::net::{TcpListener, TcpSocket};
use tower::Service;

use self::closed::Meters;
use self::crowd::Crowd;
pub use self::files::raise_open_files;
pub use self::options::Options;
use self::seat::Seat;
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

/// So many connections wait in the kernel's queue, or as many as the system allows: beyond it a burst of clients waits a
/// second for the next try of its kernel.
const BACKLOG: u32 = 4096;
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
    /// [`Kind::InvalidArgument`] at once if `max_connections` is zero or too many to count, or `min_rate` is zero. A failed
    /// accept is logged and tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener and aborts the connections.
    pub async fn run(self, life: &Lifecycle) -> linchpin::Result<()> {
        let Self { server, service, options } = self;
        options.check()?;
        // Only the loop below ever waits.
        let waiting = bulkhead::Options::default().max_queue(1).max_wait(Duration::MAX);
        let places = Bulkhead::new("connections", options.max_connections, waiting)
            .context("bad options for Server: max_connections")?;
        let tracker = Tracker::new("http");
        let connections = metrics::gauge!("linchpin_http_connections");
        let meters = Arc::new(Meters::new());
        let crowd = Arc::new(Crowd::new(options.max_connections));
        let accepting = life.accepting();
        let serve = |accepted, place: Option<_>| {
            let guard = life.guard();
            let (life, service, options) = (life.clone(), service.clone(), options.clone());
            let (open, meters) = (Open::new(connections.clone()), meters.clone());
            let taken = Seat::take(crowd.clone(), options.limits());
            crowd.make_room();
            tracker.spawn("connection", async move {
                meters.count(connection::serve(accepted, taken, service, &life, &options).await);
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

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("addr", &self.server.addr).finish_non_exhaustive()
    }
}
