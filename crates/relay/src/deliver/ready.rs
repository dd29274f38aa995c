//! A delivery: as it comes, and with all that an attempt needs.

use std::sync::Arc;

use bytes::Bytes;
use linchpin::time::Timestamp;

use super::record::{Skipped, Taken};
use super::targets::{Barred, Handle, Target};
use crate::ids::{AppId, EndpointId, MessageId, OrgId};
use crate::vault::Owner;

/// A delivery that is not stored yet.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) org: OrgId,
    /// The application of the message.
    pub(crate) app: AppId,
    /// What is delivered.
    pub(crate) message: MessageId,
    /// Where to.
    pub(crate) endpoint: EndpointId,
    /// The same, as the caller's transaction has read it.
    pub(crate) target: Result<Arc<Target>, Barred>,
    /// The body, byte for byte.
    pub(crate) payload: Bytes,
    /// What it is sent as, if not as JSON.
    pub(crate) raw_type: Option<Arc<str>>,
    /// When it is to be sent first, by the wall clock; `None` for at once.
    pub(crate) at: Option<Timestamp>,
}

/// A delivery with all that its next attempt needs.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// Its row in `delivery`.
    pub(super) rowid: i64,
    /// How many attempts are recorded. It fences: an attempt sent under an older number is not recorded.
    pub(super) attempt: u32,
    pub(super) org: OrgId,
    pub(super) app: AppId,
    pub(super) message: MessageId,
    pub(super) endpoint: EndpointId,
    /// What the endpoint is now.
    pub(super) target: Handle,
    pub(super) payload: Bytes,
    /// What it is sent as, if not as JSON.
    pub(super) raw_type: Option<Arc<str>>,
    /// When this attempt is due: at first, when the message was accepted or is to be sent. By the clock of the schedules.
    pub(super) due: Timestamp,
    /// Whether its first attempt is made because somebody asked for it.
    pub(super) manual: bool,
}

impl Ready {
    pub(super) fn taken(&self) -> Taken {
        let Self { rowid, attempt, endpoint, message, .. } = *self;
        Taken { rowid, attempt, endpoint, message }
    }

    /// Where it goes, with whom that belongs to.
    pub(super) fn owner(&self) -> Owner {
        (self.org, self.app, self.endpoint)
    }

    /// Where it waits for its turn.
    pub(super) fn lane(&self) -> (AppId, EndpointId) {
        (self.app, self.endpoint)
    }

    /// As one that is not sent.
    pub(super) fn skipped(&self, why: Barred) -> Skipped {
        let Self { org, app, manual, .. } = *self;
        Skipped { org, app, taken: self.taken(), manual, why }
    }

    /// Its place among all that is due.
    pub(super) fn key(&self) -> (i64, i64) {
        (self.due.as_micros(), self.rowid)
    }
}
