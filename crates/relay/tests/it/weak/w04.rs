//! A response is bounded in time, in size and in what it expands to.

use std::time::Duration;

use linchpin::task::{self, Task, Tracker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::process::{Home, PATIENCE};

const KEPT: usize = 20_000;

/// A receiver that answers all it gets with a head, and then these bytes for ever.
async fn endless(
    head: &'static str,
    pieces: &'static [u8],
    pause: Option<Duration>,
) -> (String, Task<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let answers = async move {
        let connections = Tracker::new("connections");
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn("answer", async move {
                let mut request = [0; 8 << 10];
                assert!(stream.read(&mut request).await.expect("a request") > 0);
                let mut written = stream.write_all(head.as_bytes()).await;
                while written.is_ok() {
                    written = stream.write_all(pieces).await;
                    if let Some(pause) = pause {
                        sleep(pause).await;
                    }
                }
            });
        }
    };
    (url, task::spawn("endless receiver", answers))
}

#[linchpin_testing::test]
async fn w04_a_response_is_bounded_in_time_size_and_expansion() {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    const GZIP: &str = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n";
    const HINTS: &str = "";
    let drip = Some(Duration::from_millis(10));
    // What it answers, the status that is recorded, and what is to be read in the record.
    let receivers = [
        (endless(OK, b"x", drip).await, 0, "within 1s"),
        (endless(OK, &[b'x'; 16 << 10], None).await, 200, "xxxx"),
        (endless(OK, &[0xff; 16 << 10], None).await, 200, "\u{fffd}\u{fffd}"),
        (endless(GZIP, &[0; 16 << 10], None).await, 200, "\0\0"),
        (endless("HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n", None).await, 0, ""),
        (endless(HINTS, b"HTTP/1.1 103 Early Hints\r\n\r\n", None).await, 0, ""),
    ];
    let home = Home::new();
    let relay = home.serve(&["--request-timeout", "1s", "--retry-schedule", "1h"]).await;
    for ((url, _receiver), status, text) in receivers {
        let (app, _) = relay.application(&[&url]).await;
        let message = relay.message(&app, "{}").await;
        let recorded = timeout(PATIENCE, relay.attempts(&app, &message, 1)).await;
        assert_eq!(recorded, Ok(vec![status]), "{url}");
        let list = format!("/app/{app}/attempt/msg/{message}");
        let answer = relay.call("GET", &list, "").await.expect(200);
        let list = answer.json();
        let response = list["data"][0]["response"].as_str().expect("a text");
        assert!(response.contains(text) && response.len() <= KEPT, "{status} {}", response.len());
    }
}
