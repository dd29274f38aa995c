//! A served router, and a client that sends bytes as they are written here.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use linchpin::task::{self, Task};
use linchpin_http::lifecycle::{self, Lifecycle, Report};
use linchpin_http::server::{self, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than anything here takes: a test that hits it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than the server lets a connection be.
const IDLE: Duration = Duration::from_mins(10);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) async fn soon<F: Future>(what: &str, work: F) -> F::Output {
    let outcome = tokio::time::timeout(PATIENCE, work).await;
    outcome.unwrap_or_else(|_| panic!("waited too long: {what}"))
}

pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A server under test with its life.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) life: Lifecycle,
    pub(crate) serving: Task<linchpin::Result<()>>,
    finished: Task<Report>,
}

impl Running {
    pub(crate) async fn plain(router: Router) -> Self {
        Self::start(router, server::Options::default(), lifecycle::Options::default()).await
    }

    pub(crate) async fn start(
        router: Router,
        options: server::Options,
        phases: lifecycle::Options,
    ) -> Self {
        let life = Lifecycle::new(phases).unwrap();
        let server = Server::bind(any_port()).await.unwrap();
        let addr = server.local_addr();
        let (one, other) = (life.clone(), life.clone());
        let serving =
            task::spawn(
                "served",
                async move { server.serve(router).options(options).run(&one).await },
            );
        let finished = task::spawn("finished", async move { other.finished().await });
        Self { addr, life, serving, finished }
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.addr).await.unwrap())
    }

    /// Waits until no connection is left: a level, looked at again and again, because no event tells it. In paused time it may be
    /// minutes.
    pub(crate) async fn idle(&self) {
        let looking = async {
            while self.life.in_flight() > 0 {
                tokio::time::sleep(ms(2)).await;
            }
        };
        tokio::time::timeout(IDLE, looking).await.expect("no connection is left");
    }

    /// Waits until the server has ended and the life too.
    pub(crate) async fn ended(self) -> Report {
        soon("the server ends", self.serving.join()).await.unwrap();
        soon("the life ends", self.finished.join()).await
    }
}

/// A connection without any manners.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One GET on a connection that stays open, and its answer.
    pub(crate) async fn get(&mut self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        self.answer().await
    }

    /// One response with a content-length: head and body.
    pub(crate) async fn answer(&mut self) -> String {
        soon("an answer", async {
            let mut bytes = Vec::new();
            loop {
                let byte = self.0.read_u8().await.expect("an answer");
                bytes.push(byte);
                if bytes.ends_with(b"\r\n\r\n") {
                    break;
                }
            }
            let head = String::from_utf8(bytes).unwrap();
            let mut body = vec![0; length(&head)];
            self.0.read_exact(&mut body).await.unwrap();
            head + &String::from_utf8(body).unwrap()
        })
        .await
    }

    /// All that comes until the other side closes; a reset is a close as well.
    pub(crate) async fn rest(mut self) -> String {
        soon("the connection is closed", async {
            let (mut all, mut some) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = self.0.read(&mut some).await {
                all.extend_from_slice(&some[..count]);
            }
            String::from_utf8(all).unwrap()
        })
        .await
    }
}

fn length(head: &str) -> usize {
    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0)
}
