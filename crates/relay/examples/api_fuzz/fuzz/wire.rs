//! One HTTP/1.1 connection, by hand: what is sent need not be HTTP, and how an answer ends is seen and not smoothed over.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use linchpin::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// From the first byte sent to the last one that came.
    pub(crate) took: Duration,
}

/// A client with one connection, which it makes anew only when the server has said that it would close it.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    kept: Option<Connection>,
    /// What was asked last: a server that closes a connection afterwards and has not said so shows only in what comes next.
    before: String,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// What came behind the last answer.
    spare: Vec<u8>,
}

/// Whoever is not answered in this time is not answered.
pub(crate) const HANGS: Duration = Duration::from_secs(40);

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

// ===== impl Client =====

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, kept: None, before: String::new() }
    }

    /// Sends a request and reads its answer; `Err` says how the connection failed instead.
    ///
    /// `bodiless` is the answer to a HEAD, which has no body whatever its headers say.
    pub(crate) async fn send(&mut self, request: &[u8], bodiless: bool) -> Result<Answer, String> {
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let began = Instant::now();
        let exchange = timeout(HANGS, connection.exchange(request, bodiless)).await;
        let (mut answer, whole) = exchange
            .map_err(|_| format!("no answer within {HANGS:?}"))?
            .map_err(|fault| format!("{fault}; before it came `{}`", self.before))?;
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        self.before =
            format!("{}, {} bytes: {}", line.escape_ascii(), request.len(), answer.status);
        answer.took = began.elapsed();
        // What was not taken whole cannot be followed by another request.
        if whole && !answer.closes() {
            self.kept = Some(connection);
        }
        Ok(answer)
    }
}

// ===== impl Connection =====

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|fault| format!("dial: {fault}"))?;
        drop(stream.set_nodelay(true));
        Ok(Self { stream, spare: Vec::new() })
    }

    /// The answer, and whether all of the request was taken. It may come before that.
    async fn exchange(&mut self, request: &[u8], bodiless: bool) -> Result<(Answer, bool), String> {
        let (mut read, mut write) = self.stream.split();
        let mut writing = pin!(write.write_all(request));
        let mut reading = pin!(answer(&mut read, &mut self.spare, bodiless));
        let (mut written, mut whole) = (false, false);
        loop {
            tokio::select! {
                // A server that has answered need not read on: that shows in the answer, or in none.
                done = &mut writing, if !written => (written, whole) = (true, done.is_ok()),
                answer = &mut reading => return Ok((answer?, whole)),
            }
        }
    }
}

/// Sends bytes on a connection of their own and returns all that comes until it is closed. `ends` tells the server that
/// there will be no more.
pub(crate) async fn until_closed(
    address: SocketAddr,
    bytes: &[u8],
    ends: bool,
) -> Result<Vec<u8>, String> {
    let Connection { mut stream, .. } = Connection::open(address).await?;
    let (mut read, mut write) = stream.split();
    let writing = async {
        // It may be closed in the middle of what is sent.
        if write.write_all(bytes).await.is_ok() && ends {
            drop(write.shutdown().await);
        }
    };
    let mut came = Vec::new();
    // A reset is an end, too; what came before it counts.
    let reading = async { drop(read.read_to_end(&mut came).await) };
    let both = async { tokio::join!(writing, reading) };
    timeout(HANGS, both).await.map_err(|_| format!("not closed within {HANGS:?}"))?;
    Ok(came)
}

/// Reads one answer; `spare` is what has been read of it already, and then what was read beyond it.
async fn answer(
    read: &mut (impl AsyncRead + Unpin),
    spare: &mut Vec<u8>,
    bodiless: bool,
) -> Result<Answer, String> {
    let (status, headers) = loop {
        let end = find(read, spare, b"\r\n\r\n").await?;
        let (status, headers) = head(&spare[..end])?;
        spare.drain(..end + 4);
        // Only `100 Continue` comes before an answer.
        if status >= 200 {
            break (status, headers);
        }
    };
    let mut answer = Answer { status, headers, body: Vec::new(), took: Duration::ZERO };
    if bodiless || matches!(status, 204 | 304) {
        return Ok(answer);
    }
    if answer.header("transfer-encoding").is_some() {
        answer.body = chunks(read, spare).await?;
    } else {
        let length = answer.header("content-length").ok_or("an answer without a length")?;
        let length = length.parse().map_err(|_| format!("a content-length of `{length}`"))?;
        fill(read, spare, length).await?;
        answer.body = spare.drain(..length).collect();
    }
    Ok(answer)
}

async fn chunks(
    read: &mut (impl AsyncRead + Unpin),
    spare: &mut Vec<u8>,
) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let end = find(read, spare, b"\r\n").await?;
        let size = String::from_utf8_lossy(&spare[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("a chunk of `{size}`"))?;
        spare.drain(..end + 2);
        fill(read, spare, size + 2).await?;
        body.extend(spare.drain(..size));
        spare.drain(..2);
        if size == 0 {
            return Ok(body);
        }
    }
}

fn head(bytes: &[u8]) -> Result<(u16, Vec<(String, String)>), String> {
    let text = str::from_utf8(bytes).map_err(|_| "a head that is no text".to_owned())?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("a status line of `{first}`"))?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("a header `{line}`"))?;
        Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Ok((status, headers.collect::<Result<_, String>>()?))
}

/// Reads until `mark` is there, and says where.
async fn find(
    read: &mut (impl AsyncRead + Unpin),
    spare: &mut Vec<u8>,
    mark: &[u8],
) -> Result<usize, String> {
    loop {
        if let Some(at) = spare.windows(mark.len()).position(|bytes| bytes == mark) {
            return Ok(at);
        }
        more(read, spare).await?;
    }
}

async fn fill(
    read: &mut (impl AsyncRead + Unpin),
    spare: &mut Vec<u8>,
    length: usize,
) -> Result<(), String> {
    while spare.len() < length {
        more(read, spare).await?;
    }
    Ok(())
}

async fn more(read: &mut (impl AsyncRead + Unpin), spare: &mut Vec<u8>) -> Result<(), String> {
    let came = read.read_buf(spare).await;
    match came.map_err(|fault| format!("the connection was cut: {fault}"))? {
        0 => Err(format!("the connection was closed, {} bytes into an answer", spare.len())),
        _ => Ok(()),
    }
}
