//! Numbers of an endpoint.

use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

use linchpin::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::task::{SLACK, Stretch};
use super::time::Time;

/// The longest stretch of time that numbers are told of, and the default.
const LONGEST: Duration = Duration::from_hours(28 * 24);

/// How attempts have ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = EndpointAttemptStats)]
pub struct Ended {
    /// So many were answered with a 2xx.
    #[schema(minimum = 0)]
    pub success: i64,
    /// So many were not.
    #[schema(minimum = 0)]
    pub fail: i64,
    /// So many were not made, as the delivery had nowhere to go any more.
    #[schema(minimum = 0)]
    pub canceled: i64,
}

/// What is still to be delivered, of the oldest 10,000 deliveries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ToSchema)]
pub struct Waiting {
    /// So many wait for their time or for room.
    #[schema(minimum = 0)]
    pub pending: i64,
    /// So many have their turn next, or are under way.
    #[schema(minimum = 0)]
    pub sending: i64,
}

/// The numbers of an endpoint: how its attempts of a stretch of time have ended, and what it is still to get now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct EndpointStats {
    #[serde(flatten)]
    ended: Ended,
    #[serde(flatten)]
    waiting: Waiting,
}

/// The stretch of time from `since` to `until`, as seen at `now`: by default the 28 days up to now.
///
/// # Errors
///
/// What is wrong with it, for a client: it ends before it begins or after `now`, or it is longer than 28 days and five minutes.
pub fn stretch(
    since: Option<Time>,
    until: Option<Time>,
    now: Timestamp,
) -> Result<Stretch, &'static str> {
    let until = until.map_or(now, |until| until.0);
    let since = since.map_or(until - LONGEST, |since| since.0);
    if until > now {
        return Err("`until` is in the future; leave it out for now");
    }
    if since > until {
        return Err("`since` is later than `until`");
    }
    if since < until - LONGEST - SLACK {
        return Err("from `since` to `until` it must be 28 days at most");
    }
    Ok(Stretch { since, until })
}

impl From<(Ended, Waiting)> for EndpointStats {
    fn from((ended, waiting): (Ended, Waiting)) -> Self {
        Self { ended, waiting }
    }
}

impl AddAssign for Ended {
    fn add_assign(&mut self, more: Self) {
        self.success += more.success;
        self.fail += more.fail;
        self.canceled += more.canceled;
    }
}

impl SubAssign for Ended {
    fn sub_assign(&mut self, less: Self) {
        self.success -= less.success;
        self.fail -= less.fail;
        self.canceled -= less.canceled;
    }
}
