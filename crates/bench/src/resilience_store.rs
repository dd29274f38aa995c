//! Rows `limiter-shared*`: a visit at a limit whose state lies in a store.
//!
//! Redis is one of our own on a socket, started when the first row asks for it; its `PING` is the floor of a round trip.
//! All keys are one, all visits pass.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use linchpin::Context;
use linchpin::resilience::limiter::Rate;
use linchpin::resilience::limiter::shared::{Memory, Options, RateStore, Shared};
use linchpin_data::rate::Redis;
use tempfile::TempDir;

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours};

const MANY: u32 = 1_000_000;

/// Every row of shared limits.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("limiter-shared")
            .ct(Ours, "linchpin, on Redis", |operations| async move {
                visits(Redis::new(connection()), operations).await;
            })
            .ct(Ours, "linchpin, in this process", |operations| async move {
                visits(memory(), operations).await;
            })
            .ct(Floor, "PING", |operations| async move {
                pings(operations).await;
            }),
    ]
}

async fn visits(store: impl RateStore, operations: u64) {
    let limiter = Shared::new("bench", Rate::per_second(MANY), Options::default(), store);
    let (limiter, ctx) = (limiter.expect("it fits"), Context::root());
    for _ in 0..operations {
        black_box(limiter.take(&ctx, "key", 1).await.is_ok());
    }
    assert_eq!(limiter.numbers().passed_without_store, 0, "the store has answered");
}

async fn pings(operations: u64) {
    let mut connection = connection();
    for _ in 0..operations {
        let pong: String = redis::cmd("PING").query_async(&mut connection).await.expect("a server");
        black_box(pong);
    }
}

fn memory() -> Memory {
    Memory::new("bench", 10).expect("room for ten")
}

fn connection() -> redis::aio::ConnectionManager {
    let url = format!("redis+unix://{}", SERVER.socket.display());
    linchpin_data::redis::connect(&url).expect("a URL")
}

/// Ends with this process.
struct Server {
    socket: PathBuf,
    _folder: TempDir,
    _child: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("redis.sock");
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "redis-server", "--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server: apt-get install redis-server, or run scripts/test, which does");
    while !socket.exists() {
        std::thread::yield_now();
    }
    Server { socket, _folder: folder, _child: child }
});
