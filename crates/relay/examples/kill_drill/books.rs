//! What is known outside of the service: what its clients were told, and what receivers got.

use std::collections::{BTreeMap, BTreeSet};

use linchpin::time::Instant;
use relay::ids::MessageId;

/// A message and the number of an endpoint.
pub(crate) type Pair = (MessageId, usize);

/// What is known of all.
#[derive(Default)]
pub(crate) struct Books {
    /// What was acknowledged.
    pub(crate) sent: BTreeMap<MessageId, Sent>,
    /// Endpoints by their numbers.
    pub(crate) places: BTreeMap<usize, Place>,
    /// What somebody wanted to be sent once more.
    pub(crate) resent: BTreeMap<Pair, Resent>,
    /// The background tasks that were acknowledged; whether their endpoint stays.
    pub(crate) tasks: Vec<(String, bool)>,
    /// Messages that were old when they came: each is delivered, and then goes with all that is on record of it.
    pub(crate) old: BTreeSet<MessageId>,
    /// What arrived.
    pub(crate) received: BTreeMap<Pair, Arrivals>,
}

/// A message that was acknowledged.
pub(crate) struct Sent {
    /// Before it was asked for.
    pub(crate) begun: Instant,
    /// The numbers of the endpoints that are to get it.
    pub(crate) due: Vec<usize>,
    /// Its content goes after a second.
    pub(crate) is_brief: bool,
}

/// An endpoint, as those who made it know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) app: String,
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// Somebody has asked to delete it or its application.
    pub(crate) is_leaving: bool,
    /// When it was known to be deleted.
    pub(crate) gone: Option<Instant>,
}

/// What is to be expected of an endpoint.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Each delivery succeeds in the end.
    #[default]
    Stays,
    /// It stays, and each delivery has one attempt.
    TriesOnce,
    /// It is deleted.
    Comes,
    /// Its application is deleted.
    ComesWithApplication,
    /// The rows of its deliveries are deleted by hand.
    Robbed,
}

/// Requests to send a message to an endpoint once more.
#[derive(Default)]
pub(crate) struct Resent {
    /// How many may have been heard.
    pub(crate) asked: usize,
    /// When the last began that was acknowledged.
    pub(crate) last: Option<Instant>,
}

/// What arrived of a message at an endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Arrivals {
    pub(crate) count: usize,
    pub(crate) last: Instant,
}

impl Kind {
    pub(crate) fn stays(self) -> bool {
        matches!(self, Self::Stays | Self::TriesOnce)
    }
}

impl Books {
    /// Books of messages that are all due to the one endpoint that there is.
    pub(crate) fn of_one(
        messages: impl IntoIterator<Item = MessageId>,
        received: BTreeMap<Pair, Arrivals>,
    ) -> Self {
        let sent = |id| (id, Sent { begun: Instant::now(), due: vec![0], is_brief: false });
        Self {
            sent: messages.into_iter().map(sent).collect(),
            places: BTreeMap::from([(0, Place::default())]),
            received,
            ..Self::default()
        }
    }

    /// The numbers of the endpoints of an application that get what is sent to it now.
    pub(crate) fn due(&self, app: &str) -> Vec<usize> {
        let gets = |place: &Place| place.app == app && !place.is_leaving;
        self.places.iter().filter(|(_, place)| gets(place)).map(|(number, _)| *number).collect()
    }

    /// Notes a message that was acknowledged. Of the endpoints that it was due to when it was asked for, those are left out
    /// that are on their way out by now.
    pub(crate) fn acknowledged(&mut self, id: MessageId, mut sent: Sent) {
        sent.due.retain(|number| !self.places[number].is_leaving);
        self.sent.insert(id, sent);
    }
}
