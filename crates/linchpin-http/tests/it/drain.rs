//! Shutdown with real connections: who is finished, who is closed, who is aborted.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use linchpin::task;
use linchpin_http::lifecycle::{Lifecycle, Options};
use linchpin_http::server::{self, Server};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use crate::support::{Raw, Running, any_port, ms, soon};

/// A route that says when it runs, and answers when it is let.
struct Gate {
    entered: mpsc::Receiver<()>,
    open: Arc<Semaphore>,
}

fn gated() -> (Router, Gate) {
    let (enter, entered) = mpsc::channel(8);
    let open = Arc::new(Semaphore::new(0));
    let gate = open.clone();
    let slow = move || async move {
        enter.send(()).await.unwrap();
        gate.acquire().await.unwrap().forget();
        "slow"
    };
    let router = Router::new().route("/slow", get(slow)).route("/", get(|| async { "hello" }));
    (router, Gate { entered, open })
}

impl Gate {
    async fn entered(&mut self) {
        soon("the handler runs", self.entered.recv()).await.unwrap();
    }

    fn open(&self) {
        self.open.add_permits(1);
    }
}

async fn slow_request(server: &Running, gate: &mut Gate) -> Raw {
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    gate.entered().await;
    client
}

async fn refused(server: &Running) {
    let addr = server.addr;
    let closed = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::time::sleep(ms(2)).await;
        }
    };
    soon("the listener is closed", closed).await;
}

#[linchpin_testing::test]
async fn a_request_under_way_is_answered_with_close_and_then_all_ends() {
    let (router, mut gate) = gated();
    let server = Running::plain(router).await;
    let client = slow_request(&server, &mut gate).await;

    server.life.shutdown("test");
    refused(&server).await;
    assert!(!server.serving.is_finished());
    gate.open();

    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("slow"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let report = server.ended().await;
    assert_eq!((report.exit_code(), report.in_flight, report.aborted), (0, 1, 0));
}

#[linchpin_testing::test]
async fn an_idle_connection_is_closed_at_once() {
    let (router, _gate) = gated();
    let server = Running::plain(router).await;
    let mut idle = server.connect().await;
    idle.get("/").await;

    server.life.shutdown("test");
    assert_eq!(idle.rest().await, "");
    let report = server.ended().await;
    assert_eq!(report.exit_code(), 0);
    assert!(report.took < ms(5_000), "{report}");
}

#[linchpin_testing::test]
async fn a_connection_that_never_said_anything_is_closed_at_once() {
    let (router, _gate) = gated();
    let server = Running::plain(router).await;
    let silent = server.connect().await;
    // Accepted after it, so the silent one is a task of the server by now.
    server.connect().await.get("/").await;

    server.life.shutdown("test");
    assert_eq!(silent.rest().await, "");
    assert_eq!(server.ended().await.exit_code(), 0);
}

#[linchpin_testing::test]
async fn a_request_whose_first_bytes_came_before_is_served() {
    let (router, _gate) = gated();
    let server = Running::plain(router).await;
    let mut begun = server.connect().await;
    begun.send("GET / HTT").await;
    // Half a header has no answer to wait for; a second connection's answer comes after it was read, as a rule,
    // and on a current-thread runtime always.
    server.connect().await.get("/").await;

    server.life.shutdown("test");
    refused(&server).await;
    begun.send("P/1.1\r\nhost: test\r\n\r\n").await;
    let answer = begun.rest().await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(server.ended().await.exit_code(), 0);
}

/// With a request written, and nobody who has read it.
async fn written(server: &Running) -> Raw {
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client
}

#[linchpin_testing::test]
async fn connections_in_the_queue_of_the_kernel_are_served() {
    let (router, mut gate) = gated();
    let one = server::Options::default().max_connections(1);
    let server = Running::start(router, one, Options::default()).await;
    let slow = slow_request(&server, &mut gate).await;
    let mut queued = Vec::new();
    for _ in 0..20 {
        queued.push(written(&server).await);
    }
    server.life.shutdown("test");
    for client in queued {
        let answer = client.rest().await;
        assert!(answer.ends_with("hello") && answer.contains("connection: close"), "{answer}");
    }
    refused(&server).await;
    gate.open();
    assert!(slow.rest().await.ends_with("slow"));
    let report = server.ended().await;
    assert_eq!((report.exit_code(), report.aborted), (0, 0));
}

#[linchpin_testing::test]
async fn a_request_on_its_way_while_the_listener_closes_is_answered() {
    let (router, _gate) = gated();
    let server = Running::plain(router).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut idle = server.connect().await;
        idle.get("/").await;
        clients.push(idle);
    }
    server.life.shutdown("test");
    server.life.accepting().cancelled().await;
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    }
    for client in clients {
        let answer = client.rest().await;
        assert!(answer.ends_with("hello") && answer.contains("connection: close"), "{answer}");
    }
    assert_eq!(server.ended().await.exit_code(), 0);
}

