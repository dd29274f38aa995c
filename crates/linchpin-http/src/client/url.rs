//! URLs that may be called.

use std::fmt;
use std::net::IpAddr;

pub use url::Url;

use super::address::AddressPolicy;

/// Why a URL may not be called.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UrlFault {
    /// Its host is an address that may not be dialled; the name of the range.
    Blocked(&'static str),
    /// It has a part after `#`, which is never sent.
    Fragment,
    /// It cannot be read as a URL.
    Malformed(String),
    /// Its port is not one of web servers.
    Port(u16),
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// It is longer than 2,048 bytes.
    TooLong,
    /// It has a user name or a password.
    UserInfo,
}

const LONGEST: usize = 2_048;

/// Reads a URL and says whether it may be called, as far as that shows before its name is looked up.
///
/// What is returned is the normalised form: that is what must be stored and called. Hosts such as `2130706433` or
/// `0x7f.1` have become addresses by then and are judged as such.
///
/// # Errors
///
/// [`UrlFault`].
pub fn validate_url(text: &str, addresses: &AddressPolicy) -> Result<Url, UrlFault> {
    if text.len() > LONGEST {
        return Err(UrlFault::TooLong);
    }
    let url = Url::parse(text).map_err(|fault| match fault {
        url::ParseError::RelativeUrlWithoutBase => UrlFault::Scheme,
        fault => UrlFault::Malformed(fault.to_string()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlFault::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlFault::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(UrlFault::Fragment);
    }
    let literal: Option<IpAddr> = match url.host() {
        Some(url::Host::Ipv4(address)) => Some(address.into()),
        Some(url::Host::Ipv6(address)) => Some(address.into()),
        Some(url::Host::Domain("")) | None => return Err(UrlFault::Malformed("empty host".into())),
        Some(url::Host::Domain(_)) => None,
    };
    if let Some(address) = literal {
        addresses.judge(address).map_err(UrlFault::Blocked)?;
    }
    match url.port() {
        Some(port) if !addresses.allows_port(literal, port) => Err(UrlFault::Port(port)),
        _ => Ok(url),
    }
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(range) => write!(f, "the host is {range}, not a public address"),
            Self::Fragment => f.write_str("a URL to call has no part after `#`"),
            Self::Malformed(why) => write!(f, "not a URL: {why}"),
            Self::Port(port) => write!(f, "port {port} is not one of web servers"),
            Self::Scheme => f.write_str("a URL to call begins with `http://` or `https://`"),
            Self::TooLong => write!(f, "longer than {LONGEST} bytes"),
            Self::UserInfo => f.write_str("a user name or password in the URL is not allowed"),
        }
    }
}

impl std::error::Error for UrlFault {}
