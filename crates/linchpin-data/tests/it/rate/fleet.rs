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

use super::drills::{Plant, planted, store};
use crate::server::{Server, Which};

const NODE: &str = "LINCHPIN_TEST_NODE";
const NODES: u32 = 4;

/// What a fleet may.
#[derive(Clone, Copy, Debug)]
struct Limit {
    burst: u32,
    per_second: u32,
    /// Whether each keeps to its share when the store is away.
    share: bool,
}

const CLOSED: Limit = Limit { burst: 100, per_second: 200, share: false };
/// A burst that is far above what the rate gives while some know that the store is back, and others do not.
const BY_SHARES: Limit = Limit { burst: 1000, per_second: 100, share: true };

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
    fn start(kind: &str, path: &str, limit: Limit) -> Self {
        let Limit { burst, per_second, share } = limit;
        let mut child = Command::new(std::env::current_exe().expect("a binary"))
            .args(["--exact", "rate::fleet::a_node_of_a_fleet", "--nocapture"])
            .env(NODE, format!("{kind} {share} {burst} {per_second} {path}"))
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
    let parts: Vec<&str> = told.splitn(5, ' ').collect();
    let [kind, share, burst, per_second, path] = parts[..] else { panic!("{told}") };
    let store = match kind {
        "redis" => store(Which::Redis, path).await,
        "postgres" => store(Which::Postgres, path).await,
        "untold" => planted(Plant::TellsNothing, store(Which::Redis, path).await),
        _ => Arc::new(Memory::new("alone", 10).unwrap()),
    };
    let then = if share == "true" { OnStoreError::LocalShare(NODES) } else { OnStoreError::Closed };
    let options = Options::default().burst(burst.parse().unwrap()).on_store_error(then);
    // A server that is killed says so at once. One that is slow is no outage, of which each lets a burst more pass.
    let options = options.timeout(Duration::from_secs(20));
    let rate = Rate::per_second(per_second.parse().unwrap());
    let limiter = Shared::new("fleet", rate, options, store).unwrap();

    let (over, watches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (ends, watched) = (over.clone(), watches.clone());
    let listener = linchpin::task::thread("listener", move || {
        for line in std::io::stdin().lines() {
            match line.as_deref() {
                Ok("watch") => watched.store(true, Ordering::SeqCst),
                _ => break,
            }
        }
        ends.store(true, Ordering::SeqCst);
    });
    let (ctx, mut refused) = (Context::root(), 0);
    // What is said when so many were refused: all there was is used up.
    let mut then = Some((300, "warm"));
    let mut gone = false;
    while !over.load(Ordering::SeqCst) {
        if limiter.take(&ctx, "key", 1).await.is_err() {
            refused += 1;
            // Whoever is refused without a wait would keep the others from the processor.
            tokio::task::yield_now().await;
        }
        if let Some((_, word)) = then.take_if(|(at, _)| refused >= *at) {
            println!("{word}");
        }
        let away = limiter.numbers().away;
        if !gone && away && watches.load(Ordering::SeqCst) {
            gone = true;
            println!("gone");
        } else if gone && !away {
            gone = false;
            watches.store(false, Ordering::SeqCst);
            println!("back");
            then = Some((refused + 300, "spent"));
        }
    }
    listener.unwrap().join().unwrap();
    let numbers = limiter.numbers();
    println!("counted {} {} {}", numbers.passed, numbers.passed_without_store, numbers.forgot);
}

/// What a fleet has counted in all, in how many seconds.
#[derive(Debug)]
struct Ran {
    report: Report,
    seconds: f64,
    /// Of which some may have known that the store is back, and others not.
    unsure: f64,
}

/// Lets a fleet hammer, restarts the server under it if asked.
async fn hammer(kind: &str, limit: Limit, restart: Option<bool>) -> Ran {
    let which = if kind == "postgres" { Which::Postgres } else { Which::Redis };
    let mut server = Server::start(which);
    if which == Which::Postgres {
        drop(store(which, server.path()).await);
    }
    let began = Instant::now();
    let mut nodes: Vec<Node> =
        (0..NODES).map(|_| Node::start(kind, server.path(), limit)).collect();
    for node in &mut nodes {
        node.hears("warm");
    }
    let mut unsure = 0.0;
    if let Some(keep) = restart {
        server.down(keep);
        for node in &mut nodes {
            node.tell("watch");
            node.hears("gone");
        }
        let began = Instant::now();
        server.up();
        for node in &mut nodes {
            node.hears("back");
        }
        unsure = began.elapsed().as_secs_f64();
        for node in &mut nodes {
            node.hears("spent");
        }
    }
    let mut report = Report::default();
    for node in nodes {
        let one = node.end();
        report.passed += one.passed;
        report.without += one.without;
        report.forgot += one.forgot;
    }
    let ran = Ran { report, seconds: began.elapsed().as_secs_f64(), unsure };
    println!("{kind}, {limit:?}, {restart:?}: {ran:?}");
    ran
}

impl Ran {
    /// Whether so many bursts passed, and the rate, and no more.
    fn is_within(&self, limit: Limit, bursts: u32) -> bool {
        let Limit { burst, per_second, share } = limit;
        let rate = f64::from(per_second) * (self.seconds + if share { self.unsure } else { 0.0 });
        let bound = f64::from(bursts * burst) + rate;
        (self.report.passed + self.report.without) as f64 <= bound
    }
}

async fn a_fleet_is_as_one(kind: &str) {
    let ran = hammer(kind, CLOSED, None).await;
    assert!(ran.is_within(CLOSED, 1), "{ran:?}");
    assert!(ran.report.passed >= u64::from(CLOSED.burst), "{ran:?}");

    let ran = hammer(kind, CLOSED, Some(true)).await;
    assert!(ran.is_within(CLOSED, 1), "{ran:?}");
    assert_eq!((ran.report.without, ran.report.forgot), (0, 0));

    let ran = hammer(kind, CLOSED, Some(false)).await;
    assert!(ran.is_within(CLOSED, 2), "{ran:?}");
    assert_eq!((ran.report.without, ran.report.forgot), (0, NODES.into()), "each node has seen it");

    // By shares one burst more, whether or not it has lost all meanwhile.
    for keep in [true, false] {
        let ran = hammer(kind, BY_SHARES, Some(keep)).await;
        assert!(ran.is_within(BY_SHARES, 2), "{ran:?}");
        assert!(ran.report.without >= u64::from(BY_SHARES.burst), "{ran:?}");
        let forgot = if keep { 0 } else { NODES.into() };
        assert_eq!(ran.report.forgot, forgot, "{ran:?}");
    }
}

#[linchpin_testing::test]
async fn a_fleet_on_redis_lets_no_more_pass_than_one_process() {
    a_fleet_is_as_one("redis").await;
}

#[linchpin_testing::test]
async fn a_fleet_on_postgres_lets_no_more_pass_than_one_process() {
    a_fleet_is_as_one("postgres").await;
}

/// The same bounds find a fleet whose nodes do not share, and one that does not tell its store what has passed without it.
#[linchpin_testing::test]
async fn a_fleet_that_shares_nothing_or_tells_nothing_is_found_out() {
    let ran = hammer("memory", CLOSED, None).await;
    assert!(!ran.is_within(CLOSED, 1), "{ran:?}");
    let ran = hammer("untold", BY_SHARES, Some(false)).await;
    assert!(!ran.is_within(BY_SHARES, 2), "{ran:?}");
}
