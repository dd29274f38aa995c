//! `relay serve`, the release binary, as a child process with its own database.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use linchpin::error::ResultExt as _;
use linchpin::{Error, Kind, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::http::Connection;
use crate::memory;

/// A running service. Dropping it kills it, too.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) api: SocketAddr,
    pub(super) token: String,
    admin: SocketAddr,
    process: u32,
    child: Child,
    /// Kept, so that whatever it prints later has somewhere to go.
    _printed: Lines<BufReader<ChildStdout>>,
}

/// What its writer has done so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    pub(super) requests: f64,
    pub(super) commits: f64,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Service {
    /// Starts it in `folder`, which is made, and waits until it is ready.
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).kind(Kind::Unavailable).context("make the service's folder")?;
        let folder = folder.canonicalize().kind(Kind::Unavailable)?;
        let program = std::env::current_exe().kind(Kind::Internal)?.with_file_name("relay");
        let mut child = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .arg("--database")
            .arg(folder.join("relay.db"))
            // Neither a settings file nor a variable of this shell changes what is measured.
            .current_dir(&folder)
            .env_clear()
            // An endpoint that fails is a warning, and some areas have hundreds.
            .env("RELAY_LOG_LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .kind(Kind::Unavailable)
            .context(format!("start {}", program.display()))?;
        let process = child.id().ok_or_else(|| failed("the service ended at once"))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("no output to read"))?;
        let mut printed = BufReader::new(stdout).lines();
        let [api, admin, token] = timeout(PATIENCE, announced(&mut printed))
            .await
            .map_err(|_| failed("the service did not print its addresses"))??;
        let service = Self {
            api: address(&api)?,
            admin: address(&admin)?,
            token,
            process,
            child,
            _printed: printed,
        };
        timeout(PATIENCE, service.ready()).await.map_err(|_| failed("never ready"))??;
        Ok(service)
    }

    /// Makes an application with these endpoints.
    pub(super) async fn set_up(&self, app: &str, urls: &[String]) -> Result<()> {
        let body = serde_json::json!({ "name": app, "uid": app });
        self.call("PUT", &format!("/api/v1/app/{app}"), &body).await?;
        for url in urls {
            self.add_endpoint(app, &serde_json::json!({ "url": url })).await?;
        }
        Ok(())
    }

    /// Gives an application one endpoint more.
    pub(super) async fn add_endpoint(&self, app: &str, endpoint: &serde_json::Value) -> Result<()> {
        self.call("POST", &format!("/api/v1/app/{app}/endpoint"), endpoint).await.map(drop)
    }

    /// What the API answers to a read.
    pub(super) async fn read(&self, path: &str) -> Result<serde_json::Value> {
        self.call("GET", path, &serde_json::Value::Null).await
    }

    /// Processor seconds so far, user and system.
    pub(super) fn cpu(&self) -> Result<f64> {
        let text = self.proc("stat")?;
        // The name in parentheses may hold anything; after it come state, parent and so on.
        let ticks = text.rsplit_once(')').map(|(_, rest)| {
            rest.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum::<u64>()
        });
        let ticks = ticks.ok_or_else(|| failed("/proc/PID/stat looks different"))?;
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Resident memory in MiB.
    pub(super) fn resident(&self) -> Result<f64> {
        Ok(memory::resident(self.process)? as f64 / f64::from(1 << 20))
    }

    /// How many requests its commits carried, and how many commits there were.
    pub(super) async fn groups(&self) -> Result<Groups> {
        const NAME: &str = "linchpin_sqlite_group_size";
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\n\r\n", self.admin);
        let mut connection = Connection::open(self.admin).await?;
        let (_, body) =
            connection.exchange(request.as_bytes()).await.context("read the metrics")?;
        let text = String::from_utf8_lossy(body);
        let value = |suffix: &str| {
            let name = format!("{NAME}{suffix} ");
            let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
            line.and_then(|value| value.parse().ok())
                .ok_or_else(|| Error::new(Kind::Internal, format!("no metric {NAME}{suffix}")))
        };
        Ok(Groups { requests: value("_sum")?, commits: value("_count")? })
    }

    /// Kills it and waits until it is gone.
    pub(super) async fn end(mut self) -> Result<()> {
        self.child.kill().await.kind(Kind::Internal).context("end the service")
    }

    async fn ready(&self) -> Result<()> {
        let request = format!("GET /ready HTTP/1.1\r\nhost: {}\r\n\r\n", self.admin);
        loop {
            let mut connection = Connection::open(self.admin).await?;
            if connection.exchange(request.as_bytes()).await?.0 == 200 {
                return Ok(());
            }
            // Another process has no event for this.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<serde_json::Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.api,
            self.token,
            body.len(),
        );
        let mut connection = Connection::open(self.api).await?;
        let (status, answer) = connection.exchange(request.as_bytes()).await?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(answer).kind(Kind::Internal);
        }
        let text = format!("{method} {path}: {status} {}", String::from_utf8_lossy(answer));
        Err(Error::new(Kind::Internal, text))
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.process);
        fs::read_to_string(&path).kind(Kind::Unavailable).context(format!("read {path}"))
    }
}

/// The API's URL, the admin's and the token, in whatever order they come.
async fn announced(printed: &mut Lines<BufReader<ChildStdout>>) -> Result<[String; 3]> {
    let mut found = [const { None }; 3];
    while let Some(line) = printed.next_line().await.kind(Kind::Unavailable)? {
        for (place, word) in found.iter_mut().zip(["api ", "admin ", "token "]) {
            if let Some(value) = line.strip_prefix(word) {
                *place = Some(value.trim().to_owned());
            }
        }
        if let [Some(api), Some(admin), Some(token)] = &found {
            return Ok([api.clone(), admin.clone(), token.clone()]);
        }
    }
    Err(failed("the service ended before it was ready"))
}

fn address(url: &str) -> Result<SocketAddr> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    address.parse().kind(Kind::Internal).context(format!("the printed address `{url}`"))
}

fn failed(what: &'static str) -> Error {
    Error::new(Kind::Internal, what)
}
