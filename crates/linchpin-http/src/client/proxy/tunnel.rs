//! How a proxy is asked for a connection to an address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Login, Proxy, Scheme};

/// Why there is no connection.
#[derive(Debug)]
pub(in crate::client) enum Refused {
    /// The proxy is not there, does not know us, or does not speak as it should.
    ByProxy(String),
    /// The proxy could not reach the target.
    ByTarget(String),
}

/// The longest answer to CONNECT, in bytes.
const HEAD: usize = 16 << 10;
const SOCKS: u8 = 5;

/// Has the proxy connect `stream` with `target`. What is read and written from then on is between us and the target.
pub(in crate::client) async fn tunnel(
    proxy: &Proxy,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: SocketAddr,
) -> Result<(), Refused> {
    match proxy.scheme {
        Scheme::Http | Scheme::Https => connect(stream, target, proxy.login.as_ref()).await,
        Scheme::Socks5 => socks(stream, target, proxy.login.as_ref()).await,
    }
}

async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: SocketAddr,
    login: Option<&Login>,
) -> Result<(), Refused> {
    let login = login.map(|login| format!("Proxy-Authorization: {}\r\n", login.basic()));
    let login = login.unwrap_or_default();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // Byte by byte: what follows the head belongs to somebody else.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return Err(Refused::ByProxy("its answer is too long".into()));
        }
        head.push(stream.read_u8().await?);
    }
    let status = head.strip_prefix(b"HTTP/1.").and_then(|line| line.get(2..5)).unwrap_or_default();
    let status = str::from_utf8(status).ok().and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..300) => Ok(()),
        // What proxies say when the other end is not there, or too slow.
        Some(status @ (502..=504)) => {
            Err(Refused::ByTarget(format!("{target}: the proxy answered {status}")))
        }
        Some(status) => Err(Refused::ByProxy(format!("it answered {status}"))),
        None => Err(Refused::ByProxy("it does not speak HTTP".into())),
    }
}

/// RFC 1928, with the login of RFC 1929.
async fn socks(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: SocketAddr,
    login: Option<&Login>,
) -> Result<(), Refused> {
    const NONE: u8 = 0;
    const PASSWORD: u8 = 2;
    let offered: &[u8] = if login.is_some() { &[SOCKS, 1, PASSWORD] } else { &[SOCKS, 1, NONE] };
    stream.write_all(offered).await?;
    stream.flush().await?;
    let [version, method] = u16::to_be_bytes(stream.read_u16().await?);
    if version != SOCKS {
        return Err(Refused::ByProxy("it does not speak SOCKS5".into()));
    }
    match (method, login) {
        (NONE, None) => {}
        (PASSWORD, Some(login)) => {
            let mut request = vec![1];
            for text in [&login.user, &login.password] {
                request.push(text.len() as u8); // at most 255, which was checked
                request.extend_from_slice(text.as_bytes());
            }
            stream.write_all(&request).await?;
            stream.flush().await?;
            if stream.read_u16().await? & 0xff != 0 {
                return Err(Refused::ByProxy("it does not take our login".into()));
            }
        }
        _ => return Err(Refused::ByProxy("it wants another login".into())),
    }
    let mut request = vec![SOCKS, 1, 0];
    match target.ip() {
        IpAddr::V4(ip) => request.extend([&[1][..], &ip.octets()].concat()),
        IpAddr::V6(ip) => request.extend([&[4][..], &ip.octets()].concat()),
    }
    request.extend(target.port().to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    let [_, reply, _, kind] = u32::to_be_bytes(stream.read_u32().await?);
    match reply {
        0 => {}
        // General failure; network, host unreachable; refused; out of hops.
        1 | 3..=6 => {
            return Err(Refused::ByTarget(format!("{target}: the proxy answered {reply}")));
        }
        _ => return Err(Refused::ByProxy(format!("it answered {reply}"))),
    }
    // From where it connects: nobody needs to know.
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => stream.read_u8().await?.into(),
        _ => return Err(Refused::ByProxy("it does not speak SOCKS5".into())),
    };
    let mut from = [0; 255 + 2];
    stream.read_exact(&mut from[..length + 2]).await?;
    Ok(())
}

impl From<io::Error> for Refused {
    fn from(fault: io::Error) -> Self {
        Self::ByProxy(fault.to_string())
    }
}
