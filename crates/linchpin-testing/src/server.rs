//! A real HTTP server on a free loopback port, that records what it receives and answers as told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use linchpin::task::{self, Task, Tracker};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A server for a test. Dropping it closes it and every connection to it.
pub struct TestServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _accepting: Task<()>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// What to answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Hang,
    /// A status, headers and a body.
    Reply(StatusCode, HeaderMap, Bytes),
    /// A status and then a body that never ends, a byte at a time.
    Drip(StatusCode),
}

struct Shared {
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

struct Script {
    next: VecDeque<Answer>,
    then: Answer,
}

/// How long [`TestServer::wait_for`] waits before it gives up on the test.
const PATIENCE: Duration = Duration::from_secs(30);

// ===== impl TestServer =====

impl TestServer {
    /// A server that answers 200 with an empty body.
    ///
    /// # Panics
    ///
    /// If no loopback port is free.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing was started.
    pub async fn spawn() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound address");
        let script = Script { next: VecDeque::new(), then: Answer::status(200) };
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            received: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let accepting = task::spawn("test server", accept(listener, shared.clone()));
        Self { addr, shared, _accepting: accepting }
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL, with a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// Gives these answers first, one a request.
    pub fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.script().next.extend(answers);
    }

    /// Gives this answer once those of [`next`](Self::next) are used up.
    pub fn then(&self, answer: Answer) {
        self.shared.script().then = answer;
    }

    /// What came so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received().clone()
    }

    /// Waits until `count` requests came, and returns all that came.
    ///
    /// # Panics
    ///
    /// If they do not come within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut seen = self.shared.count.subscribe();
        let came = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| *seen >= count)).await;
        assert!(came.is_ok(), "{} of {count} requests came", self.received().len());
        self.received()
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("addr", &self.addr).finish_non_exhaustive()
    }
}

// ===== impl Answer =====

impl Answer {
    /// A status with an empty body.
    ///
    /// # Panics
    ///
    /// If it is no status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::text(status, "")
    }

    /// A status with a text.
    ///
    /// # Panics
    ///
    /// If it is no status.
    #[must_use]
    pub fn text(status: u16, text: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self::Reply(status, HeaderMap::new(), text.into())
    }
}

impl Received {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the request; an answer of `None` closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        let (method, uri, headers) = (head.method, head.uri, head.headers);
        let answer = {
            let mut script = self.script();
            script.next.pop_front().unwrap_or_else(|| script.then.clone())
        };
        self.received().push(Received { method, uri, headers, body });
        self.count.send_modify(|count| *count += 1);
        let respond = |status, headers, body| {
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        };
        match answer {
            Answer::Close => Err(Closed),
            Answer::Hang => std::future::pending().await,
            Answer::Reply(status, headers, body) => respond(status, headers, full(body)),
            Answer::Drip(status) => respond(status, HeaderMap::new(), drip()),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Tracker::new("test server");
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn("test connection", async move {
            let service = service_fn(move |request| {
                let shared = shared.clone();
                async move { shared.answer(request).await }
            });
            // A client that goes away early is part of many tests.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed()
}

fn drip() -> Body {
    Drip { pause: Box::pin(tokio::time::sleep(Duration::ZERO)) }.boxed()
}

/// A byte every ten milliseconds, for ever.
struct Drip {
    pause: std::pin::Pin<Box<tokio::time::Sleep>>,
}

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::ready!(self.pause.as_mut().poll(cx));
        let next = tokio::time::Instant::now() + Duration::from_millis(10);
        self.pause.as_mut().reset(next);
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(b".")))))
    }
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}
