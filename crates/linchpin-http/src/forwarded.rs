//! Who a request comes from, behind proxies of one's own.

use std::net::IpAddr;

use http::HeaderMap;

use crate::client::Subnet;

/// The address of the client: of the peer, unless that is a proxy of ours; else what it says in `X-Forwarded-For` that its
/// own peer was, and so on as long as proxies of ours say it. The first address that is not trusted is the client.
///
/// Each proxy appends whom it saw, so the field is read from its end: what a client wrote there itself comes before
/// that and is never reached. An entry that is no address, and the end of the field, end the walk where it stands.
///
/// A key for a limiter is `IpKey::from` of it ([`linchpin::resilience::limiter::IpKey`]). The peer is what axum's
/// `ConnectInfo<SocketAddr>` extracts; [`server`](crate::server) puts it there.
///
/// ```
/// # use http::HeaderMap;
/// # use linchpin_http::forwarded::client;
/// let trusted = ["10.0.0.0/8".parse()?];
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.7".parse()?);
/// let peer = "10.0.0.8".parse()?;
/// assert_eq!(client(peer, &headers, &trusted).to_string(), "192.0.2.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Subnet]) -> IpAddr {
    let is_ours = |address: IpAddr| trusted.iter().any(|subnet| subnet.contains(address));
    let mut client = peer.to_canonical();
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            if !is_ours(client) {
                return client;
            }
            match parse(entry) {
                Some(before) => client = before.to_canonical(),
                None => return client,
            }
        }
    }
    client
}

/// An address, perhaps with a port and in brackets.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse().ok().or_else(bare);
    address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
}
