//! The real binary as a child process, and what it talks to.
//!
//! Every wait is bounded, and a failure shows the end of the child's log. A child is waited for by its own signs, that
//! is lines it prints and answers it gives; only [`eventually`] looks again and again, since a process has no event for
//! "ready".
//!
//! A child that still runs when its test is over is told to end, and waited for: its log says which tasks outlived it, and
//! there must be none. So every test of the binary is a test of its end.

mod child;
pub(crate) mod http;
#[path = "../../examples/shared/output.rs"]
mod output;
pub(crate) mod receiver;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

pub(crate) use self::child::Process;
use self::http::{Answer, Http};

/// Longer than anything here takes on a loaded machine; only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// `relay serve`, ready.
pub(crate) struct Relay {
    process: Process,
    /// The base URL of the API, without a slash at the end.
    pub(crate) api: String,
    pub(crate) admin: String,
    pub(crate) token: String,
    http: Http,
}

/// The folder of one test: a database, and nothing that could be taken for settings.
#[derive(Clone)]
pub(crate) struct Home(Arc<TempDir>);

// ===== impl Home =====

impl Home {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().expect("a temporary folder")))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// In a folder that is not there yet.
    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("data/relay.db")
    }

    /// Rows of the database, read beside the service or after it.
    pub(crate) fn query<T: rusqlite::types::FromSql>(&self, sql: &str) -> Vec<T> {
        let database = rusqlite::Connection::open(self.database()).expect("open the database");
        let mut rows = database.prepare(sql).expect("a query");
        let rows = rows.query_map((), |row| row.get(0)).expect("run the query");
        rows.collect::<Result<_, _>>().expect("read the rows")
    }

    /// Changes rows of the database beside the service, which has no word for it.
    pub(crate) fn write(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.database()).expect("open the database");
        database.execute_batch(sql).expect("change the database");
    }

    /// Starts `relay serve` here and waits until it is ready.
    pub(crate) async fn serve(&self, flags: &[&str]) -> Relay {
        Relay::ready(Process::start(self, command(self, &self.serving(flags)))).await
    }

    /// Starts `relay serve` with a shell command in front of it, such as `ulimit -f 100;`.
    pub(crate) async fn serve_under(&self, prelude: &str, flags: &[&str]) -> Relay {
        let mut bash = clean(Command::new("bash"), self);
        bash.args(["-c", &format!("{prelude} exec \"$0\" \"$@\""), RELAY])
            .args(self.serving(flags));
        Relay::ready(Process::start(self, bash)).await
    }

    fn serving(&self, flags: &[&str]) -> Vec<String> {
        let database = self.database().display().to_string();
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let all = fixed.into_iter().chain(["--database", &database]).chain(flags.iter().copied());
        all.map(str::to_owned).collect()
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, &[]).await
    }

    /// Runs a command to its end with these variables.
    pub(crate) async fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = command(self, args);
        command.envs(variables.iter().copied());
        timeout(PATIENCE, command.output()).await.expect("it ends").expect("it starts")
    }

    /// Starts a command that goes on, such as `relay listen`.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        Process::start(self, command(self, args))
    }

    /// Starts a script in which `relay` is ours, with these variables; it stops at the first command that fails.
    pub(crate) fn start_script(&self, script: &str, variables: &[(&str, &str)]) -> Process {
        let mut bash = clean(Command::new("bash"), self);
        let script = format!("set -euo pipefail; relay() {{ '{RELAY}' \"$@\"; }}\n{script}");
        bash.args(["-c", &script]).envs(variables.iter().copied());
        Process::start(self, bash)
    }
}

const RELAY: &str = env!("CARGO_BIN_EXE_relay");

fn command<A: AsRef<std::ffi::OsStr>>(home: &Home, args: &[A]) -> Command {
    let mut command = clean(Command::new(RELAY), home);
    command.args(args);
    command
}

/// In the test's folder and with an empty environment, so that nobody's settings leak in.
fn clean(mut command: Command, home: &Home) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.current_dir(home.path()).env_clear().env("PATH", path).stdin(Stdio::null());
    command.kill_on_drop(true);
    command
}

