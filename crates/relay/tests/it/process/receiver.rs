//! A receiver of deliveries: records every request, answers as it is told, tells of each by an event.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use linchpin::task::{self, Task};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::PATIENCE;

/// Ends when dropped.
pub(crate) struct Receiver {
    base: String,
    shared: Arc<Shared>,
    _server: Task<()>,
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// 302 to here.
    Redirect(String),
    /// This status, with a `Retry-After`.
    Asks(u16, &'static str),
    /// Never.
    Hang,
    /// 200, once the semaphore gives a permit.
    After(Arc<Semaphore>),
    /// This status, once the semaphore gives a permit.
    FailAfter(Arc<Semaphore>, u16),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Delivery>>,
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let server = task::spawn("receiver", async move {
            axum::serve(listener, router).await.expect("a server that goes on");
        });
        Self { base, shared, _server: server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The next answers at `path`; 200 after them.
    pub(crate) fn reply(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        locked(&self.shared.replies).entry(path.to_owned()).or_default().extend(replies);
    }

    /// All that came to `path` so far.
    pub(crate) fn received(&self, path: &str) -> Vec<Delivery> {
        let all = locked(&self.shared.received);
        all.iter().filter(|delivery| delivery.path == path).cloned().collect()
    }

    /// Waits until `count` requests came to `path` and returns all.
    pub(crate) async fn wait(&self, path: &str, count: usize) -> Vec<Delivery> {
        let mut told = self.shared.count.subscribe();
        let enough =
            async { told.wait_for(|_| self.received(path).len() >= count).await.map(|_| ()) };
        let came = timeout(PATIENCE, enough).await;
        let received = self.received(path);
        assert!(
            came.is_ok(),
            "{count} requests to {path} expected, {} came: {received:?}",
            received.len()
        );
        received
    }
}

impl Delivery {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value =
            self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().expect("visible ASCII")
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("UTF-8")
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let reply = locked(&shared.replies).get_mut(&path).and_then(VecDeque::pop_front);
    locked(&shared.received).push(Delivery { method, path, headers, body });
    shared.count.send_modify(|count| *count += 1);
    match reply.unwrap_or(Reply::Status(200)) {
        Reply::Status(status) => {
            (StatusCode::from_u16(status).expect("a status"), format!("answer {status}"))
                .into_response()
        }
        Reply::Asks(status, seconds) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("retry-after", seconds)]).into_response()
        }
        Reply::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Reply::Hang => std::future::pending().await,
        Reply::After(gate) => after(&gate, StatusCode::OK).await,
        Reply::FailAfter(gate, status) => {
            after(&gate, StatusCode::from_u16(status).expect("a status")).await
        }
    }
}

async fn after(gate: &Semaphore, status: StatusCode) -> Response {
    gate.acquire().await.expect("never closed").forget();
    status.into_response()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
