//! The receiver: counts what arrives, fails a random tenth, and now and then everything, so that breakers open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use linchpin::task::{self, Task};
use tokio::net::TcpListener;

use crate::Failure;

/// Lives through all rounds, as real receivers do.
pub(crate) struct Receiver {
    url: String,
    shared: Arc<Mutex<Shared>>,
    _server: Task<()>,
}

struct Shared {
    random: fastrand::Rng,
    /// Requests by message id.
    received: BTreeMap<String, usize>,
    requests: u64,
}

/// Of so many requests ...
const ALL: u64 = 400;
/// ... so many in a row fail: enough to open a breaker, too few to exhaust a delivery.
const OUTAGE: u64 = 12;

impl Receiver {
    pub(crate) async fn start(random: fastrand::Rng) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let shared =
            Arc::new(Mutex::new(Shared { random, received: BTreeMap::new(), requests: 0 }));
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let server = task::spawn("receiver", async move {
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        Ok(Self { url, shared, _server: server })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Requests by message id, so far.
    pub(crate) fn received(&self) -> BTreeMap<String, usize> {
        locked(&self.shared).received.clone()
    }
}

async fn receive(
    State(shared): State<Arc<Mutex<Shared>>>,
    headers: HeaderMap,
    // Read to its end, or the connection would be cut under the sender.
    _body: Bytes,
) -> StatusCode {
    let id = headers.get("svix-id").and_then(|id| id.to_str().ok()).unwrap_or("without an id");
    let mut shared = locked(&shared);
    *shared.received.entry(id.to_owned()).or_default() += 1;
    shared.requests += 1;
    let is_out = shared.requests % ALL >= ALL - OUTAGE;
    if is_out || shared.random.u8(..10) == 0 {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
