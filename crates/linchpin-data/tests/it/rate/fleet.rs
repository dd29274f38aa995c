//! A fleet of processes on one key: together they let no more pass than one would, whatever happens to the server.
//!
//! A node is this very binary, told by its environment to be one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::limiter::Rate;
use linchpin::resilience::limiter::shared::{Memory, OnStoreError, Options, Shared};
use linchpin::time::Instant;

use super::drills::store;
use crate::server::{Server, Which};

const NODE: &str = "LINCHPIN_TEST_NODE";
const NODES: u32 = 4;
const BURST: u32 = 100;
const PER_SECOND: u32 = 200;

/// What a node has counted.
#[derive(Debug, Default)]
struct Report {
    passed: u64,
    without: u64,
    forgot: u64,
}

struct Node {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Node {
    fn start(kind: &str, path: &str, share: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a binary"))
            .args(["--exact", "rate::fleet::a_node_of_a_fleet", "--nocapture"])
            .env(NODE, format!("{kind} {share} {path}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a node");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, said }
    }

    /// Waits until it has said so; the rest of the line.
    fn hears(&mut self, word: &str) -> String {
        let mut line = String::new();
        while self.said.read_line(&mut line).expect("a node that talks") > 0 {
            // The harness begins the line.
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
            line.clear();
        }
        panic!("a node ended before it said `{word}`");
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{word}").expect("a node that hears");
    }

    fn end(mut self) -> Report {
        self.tell("end");
        let numbers = self.hears("counted ");
        let mut numbers = numbers.split(' ').map(|number| number.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        let report = Report { passed: next(), without: next(), forgot: next() };
        // To the end, so that it can say all it has to.
        drop(self.child.stdin.take());
        self.said.read_to_end(&mut Vec::new()).expect("the rest");
        assert!(self.child.wait().expect("a node").success());
        report
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

/// Hammers until it is told to end. Not one of a fleet: nothing to do.
#[linchpin_testing::test(threads = 2)]
async fn a_node_of_a_fleet() {
    let Ok(told) = std::env::var(NODE) else { return };
    let mut parts = told.splitn(3, ' ');
    let (kind, share, path) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let store = match kind {
        "redis" => store(Which::Redis, path).await,
        "postgres" => store(Which::Postgres, path).await,
        _ => Arc::new(Memory::new("alone", 10).unwrap()),
    };
    let then = if share == "true" { OnStoreError::LocalShare(NODES) } else { OnStoreError::Closed };
    let options = Options::default().burst(BURST).on_store_error(then);
    let options = options.timeout(Duration::from_secs(2));
    let limiter = Shared::new("fleet", Rate::per_second(PER_SECOND), options, store).unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let ends = over.clone();
    let listener = linchpin::task::thread("listener", move || {
        for line in std::io::stdin().lines() {
            if line.is_ok_and(|line| line == "end") {
                break;
            }
        }
        ends.store(true, Ordering::SeqCst);
    });
    let (ctx, mut refused, mut back) = (Context::root(), 0, false);
    while !over.load(Ordering::SeqCst) {
        if limiter.take(&ctx, "key", 1).await.is_err() {
            refused += 1;
            // Whoever is refused without a wait would keep the others from the processor.
            tokio::task::yield_now().await;
        }
        if refused == 300 {
            println!("warm");
            refused += 1;
        }
        let numbers = limiter.numbers();
        if numbers.switches > 0 && !numbers.away && !back {
            back = true;
            println!("back");
        }
    }
    listener.unwrap().join().unwrap();
    let numbers = limiter.numbers();
    println!("counted {} {} {}", numbers.passed, numbers.passed_without_store, numbers.forgot);
}

/// Lets a fleet hammer, restarts the server under it if asked; what was counted in all, and in how many seconds.
async fn hammer(kind: &str, share: bool, restart: Option<bool>) -> (Report, f64) {
    let which = if kind == "postgres" { Which::Postgres } else { Which::Redis };
    let mut server = Server::start(which);
    if which == Which::Postgres {
        drop(store(which, server.path()).await);
    }
    let began = Instant::now();
    let mut nodes: Vec<Node> =
        (0..NODES).map(|_| Node::start(kind, server.path(), share)).collect();
    for node in &mut nodes {
        node.hears("warm");
    }
    if let Some(keep) = restart {
        server.down(keep);
        server.up();
        for node in &mut nodes {
            node.hears("back");
        }
    }
    let mut sum = Report::default();
    for node in nodes {
        let report = node.end();
        sum.passed += report.passed;
        sum.without += report.without;
        sum.forgot += report.forgot;
    }
    (sum, began.elapsed().as_secs_f64())
}

fn bound(bursts: u32, seconds: f64) -> f64 {
    f64::from(bursts * BURST) + f64::from(PER_SECOND) * seconds
}

async fn a_fleet_is_as_one(kind: &str) {
    let (report, seconds) = hammer(kind, false, None).await;
    println!("{kind}: {report:?} in {seconds:.2} s, bound {:.0}", bound(1, seconds));
    assert!(report.passed as f64 <= bound(1, seconds), "{report:?} in {seconds} s");
    assert!(report.passed >= u64::from(BURST), "{report:?}");

    let (report, seconds) = hammer(kind, false, Some(true)).await;
    println!("{kind}, restarted: {report:?} in {seconds:.2} s, bound {:.0}", bound(1, seconds));
    assert!(report.passed as f64 <= bound(1, seconds), "{report:?} in {seconds} s");
    assert_eq!((report.without, report.forgot), (0, 0));

    let (report, seconds) = hammer(kind, false, Some(false)).await;
    println!("{kind}, emptied: {report:?} in {seconds:.2} s, bound {:.0}", bound(2, seconds));
    assert!(report.passed as f64 <= bound(2, seconds), "{report:?} in {seconds} s");
    assert_eq!((report.without, report.forgot), (0, NODES.into()), "each node has seen it");

    let (report, seconds) = hammer(kind, true, Some(true)).await;
    println!(
        "{kind}, by shares: {report:?} in {seconds:.2} s, bound {:.0} each",
        bound(1, seconds)
    );
    assert!(report.passed as f64 <= bound(1, seconds), "{report:?} in {seconds} s");
    assert!(report.without as f64 <= bound(1, seconds), "{report:?} in {seconds} s");
}

#[linchpin_testing::test]
async fn a_fleet_on_redis_lets_no_more_pass_than_one_process() {
    a_fleet_is_as_one("redis").await;
}

#[linchpin_testing::test]
async fn a_fleet_on_postgres_lets_no_more_pass_than_one_process() {
    a_fleet_is_as_one("postgres").await;
}

/// The same bound finds a fleet whose nodes do not share.
#[linchpin_testing::test]
async fn a_fleet_that_shares_nothing_is_found_out() {
    let (report, seconds) = hammer("memory", false, None).await;
    assert!(report.passed as f64 > bound(1, seconds), "{report:?} in {seconds} s");
}
