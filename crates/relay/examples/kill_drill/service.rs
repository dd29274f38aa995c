//! The service as a child process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use linchpin::task::Task;
use linchpin::time::Instant;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::Failure;
use crate::start::{self, Started};

/// A running Relay; killed when dropped.
pub(crate) struct Service {
    /// Shared with the clients, who call while it is killed.
    child: Mutex<Child>,
    api: String,
    admin: String,
    token: String,
    took: Duration,
    http: Client<HttpConnector, Full<Bytes>>,
    _rest: Task<()>,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// Whether it says when to try again.
    pub(crate) has_retry_after: bool,
}

/// The answer to a request that came again until it was known whether it was done.
pub(crate) struct Known {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// How often it was not known.
    pub(crate) refusals: usize,
}

/// Longer than any step takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(2);
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// Enough retries that a receiver that fails a tenth cannot exhaust them, each soon enough for a short drill.
const FLAGS: [&str; 14] = [
    "--listen",
    "127.0.0.1:0",
    "--admin-listen",
    "127.0.0.1:0",
    "--retry-schedule",
    "50ms,50ms,50ms,100ms,100ms,100ms,200ms,200ms,200ms,200ms,200ms,200ms",
    "--log-level",
    "error",
    "--request-timeout",
    "10s",
    // Breakers open in the outages of the receiver, and must not hold up a round.
    "--breaker-open-for",
    "50ms",
    "--breaker-max-open-for",
    "100ms",
];

impl Service {
    /// Starts the binary and waits until it is ready.
    pub(crate) async fn start(relay: &Path, database: &Path) -> Result<Arc<Self>, Failure> {
        Self::start_as(Command::new(relay), database).await
    }

    /// Starts it by a command that takes the binary's arguments at its end.
    pub(crate) async fn start_as(
        mut command: Command,
        database: &Path,
    ) -> Result<Arc<Self>, Failure> {
        let begun = Instant::now();
        command.arg("serve").args(FLAGS).arg("--database").arg(database);
        let Started { child, api, admin, token, rest } = start::start(command, PATIENCE).await?;
        let http = Client::builder(TokioExecutor::new()).build_http();
        let child = Mutex::new(child);
        let mut service =
            Self { child, api, admin, token, took: Duration::ZERO, http, _rest: rest };
        timeout(PATIENCE, service.ready()).await?;
        service.took = begun.elapsed();
        Ok(Arc::new(service))
    }

    /// Another process has no event for this, hence the repeated look.
    async fn ready(&self) {
        let ready = format!("{}/ready", self.admin);
        let look = || self.send("GET", &ready, None, String::new());
        while !look().await.is_ok_and(|answer| answer.status == 200) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Where the API listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.api.strip_prefix("http://").ok_or("the API has no address")?.parse()?)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// From the start of the process to readiness.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    /// A call of the API below `/api/v1`: the status and the body.
    pub(crate) fn call(
        &self,
        method: &'static str,
        path: &str,
        body: String,
    ) -> impl Future<Output = Result<(u16, Value), Failure>> + Send + use<> {
        let answer = self.send(method, &format!("{}/api/v1{path}", self.api), None, body);
        async move { answer.await.map(|answer| (answer.status, answer.body)) }
    }

    /// A POST, with an idempotency key if one is given.
    pub(crate) async fn post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Result<Answer, Failure> {
        self.send("POST", &format!("{}/api/v1{path}", self.api), key, body.to_owned()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send("DELETE", &format!("{}/api/v1{path}", self.api), None, String::new()).await
    }

    /// A POST that is done once, and comes again under its key until it is known whether it was.
    pub(crate) async fn post_until_known(
        &self,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<Known, Failure> {
        let mut refusals = 0;
        loop {
            let Answer { status, body, .. } = self.post(path, Some(key), body).await?;
            if status != 503 || body["code"] != "outcome_unknown" {
                return Ok(Known { status, body, refusals });
            }
            refusals += 1;
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    fn send(
        &self,
        method: &'static str,
        url: &str,
        key: Option<&str>,
        body: String,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send + use<> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::from(body));
        let http = self.http.clone();
        async move {
            let (head, body) = timeout(PATIENCE, http.request(request?)).await??.into_parts();
            let body = timeout(PATIENCE, body.collect()).await??.to_bytes();
            Ok(Answer {
                status: head.status.as_u16(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
                has_retry_after: head.headers.contains_key("retry-after"),
            })
        }
    }

    /// SIGKILL at once, without a wait.
    pub(crate) fn strike(&self) {
        // Whoever holds the child is ending it already.
        if let Ok(mut child) = self.child.try_lock() {
            drop(child.start_kill());
        }
    }

    /// SIGKILL, and the wait for it.
    pub(crate) async fn kill(&self) -> Result<(), Failure> {
        Ok(self.child.lock().await.kill().await?)
    }

    /// SIGTERM; it must end by itself, with exit code 0.
    pub(crate) async fn terminate(&self) -> Result<(), Failure> {
        let mut child = self.child.lock().await;
        let id = child.id().ok_or("it has ended before it was told to")?.to_string();
        Command::new("kill").args(["-TERM", &id]).status().await?;
        let status = timeout(PATIENCE, child.wait()).await??;
        if status.success() {
            Ok(())
        } else {
            Err(format!("SIGTERM ended it with {status}").into())
        }
    }
}
