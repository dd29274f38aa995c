//! Where deliveries arrive: answers 200 at once and notes what came and when.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linchpin::error::ResultExt as _;
use linchpin::task::{self, Task, Tracker};
use linchpin::time::Instant;
use linchpin::{Error, Kind, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::http::Connection;
use super::load::Stamp;
use crate::stats::Times;

/// A receiver with any number of endpoints, `/0`, `/1` and so on.
#[derive(Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: Task<()>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    /// Whether requests stay without an answer.
    hangs: AtomicBool,
    arrivals: Mutex<Arrivals>,
    complete: Notify,
}

/// What came since the last [`Receiver::reset`].
#[derive(Debug)]
struct Arrivals {
    /// Endpoint and number of the message: what comes twice counts once.
    seen: HashSet<(u16, u64)>,
    awaited: usize,
    /// From the stamp to the arrival.
    latencies: Times,
    last: Instant,
    /// Messages that somebody waits for, by number.
    expected: HashMap<u64, Expected>,
}

/// A message that somebody waits for.
#[derive(Debug)]
struct Expected {
    /// Endpoints that have not got it yet.
    missing: u64,
    complete: oneshot::Sender<()>,
}

/// Tells when a message has come to all endpoints it was for.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    endpoints: u64,
    patience: Duration,
}

/// A message that is on its way.
#[derive(Debug)]
pub(super) struct Awaited {
    number: u64,
    completed: oneshot::Receiver<()>,
    patience: Duration,
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

impl Receiver {
    /// Listens on a free port; stamps are counted from `origin`.
    pub(super) async fn start(origin: Instant) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.kind(Kind::Unavailable)?;
        let address = listener.local_addr().kind(Kind::Unavailable)?;
        let arrivals = Arrivals {
            seen: HashSet::new(),
            awaited: usize::MAX,
            latencies: Times::default(),
            last: origin,
            expected: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            origin,
            hangs: AtomicBool::new(false),
            arrivals: Mutex::new(arrivals),
            complete: Notify::new(),
        });
        let accepting = task::spawn("bench-receiver", accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _accepting: accepting })
    }

    /// The URL of an endpoint.
    pub(super) fn url(&self, endpoint: u16) -> String {
        format!("http://{}/{endpoint}", self.address)
    }

    /// Whether requests stay without an answer from now on, and are not counted.
    pub(super) fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::Relaxed);
    }

    /// Watches messages to so many endpoints, each of which is to come within `patience`.
    pub(super) fn watch(&self, endpoints: u64, patience: Duration) -> Watch {
        Watch { shared: Arc::clone(&self.shared), endpoints, patience }
    }

    /// Forgets what came, for the next round.
    pub(super) fn reset(&self) {
        let mut arrivals = self.shared.arrivals();
        arrivals.seen.clear();
        arrivals.latencies.clear();
        arrivals.awaited = usize::MAX;
    }

    /// Waits until so many deliveries have come since the reset; says when the last came, and how
    /// long each took.
    ///
    /// # Errors
    ///
    /// If they do not come within `patience`, which means that something was lost.
    pub(super) async fn wait(
        &self,
        deliveries: usize,
        patience: Duration,
    ) -> Result<(Instant, Times)> {
        // Before the look, so that what arrives in between is not missed.
        let complete = self.shared.complete.notified();
        if self.shared.await_so_many(deliveries) && timeout(patience, complete).await.is_err() {
            let came = self.shared.arrivals().seen.len();
            let limit = patience.as_secs();
            let text = format!("{came} of {deliveries} deliveries came within {limit} s");
            return Err(Error::new(Kind::DeadlineExceeded, text));
        }
        let arrivals = self.shared.arrivals();
        Ok((arrivals.last, arrivals.latencies.clone()))
    }
}

impl Watch {
    /// The message of this number, which is not sent yet.
    pub(super) fn expect(&self, number: u64) -> Awaited {
        let (complete, completed) = oneshot::channel();
        let expected = Expected { missing: self.endpoints, complete };
        self.shared.arrivals().expected.insert(number, expected);
        Awaited { number, completed, patience: self.patience }
    }
}

impl Awaited {
    /// Waits until the message has come everywhere.
    ///
    /// # Errors
    ///
    /// If it does not come within the patience of its watch.
    pub(super) async fn complete(self) -> Result<()> {
        match timeout(self.patience, self.completed).await {
            Ok(Ok(())) => Ok(()),
            _ => {
                let text = format!("message {} was not delivered", self.number);
                Err(Error::new(Kind::DeadlineExceeded, text))
            }
        }
    }
}

impl Shared {
    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some of these deliveries are still to come; the last of them will say so.
    fn await_so_many(&self, deliveries: usize) -> bool {
        let mut arrivals = self.arrivals();
        arrivals.awaited = deliveries;
        arrivals.seen.len() < deliveries
    }

    fn arrived(&self, endpoint: u16, stamp: Stamp) {
        let now = Instant::now();
        let took = (now - self.origin).saturating_sub(stamp.at);
        let mut arrivals = self.arrivals();
        if arrivals.seen.insert((endpoint, stamp.number)) {
            arrivals.latencies.record(took);
            arrivals.last = now;
            arrivals.tick_off(stamp.number);
            if arrivals.seen.len() == arrivals.awaited {
                self.complete.notify_waiters();
            }
        }
    }
}

impl Arrivals {
    /// One endpoint more has got this message.
    fn tick_off(&mut self, number: u64) {
        let Some(expected) = self.expected.get_mut(&number) else { return };
        expected.missing -= 1;
        if expected.missing == 0 {
            let complete = self.expected.remove(&number).map(|expected| expected.complete);
            // Whoever waited may have given up.
            complete.map(|complete| complete.send(()));
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Tracker::new("bench-receiver-connections");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                connections.spawn("bench-receiver-connection", async move {
                    if let Err(error) = serve(stream, &shared).await {
                        eprintln!("receiver: {}", error.report());
                    }
                });
            }
            Err(error) => return eprintln!("receiver: cannot accept: {error}"),
        }
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(request) = connection.read().await? {
        let path = request.head.split(' ').nth(1).and_then(|path| path.strip_prefix('/'));
        let endpoint = path.and_then(|number| number.parse().ok());
        let (Some(endpoint), Some(stamp)) = (endpoint, Stamp::read(request.body)) else {
            return Err(Error::new(Kind::Internal, "a delivery that nobody sent"));
        };
        if shared.hangs.load(Ordering::Relaxed) {
            // Until the other side has had enough.
            return connection.read().await.map(drop);
        }
        shared.arrived(endpoint, stamp);
        connection.write(ANSWER).await?;
    }
    Ok(())
}
