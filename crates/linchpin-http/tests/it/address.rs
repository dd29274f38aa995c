//! The address filter: every special-purpose range at both of its ends, and one address beyond each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use linchpin_http::client::{AddressPolicy, Subnet};

/// Every IPv4 range that must be refused, written down from IANA's registry and not from the code.
const V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Every IPv6 range that must be refused, whatever is embedded.
const V6: &[&str] = &[
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn judge(address: &str) -> Result<(), &'static str> {
    AddressPolicy::public().judge(address.parse().unwrap())
}

#[track_caller]
fn assert_refused(address: impl Into<IpAddr>) {
    let address = address.into();
    assert!(AddressPolicy::public().judge(address).is_err(), "{address} passes");
}

/// First and last address of a range.
fn ends(range: &str) -> (u128, u128) {
    let (base, bits) = range.split_once('/').unwrap();
    let bits: u32 = bits.parse().unwrap();
    match base.parse().unwrap() {
        IpAddr::V4(base) => {
            let size = 1_u128 << (32 - bits);
            (u128::from(u32::from(base)), u128::from(u32::from(base)) + size - 1)
        }
        IpAddr::V6(base) => {
            let size = 1_u128 << (128 - bits);
            (u128::from(base), u128::from(base) + (size - 1))
        }
    }
}

fn listed(table: &[&str], address: u128) -> bool {
    table.iter().any(|range| {
        let (first, last) = ends(range);
        (first..=last).contains(&address)
    })
}

#[linchpin_testing::test]
fn every_v4_range_is_refused_from_its_first_to_its_last_address_and_no_further() {
    let policy = AddressPolicy::public();
    for range in V4 {
        let (first, last) = ends(range);
        let inside = [first, last, u128::midpoint(first, last)];
        for address in inside {
            assert_refused(Ipv4Addr::from(address as u32));
        }
        for outside in [first.checked_sub(1), Some(last + 1)].into_iter().flatten() {
            let Ok(bits) = u32::try_from(outside) else { continue };
            let verdict = policy.judge(Ipv4Addr::from(bits).into());
            let address = Ipv4Addr::from(bits);
            assert_eq!(verdict.is_err(), listed(V4, outside), "{address} beside {range}");
        }
    }
}

#[linchpin_testing::test]
fn every_v6_range_is_refused_from_its_first_to_its_last_address_and_no_further() {
    let policy = AddressPolicy::public();
    let global_unicast = ends("2000::/3");
    for range in V6 {
        let (first, last) = ends(range);
        for address in [first, last, u128::midpoint(first, last)] {
            assert_refused(Ipv6Addr::from(address));
        }
        for outside in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
            let address = Ipv6Addr::from(outside);
            // Outside of global unicast all is refused; what is inside and not listed passes.
            let refused =
                !(global_unicast.0..=global_unicast.1).contains(&outside) || listed(V6, outside);
            assert_eq!(policy.judge(address.into()).is_err(), refused, "{address} beside {range}");
        }
    }
}

#[linchpin_testing::test]
fn ordinary_addresses_pass() {
    for address in ["1.1.1.1", "8.8.8.8", "168.63.129.15", "2606:4700::1111", "2a00:1450:4001::8b"]
    {
        assert_eq!(judge(address), Ok(()), "{address}");
    }
}

#[linchpin_testing::test]
fn an_address_that_carries_an_ipv4_address_is_judged_by_it() {
    for private in
        [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(169, 254, 169, 254)]
    {
        let [a, b, c, d] = private.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        assert_refused(private.to_ipv6_mapped());
        assert_refused(Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low));
        assert_refused(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low));
        assert_refused(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low));
        assert_refused(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low));
        assert_refused(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1));
    }
    for public in ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
        assert_eq!(judge(public), Ok(()), "{public}");
    }
}

#[linchpin_testing::test]
fn a_local_translation_prefix_is_refused_wherever_it_may_carry_the_ipv4_address() {
    // RFC 6052 puts 10.0.0.1 behind a /48 like this; the last 32 bits are ignored there, and may say anything.
    let address = Ipv6Addr::new(0x64, 0xff9b, 1, 0x0a00, 0x0000, 0x0100, 0x0808, 0x0808);
    assert_refused(address);
}

#[linchpin_testing::test]
fn loopback_is_allowed_on_demand_and_nothing_else_with_it() {
    let policy = AddressPolicy::public().allow_loopback();
    for address in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(policy.judge(address.parse().unwrap()), Ok(()), "{address}");
    }
    for address in ["10.0.0.1", "0.0.0.0", "::", "169.254.169.254"] {
        assert!(policy.judge(address.parse().unwrap()).is_err(), "{address}");
    }
}

#[linchpin_testing::test]
fn a_subnet_is_allowed_to_its_ends() {
    let policy = AddressPolicy::public()
        .allow("10.1.0.0/16".parse().unwrap())
        .allow("fd00:1::/32".parse().unwrap());
    for address in ["10.1.0.0", "10.1.255.255", "::ffff:10.1.0.1", "fd00:1::1"] {
        assert_eq!(policy.judge(address.parse().unwrap()), Ok(()), "{address}");
    }
    for address in ["10.0.255.255", "10.2.0.0", "fd00:2::1"] {
        assert!(policy.judge(address.parse().unwrap()).is_err(), "{address}");
    }
}

#[linchpin_testing::test]
fn a_subnet_of_no_bits_holds_its_whole_family_and_not_the_other() {
    let all: Subnet = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains("255.255.255.255".parse().unwrap()));
    assert!(!all.contains("::1".parse().unwrap()));
    let all: Subnet = "::/0".parse().unwrap();
    assert!(all.contains("ffff::".parse().unwrap()));
}

#[linchpin_testing::test]
fn a_subnet_reads_what_it_writes_and_refuses_the_rest() {
    assert_eq!("10.0.0.0/8".parse::<Subnet>().unwrap().to_string(), "10.0.0.0/8");
    for text in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "ten/8", "10.0.0.0/-1", "10.0.0.0/"] {
        let fault = text.parse::<Subnet>().unwrap_err().to_string();
        assert!(fault.starts_with("not a subnet such as 10.0.0.0/8"), "{text}: {fault}");
    }
}
