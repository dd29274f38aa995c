//! A forward proxy on a free loopback port, that records where it is asked to connect to.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use linchpin::task::{self, Task, Tracker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy for a test, for CONNECT and SOCKS5 on one port. Dropping it closes it and every connection through it.
pub struct TestProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _accepting: Task<()>,
}

/// What a client asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Where to connect to, as it was written: an address or a name, and a port.
    pub target: String,
    /// Who it says it is: the value of `Proxy-Authorization`, or `user:password` with SOCKS5.
    pub login: Option<String>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    refusal: Mutex<Option<u16>>,
}

// ===== impl TestProxy =====

impl TestProxy {
    /// A proxy that connects everybody with whatever they ask for.
    ///
    /// # Panics
    ///
    /// If no loopback port is free.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing was started.
    pub async fn spawn() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound address");
        let shared = Arc::<Shared>::default();
        let accepting = task::spawn("test proxy", accept(listener, shared.clone()));
        Self { addr, shared, _accepting: accepting }
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything it was asked for so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers from now on with this status, or with this reply of SOCKS5, and connects nobody; `None` ends that.
    pub fn refuse(&self, status: Option<u16>) {
        *self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

impl fmt::Debug for TestProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestProxy").field("addr", &self.addr).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let connections = Tracker::new("test proxy");
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        // A client that goes away early is part of many tests.
        connections.spawn("test proxy connection", async move { drop(shared.serve(stream).await) });
    }
}

impl Shared {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        match client.read_u8().await? {
            SOCKS => self.socks(client).await,
            first => self.connect(client, first).await,
        }
    }

    /// Takes a request down; says how to refuse it, if it is to be refused.
    fn ask(&self, target: &str, login: Option<String>) -> Option<u16> {
        let asked = Asked { target: target.to_owned(), login };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self, mut client: TcpStream, first: u8) -> io::Result<()> {
        let mut head = vec![first];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let target = lines.next().and_then(|line| line.strip_prefix("CONNECT ")?.split(' ').next());
        let Some(target) = target else {
            return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await;
        };
        let login = lines.find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
        });
        if let Some(status) = self.ask(target, login) {
            return client.write_all(format!("HTTP/1.1 {status} Refused\r\n\r\n").as_bytes()).await;
        }
        let Ok(mut server) = TcpStream::connect(target).await else {
            return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        };
        client.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    async fn socks(&self, mut client: TcpStream) -> io::Result<()> {
        let methods = short(&mut client).await?;
        // The strongest that is offered: a name and a password, or nothing.
        let login = if methods.contains(&2) {
            client.write_all(&[SOCKS, 2]).await?;
            let _version = client.read_u8().await?;
            let (user, password) = (short(&mut client).await?, short(&mut client).await?);
            client.write_all(&[1, 0]).await?;
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Some(format!("{}:{}", text(&user), text(&password)))
        } else {
            client.write_all(&[SOCKS, 0]).await?;
            None
        };
        let [_, _, _, kind] = u32::to_be_bytes(client.read_u32().await?);
        let ip: Option<IpAddr> = match kind {
            1 => Some(Ipv4Addr::from(client.read_u32().await?).into()),
            4 => Some(Ipv6Addr::from(client.read_u128().await?).into()),
            _ => None,
        };
        let name = if ip.is_none() { short(&mut client).await? } else { Vec::new() };
        let port = client.read_u16().await?;
        let target = ip.map_or_else(
            || format!("{}:{port}", String::from_utf8_lossy(&name)),
            |ip| SocketAddr::new(ip, port).to_string(),
        );
        let refused = self.ask(&target, login);
        let server = TcpStream::connect(&target).await;
        let reply = refused.map_or(if server.is_ok() { 0 } else { 5 }, |status| status as u8);
        client.write_all(&[SOCKS, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        match server {
            Ok(mut server) if reply == 0 => {
                copy_bidirectional(&mut client, &mut server).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// So many bytes as the first of them says.
async fn short(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The version of SOCKS, with which everything of it begins.
const SOCKS: u8 = 5;
