//! Bytes that are no HTTP, or no good HTTP: each is refused or ends in a closed connection, in time.

use std::net::SocketAddr;

use futures_util::{StreamExt as _, stream};

use super::Target;
use super::wire;

/// Bytes to send on a connection of their own.
struct Raw {
    name: &'static str,
    bytes: Vec<u8>,
    /// Whether it must be refused. What is only odd may be answered by anything but an error of the server.
    is_wrong: bool,
}

/// So many connections at a time.
const AT_ONCE: usize = 64;

/// Sends everything there is, and so many pieces of garbage besides; returns how many were sent, and what was wrong with
/// the answers. `ends` tells the server each time that no more will come; otherwise it must find out by its time limits.
pub(crate) async fn run(
    target: &Target,
    seed: u64,
    garbage: usize,
    ends: bool,
) -> (usize, Vec<String>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = Sender { token: &target.tokens.ours, all: Vec::new() }.all();
    all.extend((0..garbage).map(|_| noise(&mut random)));
    let count = all.len();
    let sent =
        stream::iter(all).map(|raw| sent(target.address, raw, ends)).buffer_unordered(AT_ONCE);
    let faults = sent.filter_map(async |fault| fault).collect().await;
    (count, faults)
}

async fn sent(address: SocketAddr, raw: Raw, ends: bool) -> Option<String> {
    let came = wire::until_closed(address, &raw.bytes, ends).await;
    let fault = match came {
        Err(fault) => fault,
        Ok(came) => fault(&String::from_utf8_lossy(&came), raw.is_wrong)?,
    };
    let shown = raw.bytes[..raw.bytes.len().min(300)].escape_ascii();
    Some(format!("{}: {fault}\n    {shown}", raw.name))
}

/// What is wrong with all that came.
fn fault(came: &str, is_wrong: bool) -> Option<String> {
    let statuses = came
        .match_indices("HTTP/1.")
        .filter_map(|(at, mark)| came.get(at + mark.len() + 2..)?.get(..3));
    for status in statuses {
        if status.starts_with('5') || (is_wrong && !status.starts_with('4')) {
            return Some(format!("answered {status}"));
        }
    }
    let is_answer = came.is_empty() || came.starts_with("HTTP/1.");
    (!is_answer).then(|| format!("answered what is no HTTP: {}", came.escape_default()))
}

/// Bytes by chance, some of them behind the beginning of a request.
fn noise(random: &mut fastrand::Rng) -> Raw {
    const BEGINNINGS: [&str; 7] = [
        "",
        "",
        "GET ",
        "GET / HTTP/1.1\r\n",
        "POST /api/v1/app HTTP/1.1\r\nhost: a\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: ",
    ];
    let mut bytes = random.choice(BEGINNINGS).unwrap_or_default().as_bytes().to_vec();
    bytes.extend((0..random.usize(1..2_000)).map(|_| random.u8(..)));
    Raw { name: "noise", bytes, is_wrong: false }
}

struct Sender<'a> {
    token: &'a str,
    all: Vec<Raw>,
}

