//! How a refusal of a limiter reads.

use std::sync::Arc;
use std::time::Duration;

use super::decision::{Cause, No};
use crate::error::Kind;
use crate::resilience::Refusal;

pub(super) const POLICY: &str = "limiter";

/// `patient` if it would have waited.
#[inline]
pub(super) fn refusal(
    name: &'static str,
    key: Option<Arc<str>>,
    no: &No,
    patient: bool,
) -> Refusal {
    let never = no.cause == Cause::Never;
    let reason = match no.cause {
        Cause::Never => "the cost is above what passes at once, so it never will",
        Cause::QueueFull => "its queue is full",
        Cause::Spent if patient => "the wait would be too long",
        Cause::Spent => "its rate is used up",
    };
    Refusal {
        key,
        retry_after: if never { None } else { Some(Duration::from_nanos(no.retry_after)) },
        kind: if never { Kind::InvalidArgument } else { Kind::ResourceExhausted },
        used: no.used,
        limit: u64::from(no.limit),
        ..Refusal::new(POLICY, name, reason)
    }
}
