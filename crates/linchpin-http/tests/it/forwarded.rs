//! Who is behind one's own proxies, and who only says so.

use std::net::IpAddr;

use http::HeaderMap;
use linchpin_http::forwarded::client;

/// Whom it takes for the client: `10/8` and `fd00::/8` are ours.
fn seen(peer: &str, lines: &[&'static str]) -> String {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|subnet| subnet.parse().unwrap());
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("x-forwarded-for", line.parse().unwrap());
    }
    let peer: IpAddr = peer.parse().unwrap();
    client(peer, &headers, &trusted).to_string()
}

#[linchpin_testing::test]
fn a_peer_that_is_not_ours_is_the_client_whatever_it_says() {
    assert_eq!(seen("192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
    assert_eq!(seen("192.0.2.1", &[]), "192.0.2.1");
}

#[linchpin_testing::test]
fn the_last_that_is_not_ours_is_the_client() {
    assert_eq!(seen("10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
    assert_eq!(seen("10.0.0.1", &["6.6.6.6, 192.0.2.1,10.0.0.2"]), "192.0.2.1");
    assert_eq!(seen("10.0.0.1", &["6.6.6.6", "192.0.2.1", "10.0.0.2"]), "192.0.2.1");
}

#[linchpin_testing::test]
fn what_cannot_be_read_ends_the_walk() {
    assert_eq!(seen("10.0.0.1", &["6.6.6.6, unknown"]), "10.0.0.1");
    assert_eq!(seen("10.0.0.1", &["6.6.6.6, ,10.0.0.2"]), "10.0.0.2");
    assert_eq!(seen("10.0.0.1", &[""]), "10.0.0.1");
}

#[linchpin_testing::test]
fn all_of_ours_is_the_outermost_of_ours() {
    assert_eq!(seen("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
}

#[linchpin_testing::test]
fn addresses_may_have_ports_and_brackets_and_be_inside_of_others() {
    assert_eq!(seen("fd00::1", &["[2001:db8::7]:443"]), "2001:db8::7");
    assert_eq!(seen("fd00::1", &["[2001:db8::7]"]), "2001:db8::7");
    assert_eq!(seen("fd00::1", &["192.0.2.1:8080"]), "192.0.2.1");
    assert_eq!(seen("::ffff:10.0.0.1", &["::ffff:192.0.2.1"]), "192.0.2.1");
}
