//! How many attempts may be under way to one host and port, whosever endpoints are there.
//!
//! Lanes keep one endpoint from taking all places. A thousand endpoints at one host are as one, for that host and for all others: so
//! each host has a part of the places. A delivery whose host has none left goes back to its lane, which is held, and stands in the
//! line of the host; whoever ends an attempt there calls the first of that line. Where nobody is called, since the place was
//! taken or the one that was called has something else to wait for, the hold is over after a second.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use linchpin::sync::Mutex;

use super::queue::Queue;
use crate::ids::{AppId, EndpointId};

/// The hosts with attempts under way. Clones share them.
#[derive(Clone)]
pub(super) struct Hosts(Arc<Shared>);

struct Shared {
    /// The most attempts to one of them at a time.
    places: usize,
    hasher: RandomState,
    hosts: Mutex<HashMap<Destination, Host>>,
    queue: Queue,
}

/// A host and port, by their hash under a key of this process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Destination(u64);

/// One with attempts under way, or deliveries that wait for some to end.
#[derive(Debug, Default)]
struct Host {
    under_way: usize,
    /// Lanes that wait, by their turns.
    line: BTreeMap<u64, (AppId, EndpointId)>,
    /// The turn of each lane that waits, and of those that were called and have not come yet.
    turns: HashMap<EndpointId, u64>,
    last: u64,
}

/// A place among the attempts to a host, until it is dropped.
#[must_use = "dropped at once it holds nobody back"]
pub(super) struct Place {
    hosts: Hosts,
    at: Destination,
}

// ===== impl Hosts =====

impl Hosts {
    pub(super) fn new(places: usize, queue: Queue) -> Self {
        let (hasher, hosts) = (RandomState::new(), Mutex::default());
        Self(Arc::new(Shared { places, hasher, hosts, queue }))
    }

    /// Where a URL in its normal form goes.
    pub(super) fn destination(&self, url: &str) -> Destination {
        Destination(self.0.hasher.hash_one(host_and_port(url)))
    }

    /// A place for an attempt of this endpoint, if the host has one left.
    pub(super) fn enter(&self, at: Destination, endpoint: EndpointId) -> Option<Place> {
        let mut hosts = self.0.hosts.lock();
        let host = hosts.entry(at).or_default();
        if host.under_way >= self.0.places {
            return None;
        }
        host.under_way += 1;
        if let Some(turn) = host.turns.remove(&endpoint) {
            host.line.remove(&turn);
        }
        Some(Place { hosts: self.clone(), at })
    }

    /// Has the first that waits called, this one if there is nobody else. It waits by the turn that it has, if it was called in vain.
    ///
    /// Its lane must be held by now, or it is called too early.
    pub(super) fn wait(&self, at: Destination, lane: (AppId, EndpointId)) {
        let mut hosts = self.0.hosts.lock();
        let host = hosts.entry(at).or_default();
        host.last += 1;
        let turn = *host.turns.entry(lane.1).or_insert(host.last);
        host.line.insert(turn, lane);
        // A place may have become free meanwhile.
        let is_free = host.under_way < self.0.places;
        drop(hosts);
        if is_free {
            self.call(at);
        }
    }

    /// Calls the first in the line that has something to send.
    fn call(&self, at: Destination) {
        while let Some((app, endpoint)) = self.first(at) {
            if self.0.queue.look(app, endpoint) {
                return;
            }
        }
    }

    fn first(&self, at: Destination) -> Option<(AppId, EndpointId)> {
        let mut hosts = self.0.hosts.lock();
        let host = hosts.get_mut(&at)?;
        let first = host.line.pop_first().map(|(_, lane)| lane);
        if first.is_none() && host.under_way == 0 {
            hosts.remove(&at);
        }
        first
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("places", &self.0.places).finish_non_exhaustive()
    }
}

// ===== impl Place =====

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(host) = self.hosts.0.hosts.lock().get_mut(&self.at) {
            host.under_way -= 1;
        }
        self.hosts.call(self.at);
    }
}

/// The host and the port of a URL in its normal form, which has no user name and no port that its scheme implies.
fn host_and_port(url: &str) -> (&str, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let implied = if scheme == "https" { 443 } else { 80 };
    // The colons of an IPv6 address stand in brackets.
    let port = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = port.unwrap_or((authority, implied));
    (host.trim_end_matches('.'), port)
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[linchpin_testing::test]
    fn a_destination_is_a_host_and_a_port() {
        for (url, wanted) in [
            ("https://example.com/", ("example.com", 443)),
            ("https://example.com./a?b=http://c:1", ("example.com", 443)),
            ("http://example.com?a", ("example.com", 80)),
            ("http://example.com:443/", ("example.com", 443)),
            ("http://127.0.0.1:8080/hook", ("127.0.0.1", 8080)),
            ("https://[2001:db8::1]/", ("[2001:db8::1]", 443)),
            ("https://[2001:db8::1]:8443/", ("[2001:db8::1]", 8443)),
        ] {
            assert_eq!(host_and_port(url), wanted, "{url}");
        }
    }
}