// ===== impl Relay =====

impl Relay {
    async fn ready(mut process: Process) -> Self {
        let (api, admin, token) = process
            .printed("its addresses and token", |text| {
                Some((word(text, "api ")?, word(text, "admin ")?, word(text, "token ")?))
            })
            .await;
        let relay = Self { process, api, admin, token, http: Http::new() };
        eventually("ready", async || relay.ready_status().await == Some(200)).await;
        relay
    }

    /// What `/ready` answers; `None` if nobody answers.
    pub(crate) async fn ready_status(&self) -> Option<u16> {
        let answer = self.http.send("GET", &format!("{}/ready", self.admin), &[], "").await;
        answer.ok().map(|answer| answer.status)
    }

    /// What `/metrics` shows.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.http.send("GET", &format!("{}/metrics", self.admin), &[], "").await;
        let body = answer.expect("the metrics").expect(200).body;
        String::from_utf8(body.to_vec()).expect("text")
    }

    /// A counter, by its name and labels as `/metrics` shows them; 0 if it is not there.
    pub(crate) async fn counted(&self, series: &str) -> u64 {
        let metrics = self.metrics().await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// A call of the operators' listener.
    pub(crate) async fn operate(&self, method: &str, path: &str, body: &str) -> Answer {
        let (url, json) = (format!("{}{path}", self.admin), [("content-type", "application/json")]);
        self.http.send(method, &url, &json, body).await.expect("an answer")
    }

    /// A call of the API below `/api/v1` with the printed token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call_with(method, path, &[("authorization", &format!("Bearer {}", self.token))], body)
            .await
    }

    /// A call of the API with these headers and no others.
    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("{}/api/v1{path}", self.api);
        let answer = self.http.send(method, &url, headers, body).await;
        answer.unwrap_or_else(|fault| panic!("{method} {path}: {fault}\n{}", self.process))
    }

    /// Makes an application and, for each URL, an endpoint; returns the application's id and the endpoints' ids.
    pub(crate) async fn application(&self, urls: &[&str]) -> (String, Vec<String>) {
        let app = self.call("POST", "/app", r#"{"name":"App"}"#).await.expect(201).text("id");
        let mut endpoints = Vec::new();
        for url in urls {
            let body = serde_json::json!({ "url": url }).to_string();
            let made = self.call("POST", &format!("/app/{app}/endpoint"), &body).await;
            endpoints.push(made.expect(201).text("id"));
        }
        (app, endpoints)
    }

    /// Sends a message with this payload and returns its id.
    pub(crate) async fn message(&self, app: &str, payload: &str) -> String {
        let body = format!(r#"{{"eventType":"test.sent","payload":{payload}}}"#);
        self.call("POST", &format!("/app/{app}/msg"), &body).await.expect(202).text("id")
    }

    /// The status codes of a message's attempts, oldest first, once there are `count`.
    pub(crate) async fn attempts(&self, app: &str, message: &str, count: usize) -> Vec<i64> {
        let path = format!("/app/{app}/attempt/msg/{message}");
        let mut codes = Vec::new();
        eventually("recorded attempts", async || {
            let list = self.call("GET", &path, "").await.expect(200).json();
            let list = list["data"].as_array().expect("a list").clone();
            codes = list
                .iter()
                .rev()
                .map(|one| one["responseStatusCode"].as_i64().expect("a code"))
                .collect();
            codes.len() >= count
        })
        .await;
        codes
    }
}

impl std::ops::Deref for Relay {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl std::ops::DerefMut for Relay {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The word that follows `prefix` at the beginning of a line.
pub(crate) fn word(text: &str, prefix: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(prefix))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Looks until `done`; panics after [`PATIENCE`]. For the state of another process, of which there is no event here.
pub(crate) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !done().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    assert!(timeout(PATIENCE, looking).await.is_ok(), "not {what} within {PATIENCE:?}");
}
