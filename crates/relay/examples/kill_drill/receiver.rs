//! The receiver: counts what arrives, fails a random tenth, and now and then everything, so that breakers open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use linchpin::task::{self, Task};
use linchpin::time::Instant;
use relay::ids::MessageId;
use tokio::net::TcpListener;

use crate::Failure;
use crate::books::{Arrivals, Pair};
use crate::secrets::Secrets;

/// Lives through all rounds, as real receivers do.
pub(crate) struct Receiver {
    base: String,
    shared: Arc<Mutex<Shared>>,
    _server: Task<()>,
}

struct Shared {
    random: fastrand::Rng,
    received: BTreeMap<Pair, Arrivals>,
    /// The secrets of endpoints by their numbers; of others no signature is looked at.
    secrets: BTreeMap<usize, Secrets>,
    faults: Vec<String>,
    requests: u64,
}

/// Of so many requests ...
const ALL: u64 = 400;
/// ... so many in a row fail: enough to open a breaker, too few to exhaust a delivery.
const OUTAGE: u64 = 12;
/// The signatures of larger bodies are not looked at: that takes time in which the next kill should come.
const JUDGED: usize = 16 * 1024;
/// How long a slow endpoint takes.
const SLOW: Duration = Duration::from_millis(60);

impl Receiver {
    pub(crate) async fn start(random: fastrand::Rng) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Mutex::new(Shared {
            random,
            received: BTreeMap::new(),
            secrets: BTreeMap::new(),
            faults: Vec::new(),
            requests: 0,
        }));
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let server = task::spawn("receiver", async move {
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        Ok(Self { base, shared, _server: server })
    }

    /// The URL of the endpoint with this number.
    pub(crate) fn url(&self, number: usize) -> String {
        format!("{}/{number}", self.base)
    }

    /// The URL of one that takes its time.
    pub(crate) fn slow_url(&self, number: usize) -> String {
        format!("{}/slow/{number}", self.base)
    }

    /// What arrived so far.
    pub(crate) fn received(&self) -> BTreeMap<Pair, Arrivals> {
        locked(&self.shared).received.clone()
    }

    /// Requests that should not have been made as they were.
    pub(crate) fn faults(&self) -> Vec<String> {
        locked(&self.shared).faults.clone()
    }

    /// From here on signatures of this endpoint are looked at.
    pub(crate) fn judge(&self, number: usize, secrets: Secrets) {
        locked(&self.shared).secrets.insert(number, secrets);
    }

    /// How many secrets were put in the place of others.
    pub(crate) fn rotations(&self) -> usize {
        locked(&self.shared).secrets.values().map(|secrets| secrets.placed() - 1).sum()
    }

    /// The secrets of an endpoint whose signatures are looked at.
    pub(crate) fn secrets<T>(&self, number: usize, work: impl FnOnce(&mut Secrets) -> T) -> T {
        work(locked(&self.shared).secrets.get_mut(&number).expect("it was given before"))
    }
}

async fn receive(
    State(shared): State<Arc<Mutex<Shared>>>,
    uri: Uri,
    headers: HeaderMap,
    // Read to its end, or the connection would be cut under the sender.
    body: Bytes,
) -> StatusCode {
    let status = locked(&shared).note(uri.path(), &headers, &body);
    if uri.path().starts_with("/slow/") {
        tokio::time::sleep(SLOW).await;
    }
    status
}

impl Shared {
    /// Notes a request, and says how to answer it.
    fn note(&mut self, path: &str, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let id = headers.get("svix-id").and_then(|id| id.to_str().ok()?.parse::<MessageId>().ok());
        let number = path.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
        let (Some(id), Some(number)) = (id, number) else {
            self.faults.push(format!("a request to {path} without the id of a message"));
            return StatusCode::BAD_REQUEST;
        };
        let last = Instant::now();
        let arrivals = self.received.entry((id, number)).or_insert(Arrivals { count: 0, last });
        *arrivals = Arrivals { count: arrivals.count + 1, last };
        let secrets = self.secrets.get(&number).filter(|_| body.len() <= JUDGED);
        if let Some(Err(why)) = secrets.map(|secrets| secrets.judge(headers, body)) {
            self.faults.push(format!("{id} to endpoint {number}: {why}"));
        }
        self.requests += 1;
        let is_out = self.requests % ALL >= ALL - OUTAGE;
        if is_out || self.random.u8(..10) == 0 {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        }
    }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
