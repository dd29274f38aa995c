//! Addresses as keys.

use std::net::{IpAddr, SocketAddr};

use linchpin::resilience::limiter::{IpKey, Keyed, KeyedOptions, Options, Rate};

fn key(address: &str) -> IpKey {
    let address: IpAddr = address.parse().unwrap();
    address.into()
}

#[test]
fn of_ipv6_the_first_64_bits_count_and_of_ipv4_all() {
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
}

#[test]
fn an_address_is_the_same_inside_of_another_and_with_a_port() {
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    let socket: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
    assert_eq!(IpKey::from(socket), key("2001:db8::"));
    // Of another half of the same bits.
    assert_ne!(key("::192.0.2.1"), key("192.0.2.1"));
}

#[test]
fn people_read_an_address_or_a_network() {
    let shown = ["192.0.2.1", "2001:db8:1:2:3::"].map(|address| key(address).to_string());
    assert_eq!(shown, ["192.0.2.1", "2001:db8:1:2::/64"]);
    let guests: Keyed<IpKey> =
        Keyed::new("guests", Rate::per_hour(1), Options::default(), KeyedOptions::default())
            .unwrap();
    guests.try_acquire(&key("2001:db8::1"), 1).unwrap();
    let refusal = guests.try_acquire(&key("2001:db8::2"), 1).unwrap_err();
    assert_eq!(refusal.key.as_deref(), Some("2001:db8::/64"));
    guests.try_acquire(&key("192.0.2.1"), 1).unwrap();
}
