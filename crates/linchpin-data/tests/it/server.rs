//! Private servers: started by a test, stopped, frozen and emptied by it, and gone with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use linchpin::time::Instant;
use linchpin_data::rate;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;

/// A server of a test's own, on a socket in a folder of its own.
pub(crate) struct Server {
    which: Which,
    folder: TempDir,
    child: Option<Child>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    Postgres,
    Redis,
}

/// How long a server may take to start or to go.
const PATIENCE: Duration = Duration::from_mins(1);

impl Server {
    pub(crate) fn start(which: Which) -> Self {
        let folder = tempfile::Builder::new().prefix("lp-").tempdir_in("/tmp").expect("a folder");
        let mut server = Self { which, folder, child: None };
        if which == Which::Postgres {
            if is_root() {
                run(Command::new("chown").args(["postgres", server.path()]), "chown");
            }
            server.init();
        }
        server.up();
        server
    }

    /// Where others find it.
    pub(crate) fn path(&self) -> &str {
        self.folder.path().to_str().expect("a plain path")
    }

    /// Starts it on what it kept.
    pub(crate) fn up(&mut self) {
        assert!(self.child.is_none(), "it is up");
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut command = match self.which {
            Which::Redis => {
                let mut command = with_us("redis-server");
                command.args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""]);
                command.args(["--appendonly", "yes", "--appendfsync", "always"]);
                command.current_dir(self.folder.path());
                command
            }
            Which::Postgres => {
                let mut command = as_postgres(&program("postgres"));
                command.args(["-D", "data", "-k", self.path(), "-c", "listen_addresses="]);
                command.args(["-c", "fsync=off", "-c", "max_connections=50"]);
                command.current_dir(self.folder.path());
                command
            }
        };
        command.stdin(Stdio::null()).stderr(log.try_clone().expect("a log")).stdout(log);
        self.child = Some(command.spawn().unwrap_or_else(|_| missing(self.which)));
        let began = Instant::now();
        while !self.answers() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let ended = self.child.as_mut().expect("a child").try_wait().expect("a child");
            assert!(ended.is_none(), "{:?} does not start: {}", self.which, log());
            assert!(began.elapsed() < PATIENCE, "{:?} does not answer: {}", self.which, log());
            // Each look is a process, which is slow enough.
        }
    }

    /// Ends it. With `keep` it comes up with what it knew, otherwise empty.
    pub(crate) fn down(&mut self, keep: bool) {
        let mut child = self.child.take().expect("it is up");
        match (self.which, keep) {
            // It is killed and has written all down; or that is taken away.
            (Which::Redis, keep) => {
                signal(child.id(), "KILL");
                child.wait().expect("it was there");
                if !keep {
                    fs::remove_dir_all(self.folder.path().join("appendonlydir")).expect("a log");
                }
            }
            // A stop in order, or all of it at once, which empties what is not logged.
            (Which::Postgres, keep) => {
                signal(child.id(), if keep { "INT" } else { "QUIT" });
                child.wait().expect("it was there");
            }
        }
    }

    /// Holds it still, as if the network swallowed all.
    pub(crate) fn freeze(&self) {
        self.all().into_iter().for_each(|process| signal(process, "STOP"));
    }

    pub(crate) fn thaw(&self) {
        self.all().into_iter().for_each(|process| signal(process, "CONT"));
    }

    fn all(&self) -> Vec<u32> {
        let parent = self.child.as_ref().expect("it is up").id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(children).unwrap_or_default();
        let children = children.split_whitespace().map(|id| id.parse().expect("an id"));
        std::iter::once(parent).chain(children).collect()
    }

    fn answers(&self) -> bool {
        let mut command = match self.which {
            Which::Redis => {
                let mut command = Command::new("redis-cli");
                command.args(["-s", "redis.sock", "PING"]);
                command
            }
            Which::Postgres => {
                let mut command = Command::new(program("pg_isready"));
                command.args(["-q", "-h", self.path()]);
                command
            }
        };
        let answer = command.current_dir(self.folder.path()).stderr(Stdio::null()).output();
        let answer = answer.unwrap_or_else(|_| missing(self.which));
        answer.status.success()
            && (self.which == Which::Postgres || answer.stdout.starts_with(b"PONG"))
    }

    fn init(&self) {
        let mut command = as_postgres(&program("initdb"));
        command.args(["-D", "data", "-A", "trust", "-U", "postgres", "--no-sync"]);
        run(command.current_dir(self.folder.path()), "initdb");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.thaw();
        }
        if let Some(mut child) = self.child.take() {
            signal(child.id(), if self.which == Which::Redis { "KILL" } else { "QUIT" });
            drop(child.wait());
        }
    }
}

/// The store on a server in that folder.
pub(crate) fn redis(path: &str) -> rate::Redis {
    let url = format!("redis+unix://{path}/redis.sock");
    rate::Redis::new(linchpin_data::redis::connect(&url).expect("a URL"))
}

/// The store on a server in that folder; its tables may not be there.
pub(crate) fn postgres(path: &str) -> rate::Postgres {
    rate::Postgres::new(pool(path))
}

pub(crate) fn pool(path: &str) -> sqlx::PgPool {
    let options = PgConnectOptions::new_without_pgpass();
    let options = options.socket(path).username("postgres").database("postgres");
    // No more than pass at once in a test, and one that was lost is not waited for.
    PgPoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false)
        // One that has lain idle may be of a server that is no more.
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > Duration::from_millis(50) {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .acquire_timeout(Duration::from_secs(20))
        .connect_lazy_with(options)
}

/// A process that ends with us, however we do.
fn with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// The same as somebody who may run Postgres, which root may not.
fn as_postgres(program: &str) -> Command {
    if !is_root() {
        return with_us(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]);
    command.args(["--pdeathsig", "KILL", program]);
    command
}

fn is_root() -> bool {
    let us = Command::new("id").arg("-u").output().expect("run id");
    us.stdout.trim_ascii() == b"0"
}

/// Debian keeps Postgres's programs out of the path.
fn program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin").join(name)).collect();
    found.retain(|path| Path::exists(path));
    found.sort();
    found.pop().map_or_else(|| name.to_owned(), |path| path.display().to_string())
}

fn run(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|_| missing(Which::Postgres));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).output();
    assert!(sent.expect("run kill").status.success() || name != "STOP", "no {name} for {process}");
}

fn missing(which: Which) -> ! {
    let package = if which == Which::Redis { "redis-server" } else { "postgresql" };
    panic!("{which:?} is missing: apt-get install {package}, or run scripts/test, which does")
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "it does not come to pass: {what}");
        tokio::task::yield_now().await;
    }
}
