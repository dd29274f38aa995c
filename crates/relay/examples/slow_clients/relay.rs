//! The Relay under test: its limits, its memory, and what it says of the connections that it closed.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use linchpin::task::Task;
use linchpin::time::Instant;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::start::{self, Started};

/// The time for a header. All bad clients have come by then.
pub(crate) const HEADER: Duration = Duration::from_secs(3);
/// The time for a body, and for a client to read.
pub(crate) const BODY: Duration = Duration::from_secs(5);

/// A running Relay; killed when dropped.
pub(crate) struct Relay {
    child: Child,
    api: String,
    admin: String,
    token: String,
    http: Client<HttpConnector, Full<Bytes>>,
    _rest: Task<()>,
    _home: TempDir,
}

/// An answer: the status and the body.
pub(crate) type Answer = Result<(StatusCode, Bytes), Failure>;

/// Longer than any step takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Limits that never end anything.
const NEVER: &str = "1h";
const FLAGS: [&str; 7] =
    ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "error"];

impl Relay {
    /// Starts the binary with the limits of the drill, or with none, and waits until it is ready.
    pub(crate) async fn start(binary: &Path, planted: bool) -> Result<Self, Failure> {
        let home = tempfile::tempdir()?;
        let mut command = Command::new(binary);
        command.args(FLAGS).arg("--database").arg(home.path().join("relay.db"));
        for (flag, limit) in [
            ("--api-header-timeout", HEADER),
            ("--api-body-timeout", BODY),
            ("--api-write-timeout", BODY),
        ] {
            let limit = if planted { NEVER.to_owned() } else { format!("{}s", limit.as_secs()) };
            command.args([flag, &limit]);
        }
        let Started { child, api, admin, token, rest } = start::start(command, PATIENCE).await?;
        let http = Client::builder(TokioExecutor::new()).build_http();
        let relay = Self { child, api, admin, token, http, _rest: rest, _home: home };
        timeout(PATIENCE, relay.ready()).await?;
        Ok(relay)
    }

    /// Another process has no event for this, hence the repeated look.
    async fn ready(&self) {
        let ready = format!("{}/ready", self.admin);
        while !matches!(self.ask("GET", &ready, "").await, Ok((StatusCode::OK, _))) {
            sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        Ok(self.api.strip_prefix("http://").ok_or("the API has no address")?.parse()?)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A POST to the API, below `/api/v1`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> impl Future<Output = Answer> + use<> {
        self.ask("POST", &format!("{}/api/v1{path}", self.api), &body.to_string())
    }

    /// Makes something, and returns its id.
    pub(crate) async fn create(&self, path: &str, body: Value) -> Result<String, Failure> {
        let (status, body) = self.post(path, &body).await?;
        let made: Value = serde_json::from_slice(&body)?;
        let id = made["id"].as_str().filter(|_| status == StatusCode::CREATED);
        Ok(id.ok_or_else(|| format!("POST {path}: {status} {made}"))?.to_owned())
    }

    /// How many connections it has closed, by reason.
    pub(crate) async fn closed(&self) -> Result<BTreeMap<String, usize>, Failure> {
        const NAME: &str = "linchpin_http_connections_closed_total{reason=\"";
        let (_, metrics) = self.ask("GET", &format!("{}/metrics", self.admin), "").await?;
        let metrics = String::from_utf8(metrics.to_vec())?;
        let closed = metrics.lines().filter_map(|line| {
            let (reason, count) = line.strip_prefix(NAME)?.split_once("\"} ")?;
            Some((reason.to_owned(), count.parse().ok()?))
        });
        Ok(closed.collect())
    }

    fn ask(&self, method: &str, url: &str, body: &str) -> impl Future<Output = Answer> + use<> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::from(body.to_owned()));
        let http = self.http.clone();
        async move {
            let (head, body) = timeout(PATIENCE, http.request(request?)).await??.into_parts();
            Ok((head.status, timeout(PATIENCE, body.collect()).await??.to_bytes()))
        }
    }

    /// Its memory, in KiB.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        let id = self.child.id().ok_or("it has ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("the system does not tell its memory")?.parse()?)
    }

    /// The most memory that it has in this time, by looks now and then: the system tells no high mark of a time.
    pub(crate) async fn peak(&self, time: Duration) -> Result<u64, Failure> {
        let (begun, mut peak) = (Instant::now(), self.resident()?);
        while begun.elapsed() < time {
            sleep(LOOK_AGAIN).await;
            peak = peak.max(self.resident()?);
        }
        Ok(peak)
    }
}
