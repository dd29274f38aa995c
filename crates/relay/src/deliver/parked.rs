//! Endpoints whose deliveries are parked, and when to look at each again.
//!
//! What a breaker or the pause of a receiver holds back waits for the same thing as all other deliveries of its endpoint.
//! Its row is parked, which is written once, and nobody reads it before that thing has come; then as many are taken up as
//! may go. Which endpoints have such rows is known in memory alone, like the breakers: a restart forgets both, and makes
//! them due.

use std::collections::{BTreeMap, BTreeSet};

use linchpin::sync::Mutex;
use linchpin::time::Timestamp;

use crate::ids::EndpointId;

/// Endpoints with parked deliveries: not many more than there are breakers and pauses, since all others are released.
#[derive(Debug, Default)]
pub(super) struct Parked(Mutex<Looks>);

/// When to look at whom, by endpoint and in order.
#[derive(Debug, Default)]
struct Looks {
    at: BTreeMap<EndpointId, Timestamp>,
    order: BTreeSet<(Timestamp, EndpointId)>,
}

/// How many deliveries of an endpoint may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    All,
    /// So many, and more when it is known how they ended. Not zero.
    Probes(usize),
}

/// An endpoint whose parked deliveries may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Released {
    pub(super) endpoint: EndpointId,
    pub(super) room: Room,
}

// ===== impl Parked =====

impl Parked {
    /// A delivery of `endpoint` is parked. It is looked at at `at`, or earlier if somebody said so.
    pub(super) fn add(&self, endpoint: EndpointId, at: Timestamp) {
        let mut looks = self.0.lock();
        let before = looks.at.get(&endpoint).copied();
        looks.set(endpoint, before.map_or(at, |before| before.min(at)));
    }

    /// Something may have changed for `endpoint`, or will at `at`: whether anything of it is parked.
    pub(super) fn look(&self, endpoint: EndpointId, at: Timestamp) -> bool {
        let mut looks = self.0.lock();
        let Some(before) = looks.at.get(&endpoint).copied() else { return false };
        looks.set(endpoint, before.min(at));
        true
    }

    /// Nothing of `endpoint` is parked any more. Said on the writer's thread, as [`add`](Self::add) is: so it is not said
    /// too late.
    pub(super) fn remove(&self, endpoint: EndpointId) {
        self.0.lock().remove(endpoint);
    }

    /// Who may be sent to again of those whose time has come, at most `most` of them. `room` says for how many deliveries
    /// of an endpoint there is room, and when to look again if nobody says more before.
    pub(super) fn release(
        &self,
        now: Timestamp,
        most: usize,
        room: impl Fn(&EndpointId) -> (Option<Room>, Timestamp),
    ) -> Vec<Released> {
        let mut looks = self.0.lock();
        let come: Vec<_> = looks.order.iter().take_while(|(at, _)| *at <= now).copied().collect();
        let mut released = Vec::new();
        for (_, endpoint) in come {
            if released.len() == most {
                break;
            }
            let (room, again) = room(&endpoint);
            looks.set(endpoint, again);
            released.extend(room.map(|room| Released { endpoint, room }));
        }
        released
    }

    /// When to look next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.lock().order.first().map(|(at, _)| *at)
    }
}

impl Looks {
    fn set(&mut self, endpoint: EndpointId, at: Timestamp) {
        self.remove(endpoint);
        self.at.insert(endpoint, at);
        self.order.insert((at, endpoint));
    }

    fn remove(&mut self, endpoint: EndpointId) {
        if let Some(at) = self.at.remove(&endpoint) {
            self.order.remove(&(at, endpoint));
        }
    }
}
