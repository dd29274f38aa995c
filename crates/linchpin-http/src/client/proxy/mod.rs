//! A forward proxy: the way out where nothing may leave directly.

mod tunnel;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::address::Subnet;
use super::url::Url;

pub(super) use self::tunnel::{Refused, tunnel};

/// A proxy that calls go through, from `http://`, `https://` or `socks5://`, with or without `user:password@`.
///
/// Names are looked up and judged here, and the proxy is told an address: it cannot be talked into one that the
/// [`AddressPolicy`](super::AddressPolicy) refuses. It passes bytes on (CONNECT, for `http` URLs too, or SOCKS5), so that TLS and
/// the `Host` header are those of the target. The proxy's own address is not judged. A login for an `http` or `socks5` proxy goes
/// over the network in the clear.
///
/// The proxy of the environment (`HTTP_PROXY`) is never used.
#[derive(Clone)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    login: Option<Login>,
    spared: Vec<Spared>,
}

/// The text is not a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseProxyError(&'static str);

/// The proxy did not do its part. Nobody knows how the target is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyFault {
    pub(super) proxy: String,
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Http,
    Https,
    Socks5,
}

#[derive(Clone)]
pub(super) struct Login {
    user: String,
    password: String,
}

/// Targets that are dialled directly.
#[derive(Clone, Debug)]
enum Spared {
    /// This very name.
    Host(String),
    /// Every name that ends like this, a dot in front.
    Under(String),
    Subnet(Subnet),
}

/// The longest name or password of SOCKS5, in bytes.
const LOGIN: usize = 255;

// ===== impl Proxy =====

impl Proxy {
    /// Dials these targets directly: a name, the names under one (`.example.com`), an address or a subnet (`10.0.0.0/8`).
    /// Addresses are held against what a name stands for, too. They are judged all the same.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn spare(mut self, target: &str) -> Result<Self, ParseProxyError> {
        let target = target.trim().to_ascii_lowercase();
        let literal = target.parse::<IpAddr>().ok();
        let bits = literal.map(|ip| if ip.is_ipv4() { 32 } else { 128 });
        self.spared.push(if let Some(bits) = bits {
            subnet(&format!("{target}/{bits}"))?
        } else if target.contains('/') {
            subnet(&target)?
        } else if target.trim_matches('.').is_empty() || target.contains([':', '*', ' ']) {
            return Err(ParseProxyError("a target is a name, .name, an address or a subnet"));
        } else if target.starts_with('.') {
            Spared::Under(target)
        } else {
            Spared::Host(target)
        });
        Ok(self)
    }

    /// Whether a target is dialled directly.
    pub(super) fn spares(&self, host: &str, address: IpAddr) -> bool {
        let host = host.trim_end_matches('.');
        self.spared.iter().any(|spared| match spared {
            Spared::Host(name) => name == host,
            Spared::Under(end) => host.ends_with(end.as_str()),
            Spared::Subnet(subnet) => subnet.contains(address),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    pub(super) fn fault(&self, why: &impl ToString) -> ProxyFault {
        ProxyFault { proxy: self.to_string(), why: why.to_string() }
    }
}

fn subnet(text: &str) -> Result<Spared, ParseProxyError> {
    let subnet = text.parse().map_err(|_| ParseProxyError("a target is no subnet"))?;
    Ok(Spared::Subnet(subnet))
}

impl FromStr for Proxy {
    type Err = ParseProxyError;

    fn from_str(text: &str) -> Result<Self, ParseProxyError> {
        let url = Url::parse(text.trim()).map_err(|_| ParseProxyError("it is not a URL"))?;
        let (scheme, port) = match url.scheme() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "socks5" => (Scheme::Socks5, 1080),
            _ => return Err(ParseProxyError("it is none of http, https and socks5")),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ParseProxyError("there is something after host and port"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(ParseProxyError("it has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            scheme,
            host,
            port: url.port().unwrap_or(port),
            login: Login::of(&url)?,
            spared: Vec::new(),
        })
    }
}

impl fmt::Display for Proxy {
    /// As it was written, without the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
        };
        match self.host.parse::<IpAddr>() {
            Ok(ip) => write!(f, "{scheme}://{}", SocketAddr::new(ip, self.port)),
            Err(_) => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

// ===== impl Login =====

impl Login {
    fn of(url: &Url) -> Result<Option<Self>, ParseProxyError> {
        let (user, password) = (url.username(), url.password());
        if user.is_empty() && password.is_none() {
            return Ok(None);
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().ok()?.into_owned();
            (text.len() <= LOGIN && !text.contains(char::is_control)).then_some(text)
        };
        let wrong = ParseProxyError("its user name or password cannot be used");
        let user = decoded(user).filter(|user| !user.is_empty() && !user.contains(':'));
        let password = decoded(password.unwrap_or_default());
        Ok(Some(Self { user: user.ok_or(wrong)?, password: password.ok_or(wrong)? }))
    }

    /// The value of `Proxy-Authorization`.
    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

// ===== impl ParseProxyError, ProxyFault =====

impl fmt::Display for ParseProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ParseProxyError {}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} failed: {}", self.proxy, self.why)
    }
}

impl std::error::Error for ProxyFault {}
