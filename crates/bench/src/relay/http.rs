//! As much of HTTP/1.1 as a load generator and a receiver need: keep-alive, `content-length`.
//!
//! A real client would cost more than the service it measures.

use std::net::SocketAddr;

use linchpin::error::ResultExt as _;
use linchpin::{Error, Kind, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One end of a connection that stays open, and what it has read ahead.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the last message ended; it is cut off before the next is read.
    used: usize,
}

/// A request or a response, in the connection's buffer.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// Request line or status line, and the headers.
    pub(super) head: &'a str,
    pub(super) body: &'a [u8],
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.kind(Kind::Unavailable)?;
        Self::new(stream)
    }

    pub(super) fn new(stream: TcpStream) -> Result<Self> {
        // A request leaves at once, and so does an answer.
        stream.set_nodelay(true).kind(Kind::Unavailable)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8 << 10), used: 0 })
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.kind(Kind::Unavailable)
    }

    /// The next message; `None` if the other side closed in between.
    pub(super) async fn read(&mut self) -> Result<Option<Message<'_>>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let (head, end) = loop {
            if let Some(found) = bounds(&self.buffer)?
                && self.buffer.len() >= found.1
            {
                break found;
            }
            if self.stream.read_buf(&mut self.buffer).await.kind(Kind::Unavailable)? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(broken("the connection was closed within a message"));
            }
        };
        self.used = end;
        let text = std::str::from_utf8(&self.buffer[..head]).kind(Kind::Internal)?;
        Ok(Some(Message { head: text, body: &self.buffer[head..end] }))
    }

    /// Sends a request and reads its answer: the status and the body.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.write(request).await?;
        let answer = self.read().await?.ok_or_else(|| broken("closed instead of answered"))?;
        let status = answer.head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Ok((status.ok_or_else(|| broken("a status line without a status"))?, answer.body))
    }
}

/// Where the head ends and where the message ends, once the head is complete.
fn bounds(buffer: &[u8]) -> Result<Option<(usize, usize)>> {
    const LENGTH: &[u8] = b"content-length:";
    const CHUNKED: &[u8] = b"transfer-encoding:";
    let mut line = 0;
    let mut length = 0;
    while let Some(size) = buffer[line..].iter().position(|byte| *byte == b'\n') {
        let text = &buffer[line..line + size];
        line += size + 1;
        if text == b"\r" {
            return Ok(Some((line, line + length)));
        }
        let begins = |name: &[u8]| {
            text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        if begins(LENGTH) {
            let value = std::str::from_utf8(&text[LENGTH.len()..]).kind(Kind::Internal)?;
            length = value.trim().parse().kind(Kind::Internal)?;
        } else if begins(CHUNKED) {
            return Err(broken("a chunked body, which this client does not read"));
        }
    }
    Ok(None)
}

fn broken(what: &'static str) -> Error {
    Error::new(Kind::Internal, what)
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn a_message_ends_where_its_length_says() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1";
        let (head, end) = bounds(text).expect("sound").expect("complete");
        assert_eq!(&text[head..end], b"ok");
        assert_eq!(bounds(&text[..head - 1]).expect("sound"), None);
    }

    #[test]
    fn a_chunked_body_is_refused() {
        assert!(bounds(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n").is_err());
    }
}
