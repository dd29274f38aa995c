//! Which addresses may be dialled.
//!
//! From IANA's registries of special-purpose addresses, with everything denied that is not plain global unicast.
//! Addresses that carry an IPv4 address inside are judged by that one. Ports are those of web servers: a body that somebody
//! else chose must not be spoken to a mail server or a cache.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Which addresses may be dialled: public ones, at ports of web servers, and what is allowed besides.
#[derive(Clone, Debug)]
pub struct AddressPolicy {
    loopback: bool,
    allowed: Vec<Subnet>,
    ports: Vec<u16>,
}

/// A range of addresses, as in `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subnet {
    base: IpAddr,
    bits: u8,
}

/// The text is not a subnet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseSubnetError(&'static str);

type V4Range = ([u8; 4], u8, &'static str);
type V6Range = ([u16; 8], u8, &'static str);

/// Every IPv4 range that is not for the public.
const V4: &[V4Range] = &[
    ([0, 0, 0, 0], 8, "\"this network\""),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared (carrier-grade NAT)"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([168, 63, 129, 16], 32, "a cloud's internal service"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved for protocols"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 31, 196, 0], 24, "AS112"),
    ([192, 52, 193, 0], 24, "AMT"),
    ([192, 88, 99, 0], 24, "6to4 relay"),
    ([192, 168, 0, 0], 16, "private"),
    ([192, 175, 48, 0], 24, "AS112"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// Ranges inside `2000::/3` that are not for the public; everything outside of it is refused anyway.
const V6: &[V6Range] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved for protocols"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
];

/// Ports from 1024 on where services listen that take orders from whoever reaches them.
const SERVICES: &[RangeInclusive<u16>] = &[
    1433..=1433,   // SQL Server
    1521..=1521,   // Oracle
    2049..=2049,   // NFS
    2375..=2376,   // Docker
    2379..=2380,   // etcd
    3306..=3306,   // MySQL
    3389..=3389,   // RDP
    5432..=5432,   // PostgreSQL
    5672..=5672,   // AMQP
    5900..=5900,   // VNC
    6000..=6000,   // X11
    6379..=6379,   // Redis
    6665..=6669,   // IRC
    9042..=9042,   // Cassandra
    9092..=9092,   // Kafka
    9200..=9200,   // Elasticsearch
    10250..=10250, // kubelet
    11211..=11211, // memcached
    27017..=27017, // MongoDB
];

// ===== impl AddressPolicy =====

impl AddressPolicy {
    /// Public addresses only, and there the ports 80, 443 and those from 1024 on where no other service is known to listen.
    #[must_use]
    pub fn public() -> Self {
        Self { loopback: false, allowed: Vec::new(), ports: Vec::new() }
    }

    /// Loopback too, at any port: for development and tests.
    #[must_use]
    pub fn allow_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// This subnet too.
    #[must_use]
    pub fn allow(mut self, subnet: Subnet) -> Self {
        self.allowed.push(subnet);
        self
    }

    /// This port too, at every address that may be dialled.
    #[must_use]
    pub fn allow_port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Whether this port may be dialled at this address, or at the one that a name will turn out to stand for.
    pub(super) fn allows_port(&self, address: Option<IpAddr>, port: u16) -> bool {
        let is_services = || SERVICES.iter().any(|range| range.contains(&port));
        let at_home = self.loopback && address.is_none_or(|address| address.is_loopback());
        at_home
            || self.ports.contains(&port)
            || (matches!(port, 80 | 443 | 1024..) && !is_services())
    }

    /// Judges an address.
    ///
    /// # Errors
    ///
    /// What kind of address it is, if it may not be dialled.
    pub fn judge(&self, address: IpAddr) -> Result<(), &'static str> {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        if (self.loopback && address.is_loopback())
            || self.allowed.iter().any(|subnet| subnet.contains(address))
        {
            return Ok(());
        }
        match address {
            IpAddr::V4(v4) => judge_v4(v4),
            IpAddr::V6(v6) => judge_v6(v6),
        }
    }
}

fn judge_v4(address: Ipv4Addr) -> Result<(), &'static str> {
    let found = V4.iter().find(|(base, bits, _)| {
        Subnet { base: Ipv4Addr::from(*base).into(), bits: *bits }.contains(address.into())
    });
    found.map_or(Ok(()), |(_, _, name)| Err(*name))
}

fn judge_v6(address: Ipv6Addr) -> Result<(), &'static str> {
    let segments = address.segments();
    let v4_at = |index: usize| {
        let [a, b] = segments[index].to_be_bytes();
        let [c, d] = segments[index + 1].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // NAT64: dialled through a translator, so the embedded address counts.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => judge_v4(v4_at(6)),
        // A local translator may find the address in one of several places.
        [0x64, 0xff9b, 1, _, _, _, _, _] => Err("local translation"),
        // 6to4.
        [0x2002, ..] => judge_v4(v4_at(1)),
        [first, ..] if first & 0xe000 == 0x2000 => {
            let found = V6.iter().find(|(base, bits, _)| {
                Subnet { base: Ipv6Addr::from(*base).into(), bits: *bits }.contains(address.into())
            });
            found.map_or(Ok(()), |(_, _, name)| Err(*name))
        }
        [0, 0, 0, 0, 0, 0, 0, 0] => Err("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Err("loopback"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Err("private (unique local)"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Err("link-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Err("multicast"),
        _ => Err("not global unicast"),
    }
}

// ===== impl Subnet =====

impl Subnet {
    /// Whether `address` is inside.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let (base, address) = (u32::from(base), u32::from(address));
                (base ^ address).checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let (base, address) = (u128::from(base), u128::from(address));
                (base ^ address).checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Subnet {
    type Err = ParseSubnetError;

    fn from_str(text: &str) -> Result<Self, ParseSubnetError> {
        let (base, bits) =
            text.trim().split_once('/').ok_or(ParseSubnetError("there is no `/`"))?;
        let base: IpAddr =
            base.parse().map_err(|_| ParseSubnetError("the address cannot be read"))?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most);
        let bits = bits.ok_or(ParseSubnetError("the number after `/` is out of range"))?;
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl fmt::Display for ParseSubnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a subnet such as 10.0.0.0/8: {}", self.0)
    }
}

impl std::error::Error for ParseSubnetError {}
