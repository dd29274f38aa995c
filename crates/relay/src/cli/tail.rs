//! Following events: a response without an end, shown as it comes.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use linchpin::context::Context;
use linchpin::sync::select::{self, Two};
use linchpin::{Error, Kind};
use serde_json::Value;
use tokio::net::TcpStream;

use super::call::{Api, Call, Failure};
use super::output::{Format, print};

/// Server-sent events, as they are put together from pieces.
#[derive(Default)]
struct Events {
    /// What came of the line that is not complete.
    rest: Vec<u8>,
    name: String,
}

/// Shows events until the service ends.
pub(super) async fn run(
    ctx: &Context,
    api: &Api,
    call: &Call,
    format: Format,
) -> Result<(), Failure> {
    let url = api.url(call);
    let unavailable = |fault: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(Kind::Unavailable, fault).context(format!("follow {url}"))
    };
    if url.scheme() != "http" {
        return Err(Error::new(Kind::InvalidArgument, "operators are served over http://").into());
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(80);
    let stream =
        TcpStream::connect((host, port)).await.map_err(|fault| unavailable(fault.into()))?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|fault| unavailable(fault.into()))?;
    let path = &url[url::Position::BeforePath..];
    let request = Request::get(path)
        .header(header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .body(Empty::<Bytes>::new())
        .map_err(|fault| unavailable(fault.into()))?;
    let shown = async {
        let response =
            sender.send_request(request).await.map_err(|fault| unavailable(fault.into()))?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let said = body.collect().await.map_err(|fault| unavailable(fault.into()))?.to_bytes();
            let line = format!("{} {}", status.as_u16(), String::from_utf8_lossy(&said).trim());
            return Err(Failure::Refused(status, vec![line]));
        }
        let mut events = Events::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|fault| unavailable(fault.into()))?;
            for (name, data) in events.push(frame.data_ref().map_or(&[][..], |data| data)) {
                print(&line(format, &name, &data))?;
            }
        }
        Ok(())
    };
    // The connection gets on while the response is read; when it ends, what it has read is still to be shown.
    let driven = async {
        drop(connection.await);
        std::future::pending::<()>().await;
    };
    match select::biased(ctx, (shown, driven)).await {
        Ok(Two::First(shown)) => shown,
        Ok(Two::Second(())) => Ok(()),
        Err(ended) => Err(Error::from(ended).into()),
    }
}

/// An event for a person, or for a program.
fn line(format: Format, name: &str, data: &str) -> String {
    let told: Value = serde_json::from_str(data).unwrap_or_default();
    if format != Format::Table {
        return format!("{{\"event\":{},\"data\":{data}}}\n", Value::from(name));
    }
    let text = |member: &str| told[member].as_str().unwrap_or_default().to_owned();
    match name {
        "missed" => format!("{data} events were missed\n"),
        _ => format!(
            "{}  {name}  {}  {}  attempt {}  {}\n",
            text("timestamp"),
            text("msgId"),
            text("endpointId"),
            told["attempt"],
            told["responseStatusCode"],
        ),
    }
}

impl Events {
    /// The events that are complete with these bytes: their names and data.
    fn push(&mut self, bytes: &[u8]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut self.name),
                Some(("data", data)) => found.push((self.name.clone(), data.to_owned())),
                // Comments and the blank lines between.
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn events_come_whole_from_pieces_of_any_size() {
        let text = b": listening\n\nevent: attempt.failed\ndata: {\"attempt\":1}\n\nevent: missed\ndata: 3\n\n";
        let expected = [("attempt.failed", "{\"attempt\":1}"), ("missed", "3")];
        let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
        for size in [1, 2, 7, text.len()] {
            let mut events = Events::default();
            let found: Vec<_> = text.chunks(size).flat_map(|bytes| events.push(bytes)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
