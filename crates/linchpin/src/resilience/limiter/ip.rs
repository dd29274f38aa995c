//! Addresses as keys.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Who an address stands for: one of IPv4 itself, of IPv6 its first 64 bits, which is the least that a customer gets, and
/// of which each has 2^64 addresses to choose from. An address of IPv4 inside of one of IPv6 (`::ffff:192.0.2.1`) is that.
///
/// Of a chain of proxies it must be the address that your own proxy has seen, not what a stranger says.
///
/// ```
/// # use std::net::IpAddr;
/// # use linchpin::resilience::limiter::{IpKey, Keyed, KeyedOptions, Options, Rate};
/// let guests: Keyed<IpKey> =
///     Keyed::new("guest", Rate::per_second(10), Options::default().burst(1), KeyedOptions::default())?;
/// let (one, same): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
/// guests.try_acquire(&IpKey::from(one), 1)?;
/// assert!(guests.try_acquire(&IpKey::from(same), 1).is_err());
/// assert_eq!(IpKey::from(one).to_string(), "2001:db8::/64");
/// # Ok::<(), linchpin::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IpKey(Net);

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Net {
    Address(Ipv4Addr),
    /// The first half.
    Prefix(u64),
}

impl From<IpAddr> for IpKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(Net::Address(v4)),
            IpAddr::V6(v6) => Self(Net::Prefix((v6.to_bits() >> 64) as u64)),
        }
    }
}

impl From<SocketAddr> for IpKey {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

impl fmt::Display for IpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Net::Address(v4) => v4.fmt(f),
            Net::Prefix(half) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(half) << 64)),
        }
    }
}