#[linchpin_testing::test]
async fn requests_are_still_accepted_until_the_end_of_pre_drain() {
    let (router, _gate) = gated();
    let phases = Options::default().pre_drain(ms(1_000));
    let server = Running::start(router, server::Options::default(), phases).await;
    server.life.shutdown("test");
    assert!(server.connect().await.get("/").await.ends_with("hello"));
    refused(&server).await;
    assert!(server.life.accepting().is_cancelled());
    assert_eq!(server.ended().await.exit_code(), 0);
}

#[linchpin_testing::test]
async fn a_request_that_never_ends_is_aborted_at_the_hard_stop() {
    let (router, mut gate) = gated();
    let phases = Options::default().drain(ms(40)).hard_stop(ms(80));
    let server = Running::start(router, server::Options::default(), phases).await;
    let client = slow_request(&server, &mut gate).await;

    server.life.shutdown("test");
    assert_eq!(client.rest().await, "");
    let report = server.ended().await;
    assert_eq!((report.exit_code(), report.aborted, report.forced), (1, 1, false));
}

#[linchpin_testing::test]
async fn a_forced_stop_aborts_a_request_under_way() {
    let (router, mut gate) = gated();
    let server = Running::plain(router).await;
    let client = slow_request(&server, &mut gate).await;

    server.life.shutdown("first");
    refused(&server).await;
    server.life.force();
    assert_eq!(client.rest().await, "");
    let report = server.ended().await;
    assert_eq!((report.exit_code(), report.aborted, report.forced), (1, 1, true));
}

#[linchpin_testing::test]
async fn a_body_that_is_still_written_at_the_signal_is_written_to_its_end() {
    const LENGTH: usize = 8 << 20;
    let router = Router::new().route("/", get(|| async { vec![b'x'; LENGTH] }));
    let server = Running::plain(router).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    client.0.readable().await.unwrap();

    server.life.shutdown("test");
    refused(&server).await;
    let answer = client.rest().await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), LENGTH);
    assert_eq!(server.ended().await.exit_code(), 0);
}

#[linchpin_testing::test]
async fn a_body_that_is_still_read_at_the_signal_is_read_to_its_end() {
    let router = Router::new().route("/", post(|body: String| async { body }));
    let server = Running::plain(router).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nfive!").await;
    server.connect().await.send("").await;

    server.life.shutdown("test");
    refused(&server).await;
    client.send("more!").await;
    assert!(client.rest().await.ends_with("five!more!"));
    assert_eq!(server.ended().await.exit_code(), 0);
}

#[linchpin_testing::test]
async fn several_servers_share_one_life() {
    let life = Lifecycle::new(Options::default()).unwrap();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let (router, _) = gated();
        let server = Server::bind(any_port()).await.unwrap();
        let (addr, life) = (server.local_addr(), life.clone());
        let serving =
            task::spawn("one of two", async move { server.serve(router).run(&life).await });
        assert!(Raw(TcpStream::connect(addr).await.unwrap()).get("/").await.ends_with("hello"));
        servers.push(serving);
    }
    life.shutdown("test");
    let report = soon("the life ends", life.finished()).await;
    for serving in servers {
        soon("each server ends", serving.join()).await.unwrap();
    }
    assert_eq!(report.exit_code(), 0);
}
