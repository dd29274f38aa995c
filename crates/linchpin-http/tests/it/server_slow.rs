//! The server's patience: who is closed, after how long, and who is slow and may be. All in paused time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use http_body::Frame;
use linchpin::task;
use linchpin::time::Instant;
use linchpin_http::lifecycle;
use linchpin_http::server::{self, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::{Raw, Running, ms};

/// As long as nothing here takes.
const FOREVER: Duration = Duration::from_hours(1);
/// Timers are a millisecond late.
const LATE: Duration = ms(100);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn router() -> Router {
    let echo = post(|body: Bytes| async move { format!("{} bytes", body.len()) });
    let nap = get(|| async {
        sleep(secs(300)).await;
        "slept well"
    });
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", echo.layer(DefaultBodyLimit::max(8 << 20)))
        .route("/nap", nap)
        .route("/endless", get(|| async { Body::new(Filler { left: usize::MAX }) }))
        .route("/large", get(|| async { Body::new(Filler { left: LARGE }) }))
}

/// The server with the bounds it has by itself.
async fn plain() -> Running {
    Running::start(router(), Options::default(), lifecycle::Options::default()).await
}

/// What comes until the other side closes, and how long that takes.
pub(crate) async fn until_closed(client: &mut Raw) -> (String, Duration) {
    let (begun, mut all, mut some) = (Instant::now(), Vec::new(), [0; 4096]);
    // A reset is a close as well.
    while let Ok(count @ 1..) = timeout(FOREVER, client.0.read(&mut some)).await.expect("a close") {
        all.extend_from_slice(&some[..count]);
    }
    (String::from_utf8(all).unwrap(), begun.elapsed())
}

#[track_caller]
pub(crate) fn assert_after(took: Duration, expected: Duration) {
    assert!(took >= expected && took < expected + LATE, "{took:?} and not {expected:?}");
}

/// Sends a byte a second, for ever: only the server can end this.
async fn drip(client: Raw, bytes: &'static [u8]) -> (String, Duration) {
    let (reader, mut writer) = client.0.into_split();
    let _drip = task::spawn("drip", async move {
        for byte in bytes.iter().chain(std::iter::repeat(&b'a')) {
            sleep(secs(1)).await;
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        // Kept, so that the reader sees the server's end and not ours.
        std::future::pending::<()>().await;
    });
    let (begun, mut all, mut reader) = (Instant::now(), Vec::new(), reader);
    drop(timeout(FOREVER, reader.read_to_end(&mut all)).await.expect("a close"));
    (String::from_utf8(all).unwrap(), begun.elapsed())
}

#[linchpin_testing::test(start_paused)]
async fn a_silent_client_has_ten_seconds() {
    let (answer, took) = until_closed(&mut plain().await.connect().await).await;
    assert_eq!(answer, "");
    assert_after(took, secs(10));
}

#[linchpin_testing::test(start_paused)]
async fn a_header_a_byte_at_a_time_has_ten_seconds_from_the_accept() {
    let server = plain().await;
    let (answer, took) = drip(server.connect().await, b"GET / HTTP/1.1\r\nx: ").await;
    assert_eq!(answer, "");
    assert_after(took, secs(10));
}

#[linchpin_testing::test(start_paused)]
async fn a_connection_is_kept_for_75_seconds_and_a_header_begun_then_has_ten() {
    let server = plain().await;
    let mut client = server.connect().await;
    client.get("/").await;
    sleep(secs(74)).await;
    assert!(client.get("/").await.ends_with("hello"));
    let (_, took) = until_closed(&mut client).await;
    assert_after(took, secs(75));

    let mut client = server.connect().await;
    client.get("/").await;
    sleep(secs(70)).await;
    client.send("GET / HT").await;
    let (answer, took) = until_closed(&mut client).await;
    assert_eq!(answer, "");
    assert_after(took, secs(10));
}

#[linchpin_testing::test(start_paused)]
async fn a_request_that_is_served_has_as_long_as_it_takes() {
    let server = plain().await;
    let mut client = server.connect().await;
    let begun = Instant::now();
    client.send("GET /nap HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    let (answer, _) = until_closed(&mut client).await;
    assert!(answer.ends_with("slept well"), "{answer}");
    assert_after(begun.elapsed(), secs(300));
}

#[linchpin_testing::test(start_paused)]
async fn a_body_that_stops_is_given_up_after_30_seconds() {
    let server = plain().await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nfive!").await;
    let (answer, took) = until_closed(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_after(took, secs(30));
}

#[linchpin_testing::test(start_paused)]
async fn a_body_a_byte_at_a_time_has_no_more_time_than_one_that_stops() {
    let server = plain().await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 500\r\n\r\n").await;
    let (answer, took) = drip(client, b"").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_after(took, secs(30));
}

/// Sends 2 MiB at so many KiB a second: what was answered, and when.
async fn upload(client: &mut Raw, kib: usize) -> (String, Duration) {
    const LENGTH: usize = 2 << 20;
    let head = format!("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: {LENGTH}\r\n");
    client.send(&format!("{head}connection: close\r\n\r\n")).await;
    let (begun, piece) = (Instant::now(), vec![b'x'; kib << 10]);
    for sent in (0..LENGTH).step_by(piece.len()) {
        let piece = &piece[..piece.len().min(LENGTH - sent)];
        if client.0.write_all(piece).await.is_err() {
            break;
        }
        sleep(secs(1)).await;
        if timeout(Duration::ZERO, client.0.readable()).await.is_ok() {
            break;
        }
    }
    let (answer, _) = until_closed(client).await;
    (answer, begun.elapsed())
}

#[linchpin_testing::test(start_paused)]
async fn a_slow_but_steady_upload_succeeds_and_one_that_is_too_slow_does_not() {
    let server = plain().await;
    // 43 seconds, of which each but the first uses up a quarter of one.
    let (answer, took) = upload(&mut server.connect().await, 48).await;
    assert!(answer.ends_with("2097152 bytes"), "{answer}");
    assert!(took > secs(40), "{took:?}");

    // At half of the least rate there are twice 30 seconds.
    let (answer, took) = upload(&mut server.connect().await, 32).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(took > secs(57) && took < secs(63), "{took:?}");
}

#[linchpin_testing::test(start_paused)]
async fn what_came_fast_buys_no_long_silence() {
    let server = plain().await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 8000000\r\n\r\n").await;
    client.0.write_all(&vec![b'x'; 7_000_000]).await.unwrap();
    let (answer, took) = until_closed(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_after(took, secs(30));
}

const LARGE: usize = 4 << 20;

/// A body of so many bytes.
struct Filler {
    left: usize,
}

impl http_body::Body for Filler {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        static SOME: [u8; 16 << 10] = [b'.'; 16 << 10];
        let some = &SOME[..SOME.len().min(self.left)];
        self.left -= some.len();
        Poll::Ready((!some.is_empty()).then(|| Ok(Frame::data(Bytes::from_static(some)))))
    }
}

/// A client for which the kernel takes little in advance.
async fn narrow(server: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.connect(server.addr).await.unwrap()
}

/// Asks, and reads so many KiB a second; what came, and how long it took. Ended by the server.
async fn download(server: &Running, path: &str, kib: usize) -> (usize, Duration) {
    let mut client = narrow(server).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let (begun, mut read, mut piece) = (Instant::now(), 0, vec![0; kib << 10]);
    loop {
        assert!(begun.elapsed() < FOREVER, "nobody ends it");
        sleep(secs(1)).await;
        let mut piece = &mut piece[..];
        while !piece.is_empty() {
            match timeout(FOREVER, client.read(piece)).await.expect("bytes, or a close") {
                Ok(count @ 1..) => {
                    read += count;
                    piece = &mut piece[count..];
                }
                Ok(0) | Err(_) => return (read, begun.elapsed()),
            }
        }
    }
}

#[linchpin_testing::test(start_paused)]
async fn a_client_that_never_reads_is_closed_after_30_seconds() {
    let server = plain().await;
    let mut client = narrow(&server).await;
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    client.readable().await.unwrap();
    server.idle().await;
    assert_after(begun.elapsed(), secs(30));
    // So much was for the kernels to keep, and no more.
    let mut kept = Vec::new();
    drop(client.read_to_end(&mut kept).await);
    assert!(kept.len() < 1 << 20, "{} bytes", kept.len());
}

#[linchpin_testing::test(start_paused)]
async fn an_answer_that_is_read_a_little_at_a_time_is_given_up() {
    let server = plain().await;
    let (_, took) = download(&server, "/endless", 16).await;
    // What is read of it in this time, and what the kernels keep, is worth a few seconds.
    assert!(took > secs(30) && took < secs(400), "{took:?}");
}

#[linchpin_testing::test(start_paused)]
async fn an_answer_that_is_read_slowly_but_steadily_comes_whole() {
    let server = plain().await;
    let (read, took) = download(&server, "/large", 56).await;
    assert!(read > LARGE && took > secs(60), "{read} bytes in {took:?}");
}

#[linchpin_testing::test(start_paused)]
async fn http_2_is_not_spoken_so_that_none_of_its_floods_begins() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let ping: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let reset: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];
    let server = plain().await;
    for frame in [settings, ping, reset] {
        let mut client = server.connect().await;
        // It may be closed before all of it is written.
        drop(client.0.write_all(&[PREFACE, &frame.repeat(10_000)].concat()).await);
        let (answer, took) = until_closed(&mut client).await;
        assert_eq!(answer, "");
        assert_after(took, Duration::ZERO);
    }
    // Nor is there an upgrade to it, or to anything else.
    for protocol in ["h2c", "websocket"] {
        let mut client = server.connect().await;
        let upgrade = format!("connection: upgrade\r\nupgrade: {protocol}\r\n");
        client.send(&format!("GET / HTTP/1.1\r\nhost: test\r\n{upgrade}\r\n")).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200 "));
        assert!(client.get("/").await.ends_with("hello"));
    }
    assert!(server.connect().await.get("/").await.ends_with("hello"));
}

#[linchpin_testing::test(start_paused)]
async fn half_a_preface_of_http_2_is_a_header_that_does_not_come() {
    let server = plain().await;
    let mut client = server.connect().await;
    client.send("PRI * HT").await;
    let (answer, took) = until_closed(&mut client).await;
    assert_eq!(answer, "");
    assert_after(took, secs(10));
}

#[linchpin_testing::test(start_paused)]
async fn every_limit_is_an_option() {
    let options = server::Options::default()
        .header_read(secs(1))
        .idle(secs(2))
        .body_read(secs(3))
        .write(secs(4))
        .min_rate(1 << 10);
    let server = Running::start(router(), options, lifecycle::Options::default()).await;
    let (_, took) = until_closed(&mut server.connect().await).await;
    assert_after(took, secs(1));
    let mut kept = server.connect().await;
    kept.get("/").await;
    assert_after(until_closed(&mut kept).await.1, secs(2));
    let mut body = server.connect().await;
    body.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n").await;
    assert_after(until_closed(&mut body).await.1, secs(3));
    let mut deaf = narrow(&server).await;
    deaf.write_all(b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    deaf.readable().await.unwrap();
    server.idle().await;
    assert_after(begun.elapsed(), secs(4));
    // Half of the rate that would do by default, and hardly any patience.
    let (answer, _) = upload(&mut server.connect().await, 32).await;
    assert!(answer.ends_with("2097152 bytes"), "{answer}");
}
