//! Content that somebody wants gone.

use std::collections::{BTreeMap, BTreeSet};

use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Faults, Input};

/// The most messages of one request.
const IDS: usize = 100;

/// Messages whose payloads are to go.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct BulkExpungeIn {
    /// By id or `eventId`; 1 to 100.
    pub ids: BTreeSet<String>,
}

/// What became of each.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BulkExpungeOut {
    /// By what was asked for.
    pub results: BTreeMap<String, Expunged>,
}

/// What became of a message's payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expunged {
    /// It is gone.
    Expunged,
    /// There is no such message.
    NotFound,
}

impl Expunged {
    /// That of a message that was there or not.
    #[must_use]
    pub fn new(was_there: bool) -> Self {
        if was_there { Self::Expunged } else { Self::NotFound }
    }
}

impl Input for BulkExpungeIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        if self.ids.is_empty() {
            faults.add(["ids"], "must have at least one item");
        } else if self.ids.len() > IDS {
            faults.add(["ids"], format!("must have at most {IDS} items"));
        }
    }
}
