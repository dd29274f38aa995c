//! The clients that do not behave, each a connection of its own until the server ends it.
//!
//! They are elsewhere in the world, and only here on the machine of those who behave. So they have a thread of their own that
//! the system lets run when nobody else wants to: what the good ones notice of them is what they have the server do.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use linchpin::task::{self, Task};
use linchpin::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout, timeout_at};

use crate::Failure;
use crate::relay::{BODY, HEADER, Relay};

/// What a client does instead of sending a request and reading the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Silent,
    SlowHeader,
    SlowBody,
    Deaf,
}

/// What one of them came to.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) kind: Kind,
    /// How long it was open, unless it still was when the time was up.
    pub(crate) closed: Option<Duration>,
}

/// All of them, and what they will have come to.
pub(crate) struct Crowd(oneshot::Receiver<Vec<End>>);

/// So much later than its limit a connection may be closed.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// How long those that never read wait after that: what comes then is work for the kernel, which is not the server's.
const PAUSE: Duration = Duration::from_secs(3);
/// So long it takes to read what the kernels have kept, through a window as small as that.
const DRAINED: Duration = Duration::from_secs(20);
/// The lowest priority of a thread.
const LAST: i32 = 19;
/// Between two bytes.
const DRIP: Duration = Duration::from_millis(400);
/// They come within two seconds, which is before the first are closed: they are slow, and no flood. That of new connections is
/// what a server sheds.
const AT_ONCE: usize = 5;
const BETWEEN: Duration = Duration::from_millis(10);
/// So much the kernel takes for one that never reads, and so often it asks for a document of many times that.
const WINDOW: u32 = 4 << 10;
const ASKS: usize = 16;

impl Kind {
    /// How long the server has patience.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Silent | Self::SlowHeader => HEADER,
            Self::SlowBody | Self::Deaf => BODY,
        }
    }
}

impl Crowd {
    /// So many of each of the three sorts, and returns when all have come.
    pub(crate) async fn begin(relay: &Relay, messages: &str, each: usize) -> Result<Self, Failure> {
        let (address, token) = (relay.address()?, relay.token().to_owned());
        let messages = messages.to_owned();
        let (come, all_here) = oneshot::channel();
        let (ended, ends) = oneshot::channel();
        // It ends with the last of them.
        drop(task::thread("bad clients", move || {
            rustix::process::setpriority_process(None, LAST)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let clients = Clients::come(address, &messages, &token, each).await;
                if come.send(()).is_ok() {
                    // Who asked may have failed meanwhile.
                    let _nobody = ended.send(clients.ends().await);
                }
                io::Result::Ok(())
            })
        })?);
        all_here.await.map_err(|_| "the bad clients could not begin")?;
        Ok(Self(ends))
    }

    /// What all of them came to.
    pub(crate) async fn closed(self) -> Result<Vec<End>, Failure> {
        Ok(self.0.await?)
    }
}

/// The clients, on the runtime that they share.
struct Clients(Vec<(Kind, Task<io::Result<Option<Duration>>>)>);

impl Clients {
    async fn come(address: SocketAddr, messages: &str, token: &str, each: usize) -> Self {
        let mut clients = Vec::new();
        for number in 0..each {
            let slow = if number % 2 == 0 { Kind::SlowHeader } else { Kind::SlowBody };
            for kind in [Kind::Silent, slow, Kind::Deaf] {
                let says = says(kind, messages, token);
                clients.push((kind, task::spawn("bad client", client(kind, address, says))));
            }
            if number % AT_ONCE == 0 {
                sleep(BETWEEN).await;
            }
        }
        Self(clients)
    }

    async fn ends(self) -> Vec<End> {
        let mut ends = Vec::new();
        for (kind, client) in self.0 {
            // One that could not even connect was not served for too long.
            ends.push(End { kind, closed: client.join().await.unwrap_or(Some(Duration::ZERO)) });
        }
        ends
    }
}

/// What it sends at once.
fn says(kind: Kind, messages: &str, token: &str) -> String {
    let rest = format!("host: relay\r\nauthorization: Bearer {token}\r\n");
    match kind {
        Kind::Silent => String::new(),
        Kind::SlowHeader => format!("GET /api/v1{messages} HTTP/1.1\r\n{rest}x: "),
        Kind::SlowBody => {
            format!("POST /api/v1{messages} HTTP/1.1\r\n{rest}content-length: 100000\r\n\r\n")
        }
        Kind::Deaf => format!("GET /api/v1/openapi.json HTTP/1.1\r\n{rest}\r\n").repeat(ASKS),
    }
}

async fn client(kind: Kind, address: SocketAddr, says: String) -> io::Result<Option<Duration>> {
    let socket = TcpSocket::new_v4()?;
    if kind == Kind::Deaf {
        socket.set_recv_buffer_size(WINDOW)?;
    }
    let mut stream = socket.connect(address).await?;
    let begun = Instant::now();
    stream.write_all(says.as_bytes()).await?;
    let until = begun + kind.limit() + GRACE;
    let closed = match kind {
        Kind::Silent => timeout_at(until.into_tokio(), end(&mut stream)).await,
        Kind::SlowHeader | Kind::SlowBody => {
            let (mut reader, mut writer) = stream.into_split();
            let _drip = task::spawn("drip", async move {
                while writer.write_all(b"x").await.is_ok() {
                    sleep(DRIP).await;
                }
                // The end is the server's to make.
                std::future::pending::<()>().await;
            });
            timeout_at(until.into_tokio(), end(&mut reader)).await
        }
        Kind::Deaf => {
            // Who does not read does not see the end either: by then it is behind what the kernels kept, or it is not.
            tokio::time::sleep_until((until + PAUSE).into_tokio()).await;
            return Ok(timeout(DRAINED, whole(&mut stream))
                .await
                .ok()
                .flatten()
                .map(|()| kind.limit()));
        }
    };
    Ok(closed.ok().map(|()| begun.elapsed()))
}

/// Reads until the other side closes; a reset is a close as well.
async fn end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut some = [0; 1024];
    while let Ok(1..) = stream.read(&mut some).await {}
}

/// Reads what there is, until the end or until all came that was asked for: `None`, as nobody had closed.
async fn whole(stream: &mut TcpStream) -> Option<()> {
    let (mut answers, mut some) = (0, vec![0; 64 << 10]);
    loop {
        match stream.read(&mut some).await {
            Ok(count @ 1..) => {
                answers += some[..count].windows(9).filter(|bytes| bytes == b"HTTP/1.1 ").count();
                if answers == ASKS {
                    return None;
                }
            }
            Ok(0) | Err(_) => return Some(()),
        }
    }
}