impl Sender<'_> {
    fn all(mut self) -> Vec<Raw> {
        self.lines();
        self.headers();
        self.lengths();
        self.chunks();
        self.sequences();
        self.others();
        self.all
    }

    fn wrong(&mut self, name: &'static str, bytes: impl AsRef<[u8]>) {
        self.all.push(Raw { name, bytes: bytes.as_ref().to_vec(), is_wrong: true });
    }

    fn odd(&mut self, name: &'static str, bytes: impl AsRef<[u8]>) {
        self.all.push(Raw { name, bytes: bytes.as_ref().to_vec(), is_wrong: false });
    }

    /// A request that makes an application, with these headers and what follows them.
    fn post(&self, headers: &str, rest: &str) -> String {
        let Self { token, .. } = self;
        format!(
            "POST /api/v1/app HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\n{headers}\r\n\r\n{rest}"
        )
    }

    fn lines(&mut self) {
        for line in [
            "GET",
            "GET /",
            "GET / HTTP/9.9",
            "GET / HTTP/1.1.1",
            "GET / http/1.1",
            "GET / HTTP/1.1 x",
            "GET  / HTTP/1.1",
            " GET / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /\u{0} HTTP/1.1",
            "G\u{0}T / HTTP/1.1",
            "G{}T / HTTP/1.1",
            "GET http://[ HTTP/1.1",
            "GET \\ HTTP/1.1",
            "/ GET HTTP/1.1",
            "HTTP/1.1 200 OK",
        ] {
            self.wrong("request line", format!("{line}\r\nhost: a\r\n\r\n"));
        }
        for line in [
            "GET http://a/ HTTP/1.1",
            "CONNECT a:443 HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET / HTTP/1.0",
            "GET /#f HTTP/1.1",
            "GET //../..//etc/passwd HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "M-SEARCH / HTTP/1.1",
            "GET * HTTP/1.1",
        ] {
            self.odd("request line", format!("{line}\r\nhost: a\r\n\r\n"));
        }
        self.odd("only ends of lines", "\r\n".repeat(10_000));
        self.odd("bare line feeds", "GET / HTTP/1.1\nhost: a\n\n");
        self.odd("HTTP/0.9", "GET /\n");
        self.wrong(
            "a long method",
            format!("{} / HTTP/1.1\r\nhost: a\r\n\r\n", "A".repeat(100_000)),
        );
        self.wrong(
            "a long path",
            format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(100_000)),
        );
        self.wrong("a line without an end", "a".repeat(1 << 20));
    }

    fn headers(&mut self) {
        for headers in [
            "",
            "host: a\r\nhost: b",
            "host: a\r\nhost: a",
            "host: a\r\nx : y",
            "host: a\r\n: y",
            "host: a\r\nx\u{0}: y",
            "host: a\r\nx: \u{0}",
            "host: a\r\nx: a\rb",
            "host: a\r\nx: a\r\n folded",
            "host: a\r\n folded: x",
            "host: a\r\nx",
        ] {
            // Of one without a header the end is that of the line.
            let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
            self.wrong("headers", format!("GET /api/v1/health/ping HTTP/1.1\r\n{headers}\r\n"));
        }
        let flood = (0..5_000).map(|n| format!("x-{n}: y\r\n")).collect::<Vec<_>>().concat();
        self.wrong("many headers", format!("GET / HTTP/1.1\r\nhost: a\r\n{flood}\r\n"));
        self.wrong(
            "a large header",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)),
        );
        self.odd("an odd host", "GET / HTTP/1.1\r\nhost: \u{e9}/ @:99999\r\n\r\n");
        self.odd("an empty host", "GET / HTTP/1.1\r\nhost:\r\n\r\n");
        self.odd("cut in the head", "GET / HTTP/1.1\r\nhost: a\r\nx-hal");
    }

    fn lengths(&mut self) {
        let json = r#"{"name":"Raw"}"#;
        for length in [
            "content-length: 14\r\ncontent-length: 15",
            "content-length: 14, 15",
            "content-length: +14",
            "content-length: -1",
            "content-length: 0xe",
            "content-length: 1 4",
            "content-length:",
            "content-length: 99999999999999999999",
            "transfer-encoding: chunked, identity",
            "transfer-encoding: xchunked",
            "transfer-encoding: gzip",
            "transfer-encoding: identity",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        ] {
            self.wrong("lengths", self.post(length, json));
        }
        // Smuggled behind what a proxy may take for the end of the first.
        let both = "content-length: 4\r\ntransfer-encoding: chunked";
        let smuggled = "0\r\n\r\nGET /api/v1/app HTTP/1.1\r\nhost: a\r\n\r\n";
        self.wrong("both lengths", self.post(both, smuggled));
        let turned = "transfer-encoding: chunked\r\ncontent-length: 4";
        self.wrong("both lengths", self.post(turned, smuggled));
        let old =
            self.post("transfer-encoding: chunked", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0");
        self.wrong("chunks before HTTP/1.1", old);
        self.odd("the same length twice", self.post("content-length: 14, 14", json));
        self.odd("cut in the body", self.post("content-length: 100", json));
        self.odd("more than the length", self.post("content-length: 2", json));
        self.wrong("an announced flood", self.post("content-length: 9000000000", json));
        self.odd("waits to be told", self.post("content-length: 14\r\nexpect: 100-continue", ""));
        self.odd("expects what is not", self.post("content-length: 14\r\nexpect: coffee", json));
    }

    fn chunks(&mut self) {
        for chunks in [
            "FFFFFFFFFFFFFFFFF\r\n",
            "-1\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "\r\n\r\n",
            "5\r\nhelloX0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "g\r\n",
            "5\nhello\n0\n\n",
            "7fffffffffffffff\r\na",
            "5;x=\u{0}\r\nhello\r\n0\r\n\r\n",
        ] {
            self.wrong("chunks", self.post("transfer-encoding: chunked", chunks));
        }
        let chunked = "transfer-encoding: chunked";
        self.wrong(
            "a large extension",
            self.post(chunked, &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1 << 20))),
        );
        let trailers = (0..5_000).map(|n| format!("x-{n}: y\r\n")).collect::<Vec<_>>().concat();
        self.wrong("many trailers", self.post(chunked, &format!("0\r\n{trailers}\r\n")));
        self.wrong(
            "small chunks",
            self.post(chunked, &format!("{}0\r\n\r\n", "1\r\n[\r\n".repeat(20_000))),
        );
        self.odd("cut in a chunk", self.post(chunked, "ff\r\n{\"name\""));
    }

    fn sequences(&mut self) {
        let ping = "GET /api/v1/health/ping HTTP/1.1\r\nhost: a\r\n\r\n";
        self.odd("a queue of requests", ping.repeat(500));
        self.odd("garbage behind a request", format!("{ping}\u{0}\u{1}garbage\r\n\r\n"));
        let post = self.post("content-length: 14", r#"{"name":"Raw"}"#);
        self.odd("a queue of bodies", post.repeat(50));
    }

    fn others(&mut self) {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        self.wrong("a preface of HTTP/2", preface);
        self.wrong("frames of HTTP/2", [preface.as_bytes(), &[0; 4_000]].concat());
        self.odd("an upgrade to HTTP/2", "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n");
        self.odd("an upgrade to a socket", "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n\r\n");
        self.wrong("TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\r\n\r\n");
        self.odd("nothing", "");
        self.odd("one byte", "G");
        self.wrong("NULs", vec![0; 100_000]);
    }
}
